/*
 * The watchdog of the workers: one that is stopped, loops or does not read its pipe is ended like
 * one that broke the rules.  What is lost with it, and who starts another, is known to workers.c.
 */
#define _GNU_SOURCE
#include "parent/heartbeat.h"

#include "base/clock.h"
#include "base/log.h"
#include "parent/workers.h"

enum heartbeat_verdict heartbeat_round(struct heartbeat *heartbeat)
{
    if (heartbeat->asked == heartbeat->answered) {
        heartbeat->asked++;
        heartbeat->silent = 0;
        return HEARTBEAT_ASK;
    }
    return ++heartbeat->silent >= HEARTBEAT_ROUNDS ? HEARTBEAT_STUCK : HEARTBEAT_WAIT;
}

int heartbeat_answer(struct heartbeat *heartbeat, uint64_t number)
{
    if (heartbeat->asked == heartbeat->answered || number != heartbeat->asked)
        return -1;
    heartbeat->answered = number;
    return 0;
}

int heartbeat_on_pong(struct worker *worker, const struct message *message, struct fault *fault)
{
    if (heartbeat_answer(&worker->heartbeat, message->request) == 0)
        return 0;
    return fault_set(fault, "PONG that nobody asked for");
}

static void round_of(struct worker *worker)
{
    if (worker->state != WORKER_READY)
        return;
    if (flood_round(&worker->share, pipe_busy_us(worker->pipe), clock_monotonic_ms())) {
        worker_kill(worker, "flood: its messages alone keep the hub busy");
        return;
    }
    enum heartbeat_verdict verdict = heartbeat_round(&worker->heartbeat);
    if (verdict == HEARTBEAT_STUCK)
        worker_kill(worker, "stuck: it did not answer for 10 s");
    if (verdict != HEARTBEAT_ASK)
        return;
    struct message message;
    message_init(&message, MESSAGE_PING);
    message.request = worker->heartbeat.asked;
    worker_send(worker, &message);
}

static void on_round(void *owner)
{
    struct hub *hub = owner;
    if (hub->stopping)
        return;
    for (size_t i = 0; i < hub->worker_count; i++)
        round_of(&hub->workers[i]);
    heartbeats_begin(hub);
}

void heartbeats_begin(struct hub *hub)
{
    if (timeout_set(hub->loop, &hub->heartbeat, HEARTBEAT_ROUND_MS, on_round, hub) != 0)
        log_error(SAY("stuck workers are not noticed any more: out of memory"));
}
