/*
 * Worker processes.  Each is this very program, executed anew with a pipe on descriptor 3 and
 * nothing else of ours.  One that breaks the rules, breaks its pipe or never gets ready is killed
 * and replaced, with a growing pause; only its own sessions are lost.
 */
#define _GNU_SOURCE
#include "parent/workers.h"

#include <errno.h>
#include <jansson.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "parent/connections.h"
#include "parent/process.h"

#define READY_WITHIN_MS 20000
#define BACKOFF_MIN_MS  100
#define BACKOFF_MAX_MS  10000
#define STEADY_MS       60000 /* lived this long: the next failure counts as the first */
#define WORKERS_MAX     256

static const char *const state_names[] = {
    [WORKER_ABSENT] = "absent",
    [WORKER_STARTING] = "starting",
    [WORKER_READY] = "ready",
    [WORKER_ENDING] = "ending",
};

static int spawn(struct worker *worker, struct fault *fault);
static void schedule_restart(struct worker *worker);

const char *worker_state_name(enum worker_state state)
{
    return state_names[state];
}

void worker_send(const struct worker *worker, const struct message *message)
{
    if (worker->pipe)
        pipe_send(worker->pipe, message);
}

/* Everything the process had is gone with it. */
static void lose_all(struct worker *worker, const char *reason)
{
    struct session *session;
    while ((session = TAILQ_FIRST(&worker->sessions)))
        session_end(session, reason);
    connections_forget(&worker->lost);
    target_checks_forget(worker);
}

/* What its process had is lost; the process itself may still be ending. */
static void worker_lose(struct worker *worker, const char *reason)
{
    if (worker->state != WORKER_STARTING && worker->state != WORKER_READY)
        return;
    worker->state = WORKER_ENDING;
    timeout_clear(&worker->timeout);
    if (!worker->hub->stopping)
        event_say(worker->hub, "worker.died", NULL, NULL, NULL, "worker %u (pid %d): %s",
                  worker->number, worker->process.pid, reason);
    pipe_close(worker->pipe);
    worker->pipe = NULL;
    lose_all(worker, worker->hub->stopping ? "the hub is stopping" : "its worker ended");
}

void worker_kill(struct worker *worker, const char *reason)
{
    if (worker->running)
        (void)uv_process_kill(&worker->process, SIGKILL);
    worker_lose(worker, reason);
}

static void on_message(void *owner, struct message *message)
{
    dispatch_message(owner, message);
}

/* At the hub's end a worker closes its pipe and then exits by itself. */
static void on_broken(void *owner, const char *reason)
{
    struct worker *worker = owner;
    if (worker->hub->stopping)
        worker_lose(worker, reason);
    else
        worker_kill(worker, reason);
}

static void on_not_ready(void *owner)
{
    worker_kill(owner, "it did not get ready");
}

static void on_restart(void *owner)
{
    struct worker *worker = owner;
    struct fault fault = {""};
    if (spawn(worker, &fault) == 0)
        return;
    log_error(KV("worker", worker->number), SAY("cannot be started"), KV("reason", fault.text));
    if (worker->state == WORKER_ABSENT)
        schedule_restart(worker);
}

static void schedule_restart(struct worker *worker)
{
    uint64_t lived_ms = clock_monotonic_ms() - worker->started_ms;
    if (lived_ms > STEADY_MS || worker->backoff_ms == 0)
        worker->backoff_ms = BACKOFF_MIN_MS;
    else if (worker->backoff_ms < BACKOFF_MAX_MS)
        worker->backoff_ms *= 2;
    if (timeout_set(worker->hub->loop, &worker->timeout, worker->backoff_ms, on_restart, worker) !=
        0)
        log_error(KV("worker", worker->number), SAY("cannot be restarted: out of memory"));
}

static void on_reaped(uv_handle_t *handle)
{
    struct worker *worker = handle->data;
    worker->state = WORKER_ABSENT;
    worker->hub->workers_alive--;
    if (!worker->hub->stopping)
        schedule_restart(worker);
    else if (worker->hub->workers_alive == 0)
        hub_stopped(worker->hub);
}

static void on_process_end(uv_process_t *process, int64_t status, int signal_number)
{
    struct worker *worker = process->data;
    char reason[64];
    (void)snprintf(reason, sizeof reason, signal_number != 0 ? "signal %d" : "exit code %d",
                   signal_number != 0 ? signal_number : (int)status);
    log_debug(KV("worker", worker->number), SAY("ended"), KV("reason", reason));
    worker->running = false;
    log_pipe_close(worker->log);
    worker->log = NULL;
    worker_lose(worker, reason);
    uv_close((uv_handle_t *)process, on_reaped);
}

/* NULL when out of memory. */
static json_t *settings_for_worker(const struct hub *hub)
{
    const struct hub_settings *settings = &hub->settings;
    return json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:b}", "log_level", log_level_name(log_get_level()),
        "log_format", settings->log_format == LOG_JSON ? "json" : "text", "user",
        settings->user ? settings->user : "", "keepalive_ms", (json_int_t)settings->keepalive_ms,
        "dead_peer_ms", (json_int_t)settings->dead_peer_ms, "login_grace_ms",
        (json_int_t)settings->login_grace_ms, "login_tries", (json_int_t)settings->login_tries,
        "legacy_mac", settings->legacy_mac);
}

/* Sends settings (stolen; NULL is out of memory) with a message that has room for them. */
static void send_settings(const struct worker *worker, struct message *message, json_t *settings)
{
    char *text = settings ? json_dumps(settings, JSON_COMPACT) : NULL;
    json_decref(settings);
    if (!text) {
        log_error(KV("worker", worker->number), SAY("gets no settings: out of memory"));
        return;
    }
    message->data = (const uint8_t *)text;
    message->data_length = strlen(text);
    worker_send(worker, message);
    free(text);
}

static void say_hello(struct worker *worker)
{
    struct hub *hub = worker->hub;
    struct message message;
    message_init(&message, MESSAGE_HELLO);
    message.key = (const uint8_t *)hub->keys.pem;
    message.key_length = hub->keys.pem_length;
    message.count = worker->number;
    message.cid = worker->last_visitor;
    send_settings(worker, &message, settings_for_worker(hub));
}

static int run_process(struct worker *worker, int descriptor, struct fault *fault)
{
    char number[16];
    (void)snprintf(number, sizeof number, "%u", worker->number);
    worker->process.data = worker;
    int rc = process_start(worker->hub->loop, &worker->process, "--worker", number, descriptor,
                           &worker->log, on_process_end);
    worker->hub->workers_alive++;
    worker->running = rc == 0;
    if (rc == 0)
        return 0;
    uv_close((uv_handle_t *)&worker->process, on_reaped);
    return fault_set(fault, "cannot start worker %u: %s", worker->number, uv_strerror(rc));
}

static int open_pipe(struct worker *worker, int descriptor, struct fault *fault)
{
    static const struct pipe_handlers handlers = {on_message, on_broken};
    if (pipe_open(worker->hub->loop, descriptor, TO_PARENT, &handlers, worker, &worker->pipe) == 0)
        return 0;
    (void)close(descriptor);
    return fault_set(fault, "cannot talk to worker %u: out of memory", worker->number);
}

static int spawn(struct worker *worker, struct fault *fault)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return fault_set(fault, "cannot make a pipe to worker %u: %s", worker->number,
                         strerror(errno));
    if (open_pipe(worker, pair[0], fault) != 0) {
        (void)close(pair[1]);
        return -1;
    }
    worker->state = WORKER_ENDING; /* until the process runs */
    worker->started_ms = clock_monotonic_ms();
    int rc = run_process(worker, pair[1], fault);
    (void)close(pair[1]);
    if (rc != 0) {
        pipe_close(worker->pipe);
        worker->pipe = NULL;
        return -1;
    }
    worker->state = WORKER_STARTING;
    worker->confinement[0] = '\0';
    worker->heartbeat = (struct heartbeat){.asked = 0};
    worker->share = (struct flood_share){.rounds = 0};
    if (timeout_set(worker->hub->loop, &worker->timeout, READY_WITHIN_MS, on_not_ready, worker) !=
        0)
        log_warning(KV("worker", worker->number), SAY("starts without a deadline"));
    say_hello(worker);
    return 0;
}

/* That it may run on (cpuset, CPUAffinity= of the unit, taskset). */
static size_t count_cores(void)
{
    cpu_set_t mine;
    if (sched_getaffinity(0, sizeof mine, &mine) == 0)
        return (size_t)CPU_COUNT(&mine);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more than a cpu_set_t holds */
    return online > 0 ? (size_t)online : 1;
}

static size_t count_workers(const struct hub_settings *settings)
{
    uint64_t wanted = settings->workers > 0 ? settings->workers : count_cores();
    return wanted < WORKERS_MAX ? (size_t)wanted : WORKERS_MAX;
}

int workers_start(struct hub *hub, struct fault *fault)
{
    size_t count = count_workers(&hub->settings);
    hub->workers = calloc(count, sizeof *hub->workers);
    if (!hub->workers)
        return fault_set(fault, "out of memory for %zu workers", count);
    hub->worker_count = count;
    for (size_t i = 0; i < count; i++) {
        struct worker *worker = &hub->workers[i];
        worker->hub = hub;
        worker->number = (unsigned)i + 1;
        worker->last_visitor = worker->number * VISITOR_IDS;
        TAILQ_INIT(&worker->sessions);
        TAILQ_INIT(&worker->lost);
    }
    for (size_t i = 0; i < count; i++) {
        if (spawn(&hub->workers[i], fault) != 0)
            return -1;
    }
    return 0;
}

/* A starting worker takes sessions only while no ready one is there. */
static bool is_better(const struct worker *worker, const struct worker *than)
{
    if (!than || worker->state != than->state)
        return !than || worker->state == WORKER_READY;
    return worker->session_count < than->session_count;
}

struct worker *workers_choose(struct hub *hub)
{
    struct worker *best = NULL;
    size_t first = hub->next_worker++; /* among equals each has its turn */
    for (size_t i = 0; i < hub->worker_count; i++) {
        struct worker *worker = &hub->workers[(first + i) % hub->worker_count];
        bool lives = worker->state == WORKER_STARTING || worker->state == WORKER_READY;
        if (lives && is_better(worker, best))
            best = worker;
    }
    return best;
}

void workers_tell_settings(struct hub *hub)
{
    for (size_t i = 0; i < hub->worker_count; i++) {
        struct message message;
        message_init(&message, MESSAGE_SETTINGS);
        send_settings(&hub->workers[i], &message, settings_for_worker(hub));
    }
}

void workers_tell_host_key(struct hub *hub)
{
    struct message message;
    message_init(&message, MESSAGE_HOST_KEY);
    message.key = (const uint8_t *)hub->keys.pem;
    message.key_length = hub->keys.pem_length;
    for (size_t i = 0; i < hub->worker_count; i++)
        worker_send(&hub->workers[i], &message);
}

void workers_drain(struct hub *hub, const char *reason, uint64_t spread_s)
{
    for (size_t i = 0; i < hub->worker_count; i++) {
        struct message message;
        message_init(&message, MESSAGE_DRAIN);
        message.count = spread_s;
        (void)text_copy(message.text, sizeof message.text, reason);
        worker_send(&hub->workers[i], &message);
        timeout_clear(&hub->workers[i].timeout);
    }
}

void workers_kill(struct hub *hub)
{
    for (size_t i = 0; i < hub->worker_count; i++)
        worker_kill(&hub->workers[i], "killed at the hub's end");
}
