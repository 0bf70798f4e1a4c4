/*
 * The states of one session and its timer.  How keys are exchanged, how the agent logs in and how
 * forwards are published stands in handshake.c, authenticate.c and forwards.c; here is the order,
 * and the judgement when nothing more comes.
 */
#define _GNU_SOURCE
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "authenticate.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "forwards.h"
#include "handshake.h"
#include "netwatch.h"
#include "remote_command.h"
#include "ssh/transport.h"

#define LINE_MAX_SHOWN 200
#define DOUBT_RTTS     4
#define DOUBT_MIN_MS   1000
#define DOUBT_MAX_MS   3000
#define FIRST_PROBE_MS 1000 /* measures the round trip once the first forwards are published */

enum session_state {
    SESSION_KEY_EXCHANGE,   /* up to the host key's check */
    SESSION_AUTHENTICATING, /* as the site, or as `enrol` */
    SESSION_ACTIVATING,     /* `activate` was asked for, no answer yet */
    SESSION_SUBSCRIBING,    /* `forwards` was asked for, no list yet */
    SESSION_ONLINE,
    SESSION_CLOSING, /* the transport was told to close */
};

#define BIT(state) (1u << (state))

static const struct {
    const char *name;
    unsigned next; /* states that may follow */
} STATES[] = {
    [SESSION_KEY_EXCHANGE] = {"key exchange", BIT(SESSION_AUTHENTICATING) | BIT(SESSION_CLOSING)},
    [SESSION_AUTHENTICATING] = {"login", BIT(SESSION_ACTIVATING) | BIT(SESSION_SUBSCRIBING) |
                                             BIT(SESSION_CLOSING)},
    [SESSION_ACTIVATING] = {"activation", BIT(SESSION_CLOSING)},
    [SESSION_SUBSCRIBING] = {"subscription", BIT(SESSION_ONLINE) | BIT(SESSION_CLOSING)},
    [SESSION_ONLINE] = {"online", BIT(SESSION_CLOSING)},
    [SESSION_CLOSING] = {"closing", 0},
};

struct session {
    struct session_plan plan; /* its key is ours */
    const struct session_handlers *handlers;
    void *owner;
    enum session_state state;
    uv_timer_t timer; /* the state's time limit; liveness when online */
    struct transport *transport;
    struct authentication authentication;
    struct remote_command *activation;
    enum session_end end;
    uint64_t doubt_until_ms; /* something must be heard until then; 0: no doubt */
    uint64_t doubt_since_ms;
    struct fault why; /* empty: the transport's reason counts */
    char host_key[FINGERPRINT_SIZE];
};

static void on_timer(uv_timer_t *timer);

static void set_state(struct session *session, enum session_state next, uint64_t timeout_ms)
{
    if ((STATES[session->state].next & BIT(next)) == 0)
        log_error(SAY("a change of state that should not be"),
                  KV("from", STATES[session->state].name), KV("to", STATES[next].name));
    log_trace(KV("site", session->plan.settings->site), SAY("session"),
              KV("from", STATES[session->state].name), KV("to", STATES[next].name));
    session->state = next;
    uv_timer_start(&session->timer, on_timer, timeout_ms, 0);
}

static void finish(struct session *session, enum session_end end, const char *reason)
{
    if (session->state == SESSION_CLOSING)
        return;
    session->end = end;
    set_state(session, SESSION_CLOSING, session->plan.settings->connect_timeout_ms);
    transport_close(session->transport, reason);
}

/* For ends that `session->why` explains. */
static void give_up(struct session *session, enum session_end end)
{
    finish(session, end, "the agent gives up");
}

/* --- key exchange, login, subscription -------------------------------------------------------- */

static void turn_key_exchange(struct session *session)
{
    const struct agent_settings *settings = session->plan.settings;
    switch (handshake_step(transport_session(session->transport), &settings->host_keys,
                           session->host_key, &session->why)) {
    case HANDSHAKE_WAIT:
        return;
    case HANDSHAKE_DONE:
        set_state(session, SESSION_AUTHENTICATING, settings->connect_timeout_ms);
        return;
    case HANDSHAKE_FAILED:
        give_up(session, SESSION_LOST);
        return;
    case HANDSHAKE_WRONG_HOST:
        give_up(session, SESSION_WRONG_HOST);
        return;
    }
}

static void on_refused(struct session *session)
{
    if (session->plan.token != NULL)
        fault_set(&session->why,
                  "the hub refused the token: it has expired, was used for another key or was "
                  "revoked; ask the hub's operator for a new keyfile");
    else
        fault_set(&session->why,
                  "the hub refused the key of site %s: the site is disabled or removed, or has "
                  "another key by now; ask the hub's operator, or enrol with a new keyfile",
                  session->plan.settings->site);
    give_up(session, SESSION_REFUSED);
}

static void begin_activation(struct session *session)
{
    set_state(session, SESSION_ACTIVATING, session->plan.settings->connect_timeout_ms);
    if (remote_command_new(transport_session(session->transport), "activate",
                           &session->activation) == 0)
        return;
    fault_set(&session->why, "out of memory");
    give_up(session, SESSION_LOST);
}

static void on_granted(struct session *session)
{
    if (session->plan.token != NULL) {
        fault_set(&session->why, "the hub took the token");
        give_up(session, SESSION_REDEEMED);
        return;
    }
    if (session->plan.activate) {
        begin_activation(session);
        return;
    }
    CRASH_POINT("agent.logged_in");
    set_state(session, SESSION_SUBSCRIBING, session->plan.settings->connect_timeout_ms);
    if (forwards_attach(session->plan.forwards, session->transport, &session->why) != 0)
        give_up(session, SESSION_LOST);
}

static void turn_authentication(struct session *session)
{
    switch (authentication_step(&session->authentication, &session->why)) {
    case AUTHENTICATION_WAIT:
        return;
    case AUTHENTICATION_GRANTED:
        on_granted(session);
        return;
    case AUTHENTICATION_REFUSED:
        on_refused(session);
        return;
    case AUTHENTICATION_BROKEN:
        give_up(session, SESSION_LOST);
        return;
    }
}

static void turn_activation(struct session *session)
{
    enum remote_command_result result = remote_command_step(session->activation);
    if (result == REMOTE_COMMAND_WAIT)
        return;
    const char *text = remote_command_text(session->activation);
    int line = (int)strcspn(text, "\n");
    if (result == REMOTE_COMMAND_LOST)
        fault_set(&session->why, "the hub does not run the command 'activate'");
    else
        fault_set(&session->why, "the hub says: %.*s",
                  line < LINE_MAX_SHOWN ? line : LINE_MAX_SHOWN, text);
    if (result == REMOTE_COMMAND_ENDED && remote_command_code(session->activation) == 0)
        finish(session, SESSION_ACTIVATED, "the key is current");
    else
        give_up(session, SESSION_REFUSED);
}

static void turn_forwards(struct session *session)
{
    if (forwards_turn(session->plan.forwards, &session->why) != 0) {
        give_up(session, SESSION_LOST);
        return;
    }
    if (session->state != SESSION_SUBSCRIBING || !forwards_subscribed(session->plan.forwards))
        return;
    CRASH_POINT("agent.subscribed");
    set_state(session, SESSION_ONLINE, FIRST_PROBE_MS);
    session->handlers->on_online(session->owner);
}

/* --- the transport's handlers ----------------------------------------------------------------- */

/* Each state's work leads on to the next within the same turn, as far as it goes. */
static void on_turn(void *owner)
{
    struct session *session = owner;
    if (session->state == SESSION_KEY_EXCHANGE)
        turn_key_exchange(session);
    if (session->state == SESSION_AUTHENTICATING)
        turn_authentication(session);
    if (session->state == SESSION_ACTIVATING)
        turn_activation(session);
    if (session->state == SESSION_SUBSCRIBING || session->state == SESSION_ONLINE)
        turn_forwards(session);
}

static void on_message(void *owner, ssh_message message)
{
    struct session *session = owner;
    if (session->state == SESSION_ONLINE) {
        forwards_message(session->plan.forwards, message);
        return;
    }
    (void)ssh_message_reply_default(message);
    ssh_message_free(message);
}

static void session_free(struct session *session)
{
    ssh_key_free(session->plan.key);
    free(session);
}

static void on_closed(uv_handle_t *handle)
{
    session_free(handle->data);
}

static void on_down(void *owner, const char *reason)
{
    struct session *session = owner;
    remote_command_free(session->activation, false);
    if (session->plan.forwards != NULL)
        forwards_detach(session->plan.forwards);
    session->handlers->on_ended(session->owner, session->end,
                                session->why.text[0] != '\0' ? session->why.text : reason);
    uv_close((uv_handle_t *)&session->timer, on_closed);
}

static const struct transport_handlers TRANSPORT_HANDLERS = {
    .on_message = on_message,
    .on_turn = on_turn,
    .on_down = on_down,
};

/* --- time ------------------------------------------------------------------------------------- */

/* Has it been heard, or is there time left? */
static bool may_be_alive(struct session *session, uint64_t now)
{
    if (transport_last_heard_ms(session->transport) > session->doubt_since_ms)
        session->doubt_until_ms = 0;
    return session->doubt_until_ms == 0 || now < session->doubt_until_ms;
}

/* Judged by bytes heard alone.  An unanswered request of ours is as good as a probe. */
static void check_liveness(struct session *session)
{
    uint64_t keepalive = session->plan.settings->keepalive_ms;
    uint64_t dead = session->plan.settings->dead_peer_ms;
    uint64_t now = clock_monotonic_ms();
    uint64_t silent = now - transport_last_heard_ms(session->transport);
    if (!may_be_alive(session, now)) {
        fault_set(&session->why,
                  "this machine's network changed, and nothing was heard from the hub since");
        give_up(session, SESSION_LOST);
        return;
    }
    if (silent >= dead) {
        fault_set(&session->why, "nothing heard from the hub for %llu s",
                  (unsigned long long)(silent / 1000));
        give_up(session, SESSION_LOST);
        return;
    }
    bool measured = transport_rtt_us(session->transport) > 0;
    if ((!measured || silent >= keepalive) && !forwards_request_pending(session->plan.forwards))
        transport_probe(session->transport);
    uint64_t next = silent < keepalive ? keepalive - silent : keepalive;
    if (next > dead - silent)
        next = dead - silent;
    if (session->doubt_until_ms != 0 && next > session->doubt_until_ms - now)
        next = session->doubt_until_ms - now;
    uv_timer_start(&session->timer, on_timer, next, 0);
}

/* How long the hub may take when the way to it is another.  It may be busy with a request of ours:
 * then it is given the longest time. */
static uint64_t doubt_ms(const struct session *session)
{
    uint64_t rtt_ms = transport_rtt_us(session->transport) / 1000 + 1;
    bool measured = transport_rtt_us(session->transport) > 0;
    if (!measured || forwards_request_pending(session->plan.forwards) ||
        rtt_ms > DOUBT_MAX_MS / DOUBT_RTTS)
        return DOUBT_MAX_MS;
    return rtt_ms * DOUBT_RTTS > DOUBT_MIN_MS ? rtt_ms * DOUBT_RTTS : DOUBT_MIN_MS;
}

void session_network_changed(struct session *session)
{
    uint64_t now = clock_monotonic_ms();
    if (session->state != SESSION_ONLINE)
        return;
    bool same = netwatch_same_way(ssh_get_fd(transport_session(session->transport)));
    log_debug(KV("site", session->plan.settings->site), SAY("the network changed: probing the hub"),
              KV("way", same ? "the same" : "another"));
    if (!same && session->doubt_until_ms == 0) {
        session->doubt_since_ms = now;
        session->doubt_until_ms = now + doubt_ms(session);
        uv_timer_start(&session->timer, on_timer, session->doubt_until_ms - now, 0);
    }
    if (!forwards_request_pending(session->plan.forwards))
        transport_probe(session->transport);
}

static void on_timer(uv_timer_t *timer)
{
    struct session *session = timer->data;
    if (session->state == SESSION_ONLINE) {
        check_liveness(session);
        return;
    }
    if (session->state == SESSION_CLOSING)
        return;
    fault_set(&session->why, "the hub did not answer in time (%s)", STATES[session->state].name);
    give_up(session, SESSION_LOST);
}

/* --- life ------------------------------------------------------------------------------------- */

/* A started SSH session on the socket, which goes with it. */
static int start_ssh(struct session *session, int socket, ssh_session *out, struct fault *fault)
{
    const struct agent_settings *settings = session->plan.settings;
    const char *user = session->plan.token != NULL ? ENROL_USER : settings->site;
    ssh_session ssh = NULL;
    if (handshake_new(socket, user, &settings->host_keys, &ssh, fault) != 0) {
        close(socket);
        return -1;
    }
    /* The first step cannot be the last: the hub's banner has not been read. */
    if (handshake_step(ssh, &settings->host_keys, session->host_key, fault) != HANDSHAKE_WAIT) {
        ssh_free(ssh);
        return -1;
    }
    *out = ssh;
    return 0;
}

int session_open(uv_loop_t *loop, const struct session_plan *plan, int socket,
                 const struct session_handlers *handlers, void *owner, struct session **out,
                 struct fault *fault)
{
    ssh_session ssh = NULL;
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        close(socket);
        return fault_set(fault, "out of memory");
    }
    session->plan = *plan;
    session->plan.key = ssh_key_dup(plan->key);
    session->handlers = handlers;
    session->owner = owner;
    session->end = SESSION_LOST;
    if (session->plan.key == NULL) {
        close(socket);
        session_free(session);
        return fault_set(fault, "out of memory");
    }
    if (start_ssh(session, socket, &ssh, fault) != 0) {
        session_free(session);
        return -1;
    }
    if (transport_open(loop, ssh, socket, &TRANSPORT_HANDLERS, session, &session->transport) != 0) {
        ssh_free(ssh);
        session_free(session);
        return fault_set(fault, "out of memory");
    }
    session->authentication =
        (struct authentication){.session = ssh, .key = session->plan.key, .token = plan->token};
    uv_timer_init(loop, &session->timer);
    session->timer.data = session;
    uv_timer_start(&session->timer, on_timer, plan->settings->connect_timeout_ms, 0);
    *out = session;
    return 0;
}

void session_close(struct session *session, const char *reason)
{
    finish(session, SESSION_LOST, reason);
}

uint64_t session_rtt_us(const struct session *session)
{
    return transport_rtt_us(session->transport);
}

const char *session_host_key(const struct session *session)
{
    return session->host_key;
}
