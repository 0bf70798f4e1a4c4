/*
 * Checks of targets.  The forwards stand in a ring that turns once in an interval, so that the
 * checks of a thousand sites are spread over it by themselves; those whose grant has an interval of
 * its own have a time instead, the first drawn at random.  A forward whose target was tried lately,
 * by a visitor or by us, is passed over.  The visitor's socket is one end of a pair, whose
 * other end is held here until the site has answered, and never read or written.
 */
#define _GNU_SOURCE
#include "parent/target_checks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/kept_text.h"
#include "base/log.h"
#include "parent/connections.h"
#include "parent/enforce.h"
#include "parent/sites.h"
#include "parent/tracing.h"
#include "parent/workers.h"

#define RUNNING_MAX 16    /* in the whole hub at once */
#define TICK_MS     500   /* and up to twice as much besides */
#define OPEN_MS     10000 /* for a target to answer, unless its grant says less */
#define ANSWER_MS   5000  /* beyond that, for the worker to say so */
#define END_MS      2000  /* for the target to close, once it was connected */
#define OVERDUE_MS  30000 /* from CLOSE to CLOSED */
#define NOBODY      "0.0.0.0:0"

struct target_check {
    uint64_t id;
    LIST_ENTRY(target_check) entry;
    struct hub *hub;
    struct worker *worker;
    struct forward *forward; /* NULL: removed */
    int descriptor;          /* our end; -1 after OPENED */
    bool judged;
    struct timeout *timeout;
};

void target_checks_init(struct target_checks *checks)
{
    TAILQ_INIT(&checks->queue);
    TAILQ_INIT(&checks->own);
    LIST_INIT(&checks->list);
}

/* --- one check --- */

static void check_free(struct target_check *check)
{
    timeout_clear(&check->timeout);
    registry_remove(&check->hub->target_checks.running, check);
    LIST_REMOVE(check, entry);
    if (check->descriptor >= 0)
        (void)close(check->descriptor);
    if (check->forward)
        check->forward->check = NULL;
    free(check);
}

static void set_timeout(struct target_check *check, uint64_t ms, void (*ring)(void *owner))
{
    if (timeout_set(check->hub->loop, &check->timeout, ms, ring, check) != 0)
        log_warning(KV("connection", check->id), SAY("is checked without a deadline"));
}

static void on_overdue(void *owner)
{
    const struct target_check *check = owner;
    worker_kill(check->worker, "a target's check that was to be closed has not ended");
}

static void on_end(void *owner)
{
    struct target_check *check = owner;
    struct message message;
    message_init(&message, MESSAGE_CLOSE);
    message.cid = check->id;
    (void)text_copy(message.text, sizeof message.text, "the target's check is over");
    worker_send(check->worker, &message);
    set_timeout(check, OVERDUE_MS, on_overdue);
}

static void judge(struct target_check *check, const char *failure)
{
    struct forward *forward = check->forward;
    if (!forward || check->judged)
        return;
    check->judged = true;
    int before = tracing_enter(forward->site);
    check->hub->target_checks.judged_total++;
    if (failure)
        target_failed(&forward->health, failure);
    else
        target_answered(&forward->health);
    log_debug(KV("site", forward->site->row.name), KV("forward", forward->grant->port),
              SAY("target checked"),
              KV("result", failure ? kept_text(forward->health.reason) : "it answered"));
    (void)log_scope(before);
}

static void on_no_answer(void *owner)
{
    struct target_check *check = owner;
    judge(check, "no answer in time");
    on_end(check);
}

static void say_connect(const struct target_check *check, int visitor)
{
    const struct forward *forward = check->forward;
    const struct policy *policy = &forward->grant->policy;
    unsigned char header[PROXY_HEADER_MAX];
    struct message message;
    message_init(&message, MESSAGE_CONNECT);
    message.cid = check->id;
    message.sid = forward->session->id;
    message.port = forward->grant->port;
    (void)text_copy(message.address, sizeof message.address, forward->asked);
    (void)text_copy(message.peer, sizeof message.peer, NOBODY);
    message.timeout_ms = policy->connect_timeout_ms;
    if (message.timeout_ms == 0 || message.timeout_ms > OPEN_MS)
        message.timeout_ms = OPEN_MS;
    message.data = header;
    message.data_length = proxy_header(policy->proxy_protocol, NULL, NULL, header);
    message.descriptor = visitor;
    worker_send(check->worker, &message);
}

static int check_start(struct forward *forward)
{
    int pair[2];
    struct hub *hub = forward->site->hub;
    struct target_check *check = calloc(1, sizeof *check);
    if (!check || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
        free(check);
        return -1;
    }
    *check = (struct target_check){
        .id = ++hub->last_id,
        .hub = hub,
        .worker = forward->session->worker,
        .forward = forward,
        .descriptor = pair[1],
    };
    if (registry_add(&hub->target_checks.running, check) != 0) {
        (void)close(pair[0]);
        (void)close(pair[1]);
        free(check);
        return -1;
    }
    LIST_INSERT_HEAD(&hub->target_checks.list, check, entry);
    forward->check = check;
    say_connect(check, pair[0]);
    (void)close(pair[0]);
    set_timeout(check, OPEN_MS + ANSWER_MS, on_no_answer);
    return 0;
}

/* --- whose turn it is --- */

static uint64_t interval_ms(const struct hub *hub)
{
    return hub->settings.target_check_ms;
}

static bool wants_check(const struct forward *forward, uint64_t interval, uint64_t now_ms)
{
    const struct target_health *health = &forward->health;
    if (forward->check || !forward->session || forward_state(forward) != FORWARD_PUBLISHED)
        return false;
    /* Half: what the ring itself did one turn ago must not pass for lately. */
    return health->tried_ms == 0 || now_ms - health->tried_ms >= interval / 2;
}

static void try_target(struct forward *forward, uint64_t interval, uint64_t now_ms)
{
    if (wants_check(forward, interval, now_ms) && check_start(forward) != 0)
        log_warning(KV("site", forward->site->row.name), KV("forward", forward->grant->port),
                    SAY("target not checked: out of memory or descriptors"));
}

/* Whoever was looked at goes to the end, so that the bound is nobody's in particular. */
static void take_due(struct hub *hub)
{
    struct target_checks *checks = &hub->target_checks;
    uint64_t now_ms = clock_monotonic_ms();
    struct forward *forward, *following, *last = TAILQ_LAST(&checks->own, checked_forwards);
    for (forward = TAILQ_FIRST(&checks->own); forward && !hub->stopping; forward = following) {
        following = forward == last ? NULL : TAILQ_NEXT(forward, of_checks);
        uint64_t interval = forward->grant->policy.target_check_ms;
        if (checks->running.count >= RUNNING_MAX)
            return;
        if (forward->check_due_ms > now_ms)
            continue;
        forward->check_due_ms = now_ms + interval;
        TAILQ_REMOVE(&checks->own, forward, of_checks);
        TAILQ_INSERT_TAIL(&checks->own, forward, of_checks);
        try_target(forward, interval, now_ms);
    }
}

static void take_turns(struct hub *hub)
{
    struct target_checks *checks = &hub->target_checks;
    uint64_t interval = interval_ms(hub), now_ms = clock_monotonic_ms();
    struct forward *forward;
    while (interval > 0 && !hub->stopping && checks->credit >= interval &&
           checks->running.count < RUNNING_MAX && (forward = TAILQ_FIRST(&checks->queue))) {
        checks->credit -= interval;
        TAILQ_REMOVE(&checks->queue, forward, of_checks);
        TAILQ_INSERT_TAIL(&checks->queue, forward, of_checks);
        try_target(forward, interval, now_ms);
    }
    take_due(hub);
}

static void schedule(struct hub *hub);

static void on_tick(void *owner)
{
    struct hub *hub = owner;
    struct target_checks *checks = &hub->target_checks;
    uint64_t now_ms = clock_monotonic_ms(), most = checks->count * interval_ms(hub);
    checks->credit += checks->count * (now_ms - checks->ticked_ms);
    if (checks->credit > most)
        checks->credit = most; /* what could not be done in time is not made up for */
    checks->ticked_ms = now_ms;
    take_turns(hub);
    schedule(hub);
}

static uint64_t random_below(uint64_t bound)
{
    uint64_t random = 0;
    (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
    return random % bound;
}

static void schedule(struct hub *hub)
{
    struct target_checks *checks = &hub->target_checks;
    timeout_clear(&checks->tick);
    if (interval_ms(hub) == 0 && TAILQ_EMPTY(&checks->own))
        return;
    if (timeout_set(hub->loop, &checks->tick, TICK_MS + random_below(2 * TICK_MS), on_tick, hub) !=
        0)
        log_error(SAY("targets are not checked any more: out of memory"));
}

void target_checks_start(struct hub *hub)
{
    hub->target_checks.started = true;
    hub->target_checks.credit = 0;
    hub->target_checks.ticked_ms = clock_monotonic_ms();
    schedule(hub);
}

void target_checks_stop(struct hub *hub)
{
    timeout_clear(&hub->target_checks.tick);
    hub->target_checks.started = false;
}

void target_checks_enter(struct forward *forward)
{
    struct hub *hub = forward->site->hub;
    struct target_checks *checks = &hub->target_checks;
    const struct policy *policy = &forward->grant->policy;
    if (!policy->own_target_check) {
        forward->checked = CHECKED_IN_TURN;
        TAILQ_INSERT_TAIL(&checks->queue, forward, of_checks);
        checks->count++;
        return;
    }
    forward->checked = policy->target_check_ms > 0 ? CHECKED_WHEN_DUE : CHECKED_NEVER;
    if (forward->checked == CHECKED_NEVER)
        return;
    forward->check_due_ms = clock_monotonic_ms() + random_below(policy->target_check_ms);
    TAILQ_INSERT_TAIL(&checks->own, forward, of_checks);
    if (checks->started && !checks->tick)
        schedule(hub);
}

static void leave_queue(struct forward *forward)
{
    struct target_checks *checks = &forward->site->hub->target_checks;
    if (forward->checked == CHECKED_IN_TURN) {
        TAILQ_REMOVE(&checks->queue, forward, of_checks);
        checks->count--;
    } else if (forward->checked == CHECKED_WHEN_DUE) {
        TAILQ_REMOVE(&checks->own, forward, of_checks);
    }
    forward->checked = CHECKED_NEVER;
}

void target_checks_regrant(struct forward *forward)
{
    leave_queue(forward);
    target_checks_enter(forward);
}

void target_checks_leave(struct forward *forward)
{
    leave_queue(forward);
    if (!forward->check)
        return;
    forward->check->forward = NULL;
    on_end(forward->check);
}

/* --- messages --- */

struct target_check *target_check_find(const struct hub *hub, const struct worker *worker,
                                       uint64_t id)
{
    struct target_check *check = registry_find(&hub->target_checks.running, id);
    return check && check->worker == worker ? check : NULL;
}

static int on_opened(struct target_check *check, const struct message *message, struct fault *fault)
{
    struct forward *forward = check->forward;
    if (check->descriptor < 0)
        return fault_set(fault, "OPENED of connection %llu twice", (unsigned long long)check->id);
    (void)close(check->descriptor);
    check->descriptor = -1;
    if (message->code == VERDICT_GRANTED)
        judge(check, NULL);
    else if (forward)
        judge(check, forward_take_reported(forward, message->text));
    set_timeout(check, END_MS, on_end);
    return 0;
}

int target_check_on_message(struct target_check *check, const struct message *message,
                            struct fault *fault)
{
    struct hub *hub = check->hub;
    if (message->type == MESSAGE_OPENED)
        return on_opened(check, message, fault);
    check_free(check);
    take_turns(hub); /* there is room again */
    return 0;
}

void target_checks_forget(struct worker *worker)
{
    struct target_check *check, *following;
    for (check = LIST_FIRST(&worker->hub->target_checks.list); check; check = following) {
        following = LIST_NEXT(check, entry);
        if (check->worker == worker)
            check_free(check);
    }
}
