/*
 * The order in which hub addresses are dialled, the delays between, and what follows from each
 * session's end.  A round tries every address once; between rounds the delay grows (retry.h).  An
 * address whose answer only a person can change (wrong host key, refused) rests for a minute.
 *
 * The key is always tried before the token, so that a token spent before a crash is not missed.
 */
#define _GNU_SOURCE
#include "uplink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "hub_dial.h"
#include "retry.h"
#include "round.h"
#include "session.h"
#include "uplink_internal.h"

#define LOUD_ROUNDS 10
#define STEADY_MS   10000 /* a session that lived this long ends the growing of delays */

#define BIT(state) (1u << (state))

static const struct {
    const char *name;
    unsigned next; /* states that may follow */
} STATES[] = {
    [UPLINK_IDLE] = {"idle", BIT(UPLINK_WAITING)},
    [UPLINK_WAITING] = {"waiting", BIT(UPLINK_WAITING) | BIT(UPLINK_RESOLVING) | BIT(UPLINK_IDLE)},
    [UPLINK_RESOLVING] = {"resolving", BIT(UPLINK_CONNECTING) | BIT(UPLINK_WAITING)},
    [UPLINK_CONNECTING] = {"connecting", BIT(UPLINK_LOGGING_IN) | BIT(UPLINK_WAITING)},
    [UPLINK_LOGGING_IN] = {"logging in",
                           BIT(UPLINK_ONLINE) | BIT(UPLINK_WAITING) | BIT(UPLINK_IDLE)},
    [UPLINK_ONLINE] = {"online", BIT(UPLINK_WAITING) | BIT(UPLINK_IDLE)},
};

/* --- states and delays ------------------------------------------------------------------------ */

static void set_state(struct uplink *uplink, enum uplink_state next)
{
    enum uplink_state before = uplink->state;
    if ((STATES[before].next & BIT(next)) == 0)
        log_error(SAY("a change of state that should not be"), KV("from", STATES[before].name),
                  KV("to", STATES[next].name));
    log_trace(KV("hub", uplink->hub_text), SAY("uplink"), KV("from", STATES[before].name),
              KV("to", STATES[next].name));
    uplink->state = next;
    if ((before == UPLINK_ONLINE) == (next == UPLINK_ONLINE) && uplink->since_s != 0)
        return;
    uplink->since_s = clock_wall_s();
    uplink->since_ms = clock_monotonic_ms();
}

static void on_delay(uv_timer_t *timer);

static void wait_for(struct uplink *uplink, uint64_t delay_ms)
{
    uplink->told_to_wait = false;
    uplink->next_try_ms = clock_monotonic_ms() + delay_ms;
    set_state(uplink, UPLINK_WAITING);
    uv_timer_start(&uplink->timer, on_delay, delay_ms, 0);
}

static void round_over(struct uplink *uplink)
{
    char reasons[ROUND_TEXT_SIZE];
    memcpy(reasons, uplink->round.reasons, sizeof reasons);
    round_end(&uplink->round);
    uint64_t rest = round_shortest_rest_ms(&uplink->round, clock_monotonic_ms());
    wait_for(uplink, rest > 0 ? rest : retry_next_ms(&uplink->retry, retry_random()));
    if (reasons[0] != '\0')
        uplink->handlers->on_round_failed(uplink->owner, reasons);
}

static void note_failure(struct uplink *uplink, const char *reason)
{
    snprintf(uplink->last_error, sizeof uplink->last_error, "%s", reason);
    round_note(&uplink->round, uplink->hub_text, reason);
}

/* The hub's word on when its agents are to come back goes before all delays of ours. */
static bool wait_as_told(struct uplink *uplink, const char *reason)
{
    uint64_t hint_ms = 0;
    if (!retry_hint_ms(reason, &hint_ms))
        return false;
    wait_for(uplink, retry_jitter_ms(hint_ms, retry_random()));
    uplink->told_to_wait = true;
    return true;
}

/* The next session begins with the site's key again. */
static void forget_attempt(struct uplink *uplink)
{
    uplink->with_next = uplink->enrolling = uplink->redeemed = false;
}

/* On to the next hub of the round. */
static void next_hub(struct uplink *uplink)
{
    if (round_advance(&uplink->round))
        wait_for(uplink, 0);
    else
        round_over(uplink);
}

/* A hub that is busy says when to come back.  Nobody has proven yet that it is the hub who says so:
 * it is believed for as long as a refusal would be. */
static void rest_as_told(struct uplink *uplink, const char *reason)
{
    uint64_t hint_ms = 0;
    if (!retry_hint_ms(reason, &hint_ms))
        return;
    hint_ms = retry_jitter_ms(hint_ms < RETRY_SLOW_MS ? hint_ms : RETRY_SLOW_MS, retry_random());
    round_rest(&uplink->round, clock_monotonic_ms() + hint_ms);
}

/* This time, from this hub. */
static void attempt_failed(struct uplink *uplink, const char *reason)
{
    /* A hub that is away for days does not fill the log: about a line a minute. */
    size_t in_vain = uplink->round.in_vain;
    bool aloud = in_vain < LOUD_ROUNDS || in_vain % LOUD_ROUNDS == 0;
    note_failure(uplink, reason);
    LOG_AT(aloud ? LOG_INFO : LOG_DEBUG, KV("site", uplink->settings->site),
           KV("hub", uplink->hub_text), SAY("no session"), KV("reason", reason));
    rest_as_told(uplink, reason);
    next_hub(uplink);
}

/* On this way, until a person does something. */
static void attempt_rests(struct uplink *uplink, const char *reason)
{
    note_failure(uplink, reason);
    log_warning(KV("site", uplink->settings->site), KV("hub", uplink->hub_text), SAY("no session"),
                KV("reason", reason));
    round_rest(&uplink->round,
               clock_monotonic_ms() + retry_jitter_ms(RETRY_SLOW_MS, retry_random()));
    forget_attempt(uplink);
    next_hub(uplink);
}

static void attempt_refused(struct uplink *uplink, const char *reason)
{
    uplink->refused = true;
    attempt_rests(uplink, reason);
}

/* --- sessions --------------------------------------------------------------------------------- */

static void on_online(void *owner)
{
    struct uplink *uplink = owner;
    bool redeemed = uplink->redeemed;
    uplink->redeemed = false;
    uplink->sessions++;
    uplink->round.in_vain = 0;
    round_forget(&uplink->round);
    set_state(uplink, UPLINK_ONLINE);
    snprintf(uplink->host_key, sizeof uplink->host_key, "%s", session_host_key(uplink->session));
    log_info(KV("site", uplink->settings->site), KV("hub", uplink->hub_text), SAY("online"),
             KV("host_key", uplink->host_key),
             KV("proxy", uplink->way[0] != '\0' ? uplink->way : PROXY_NONE_WORD));
    uplink->handlers->on_online(uplink->owner, redeemed);
}

static void went_offline(struct uplink *uplink, const char *reason)
{
    uplink->with_next = false;
    if (clock_monotonic_ms() - uplink->since_ms >= STEADY_MS)
        retry_reset(&uplink->retry);
    snprintf(uplink->last_error, sizeof uplink->last_error, "%s", reason);
    snprintf(uplink->lost_why, sizeof uplink->lost_why, "%s", reason);
    uplink->lost_s = clock_wall_s();
    log_warning(KV("site", uplink->settings->site), KV("hub", uplink->hub_text), SAY("offline"),
                KV("reason", reason));
    if (!wait_as_told(uplink, reason))
        wait_for(uplink, retry_next_ms(&uplink->retry, retry_random()));
}

static void on_refused(struct uplink *uplink, const char *reason)
{
    if (uplink->keys_changed) {
        wait_for(uplink, 0);
    } else if (uplink->next != NULL && !uplink->with_next && !uplink->enrolling) {
        uplink->with_next = true;
        wait_for(uplink, 0);
    } else if (uplink->redeemed) {
        attempt_refused(uplink,
                        "the hub took the token, but refused the key as this site's: the "
                        "keyfile was changed, or is of another site; ask the hub's operator "
                        "for a new one");
    } else if (uplink->enrolling || !uplink->has_token) {
        attempt_refused(uplink, reason);
    } else {
        CRASH_POINT("agent.key_refused");
        uplink->with_next = false;
        uplink->enrolling = true;
        wait_for(uplink, 0);
    }
}

static void on_redeemed(struct uplink *uplink)
{
    log_info(KV("site", uplink->settings->site), KV("hub", uplink->hub_text),
             SAY("the hub took the token"));
    CRASH_POINT("agent.redeemed");
    uplink->enrolling = false;
    uplink->redeemed = true;
    wait_for(uplink, 0);
}

static void on_session_ended(void *owner, enum session_end end, const char *reason)
{
    struct uplink *uplink = owner;
    uplink->session = NULL;
    if (uplink->enrolling && (end == SESSION_LOST || end == SESSION_REDEEMED))
        uplink->in_doubt = true;
    if (uplink->stopping) {
        set_state(uplink, UPLINK_IDLE);
        uplink->handlers->on_stopped(uplink->owner);
        return;
    }
    if (uplink->state == UPLINK_ONLINE) {
        went_offline(uplink, reason);
        return;
    }
    switch (end) {
    case SESSION_LOST:
    case SESSION_ACTIVATED: /* no session of ours ends so */
        attempt_failed(uplink, reason);
        return;
    case SESSION_WRONG_HOST:
        attempt_refused(uplink, reason);
        return;
    case SESSION_REFUSED:
        on_refused(uplink, reason);
        return;
    case SESSION_REDEEMED:
        on_redeemed(uplink);
        return;
    }
}

static const struct session_handlers SESSION_HANDLERS = {
    .on_online = on_online,
    .on_ended = on_session_ended,
};

/* --- dialling --------------------------------------------------------------------------------- */

static void on_resolved(void *owner)
{
    set_state(owner, UPLINK_CONNECTING);
}

static void on_connected(void *owner, int socket)
{
    struct uplink *uplink = owner;
    struct fault fault = {0};
    const struct session_plan plan = {
        .settings = uplink->settings,
        .key = uplink->with_next ? uplink->next : uplink->key,
        .token = uplink->enrolling ? &uplink->token : NULL,
        .forwards = uplink->forwards,
    };
    uplink->dial = NULL;
    uplink->keys_changed = false;
    CRASH_POINT("agent.connected");
    if (session_open(uplink->loop, &plan, socket, &SESSION_HANDLERS, uplink, &uplink->session,
                     &fault) == 0)
        set_state(uplink, UPLINK_LOGGING_IN);
    else
        attempt_failed(uplink, fault.text);
}

static void on_dial_failed(void *owner, const char *reason)
{
    struct uplink *uplink = owner;
    bool login_refused = hub_dial_login_refused(uplink->dial);
    uplink->dial = NULL;
    if (login_refused)
        attempt_rests(uplink, reason);
    else
        attempt_failed(uplink, reason);
}

static const struct dial_handlers DIAL_HANDLERS = {
    .on_resolved = on_resolved,
    .on_connected = on_connected,
    .on_failed = on_dial_failed,
};

static void dial_hub(struct uplink *uplink)
{
    struct fault fault = {0};
    const struct host_port *hub = uplink_address(uplink);
    host_port_format(hub->host, hub->port, uplink->hub_text);
    hub_dial_way(uplink->settings, hub, uplink->way);
    log_debug(KV("site", uplink->settings->site), KV("hub", uplink->hub_text), SAY("connecting"),
              KV("login", uplink->enrolling ? "enrol" : "site"));
    set_state(uplink, UPLINK_RESOLVING);
    if (hub_dial_start(uplink->loop, uplink->settings, hub, &DIAL_HANDLERS, uplink, &uplink->dial,
                       &fault) != 0)
        attempt_failed(uplink, fault.text);
}

static void on_delay(uv_timer_t *timer)
{
    struct uplink *uplink = timer->data;
    if (uplink->stopping) {
        set_state(uplink, UPLINK_IDLE);
        uplink->handlers->on_stopped(uplink->owner);
        return;
    }
    if (round_find(&uplink->round, clock_monotonic_ms()))
        dial_hub(uplink);
    else
        round_over(uplink);
}

/* --- life ------------------------------------------------------------------------------------- */

struct uplink *uplink_new(uv_loop_t *loop, const struct agent_settings *settings, ssh_key key,
                          const struct token *token, struct forwards *forwards,
                          const struct uplink_handlers *handlers, void *owner)
{
    struct uplink *uplink = calloc(1, sizeof *uplink);
    if (uplink == NULL || round_init(&uplink->round, settings->hubs.count) != 0) {
        free(uplink);
        return NULL;
    }
    uplink->loop = loop;
    uplink->settings = settings;
    uplink->key = key;
    uplink->forwards = forwards;
    uplink->handlers = handlers;
    uplink->owner = owner;
    uplink->has_token = token != NULL;
    if (token != NULL)
        uplink->token = *token;
    uv_timer_init(loop, &uplink->timer);
    uplink->timer.data = uplink;
    return uplink;
}

void uplink_set_keys(struct uplink *uplink, ssh_key key, ssh_key next)
{
    uplink->key = key;
    uplink->next = next;
    if (uplink->state == UPLINK_ONLINE)
        return;
    uplink->with_next = false;
    uplink->keys_changed = true;
}

void uplink_prefer(struct uplink *uplink, size_t hub)
{
    uplink->round.at = hub;
}

void uplink_start(struct uplink *uplink)
{
    wait_for(uplink, 0);
}

void uplink_stop(struct uplink *uplink)
{
    if (uplink->stopping)
        return;
    uplink->stopping = true;
    if (uplink->session != NULL) {
        session_close(uplink->session, "the agent ends");
        return;
    }
    hub_dial_cancel(uplink->dial);
    uplink->dial = NULL;
    wait_for(uplink, 0);
}

void uplink_network_changed(struct uplink *uplink)
{
    uint64_t now = clock_monotonic_ms();
    if (uplink->state == UPLINK_ONLINE)
        session_network_changed(uplink->session);
    if (uplink->state != UPLINK_WAITING || uplink->told_to_wait || uplink->stopping ||
        uplink->next_try_ms <= now + RETRY_FIRST_MS)
        return;
    retry_reset(&uplink->retry);
    wait_for(uplink, retry_next_ms(&uplink->retry, retry_random()));
}

void uplink_restart(struct uplink *uplink, const char *reason)
{
    if (uplink->state == UPLINK_ONLINE && !uplink->stopping)
        session_close(uplink->session, reason);
}

static void on_closed(uv_handle_t *handle)
{
    struct uplink *uplink = handle->data;
    token_wipe(&uplink->token);
    round_release(&uplink->round);
    free(uplink);
}

void uplink_close(struct uplink *uplink)
{
    if (uplink != NULL)
        uv_close((uv_handle_t *)&uplink->timer, on_closed);
}

void uplink_forget_token(struct uplink *uplink)
{
    token_wipe(&uplink->token);
    uplink->has_token = false;
}
