/* What workers report of their sessions, and the answers they get. */
#define _GNU_SOURCE
#include <stdio.h>

#include "base/clock.h"
#include "base/kept_text.h"
#include "base/log.h"
#include "parent/operators.h"
#include "parent/peer_text.h"
#include "parent/publish.h"
#include "parent/sessions.h"
#include "parent/sites.h"
#include "parent/strangers.h"
#include "parent/workers.h"

static void init_reply(struct message *message, uint64_t request, enum verdict verdict)
{
    message_init(message, MESSAGE_REPLY);
    message->request = request;
    message->code = (uint64_t)verdict;
}

void session_reply(const struct session *session, uint64_t request, enum verdict verdict,
                   const char *reason)
{
    struct message message;
    init_reply(&message, request, verdict);
    peer_text(message.text, sizeof message.text, reason);
    worker_send(session->worker, &message);
}

void session_reply_data(const struct session *session, uint64_t request, enum verdict verdict,
                        const char *data, size_t length)
{
    struct message message;
    init_reply(&message, request, verdict);
    message.data = (const uint8_t *)data;
    message.data_length = length < MESSAGE_DATA_MAX ? length : MESSAGE_DATA_MAX;
    worker_send(session->worker, &message);
}

void session_reply_port(const struct session *session, uint64_t request, uint16_t port)
{
    struct message message;
    init_reply(&message, request, VERDICT_GRANTED);
    message.port = port;
    worker_send(session->worker, &message);
}

static bool is_side_session(const struct session *session)
{
    return session->state == SESSION_UP && session->role == ROLE_SITE &&
           !session_is_publisher(session);
}

/* The oldest of too many ends, not the newest: a site that lost its line and came back must get
 * in.  One that does nothing at all goes first. */
static void bound_side_sessions(struct site *site)
{
    size_t count = 0;
    struct session *session, *idle = NULL, *serving = NULL;
    TAILQ_FOREACH(session, &site->sessions, of_site)
    {
        if (!is_side_session(session))
            continue;
        count++;
        if (session->serving && !serving)
            serving = session;
        if (!session->serving && !idle)
            idle = session;
    }
    if (count > SIDE_SESSIONS_MAX)
        session_close(idle ? idle : serving, "too many sessions of this site that publish nothing");
}

static void bound_operator_sessions(struct session *session)
{
    size_t count = 0;
    const struct session *other;
    TAILQ_FOREACH(other, &session->person->sessions, of_operator)
    count += other->state == SESSION_UP;
    if (count > OPERATOR_SESSIONS_MAX)
        session_close(session, "too many sessions of this operator");
}

static void bound_sessions(struct session *session)
{
    struct hub *hub = session->hub;
    if (hub->session_count > hub->settings.max_sessions)
        session_close(session, "the hub has as many sessions as it may have");
    else if (session->site)
        bound_side_sessions(session->site);
    else if (session->person)
        bound_operator_sessions(session);
}

static void log_up(const struct session *session)
{
    bool is_operator = session->role == ROLE_OPERATOR;
    log_info(KV(is_operator ? "operator" : "site",
                is_operator ? kept_text(session->operator_name) : session->site_name),
             KV("session", session->id), SAY("up"), KV("peer", session->peer),
             KV("software", kept_text(session->software)), KV("cipher", kept_text(session->cipher)),
             KV("key", session->fingerprint));
}

int session_on_up(struct session *session, const struct message *message, struct fault *fault)
{
    if (session->role != ROLE_SITE && session->role != ROLE_ENROLLED &&
        session->role != ROLE_OPERATOR)
        return fault_set(fault, "UP of session %llu, whose key was not granted",
                         (unsigned long long)session->id);
    struct hub *hub = session->hub;
    session->authenticated = true;
    stranger_leave(session);
    source_succeed(session->source);
    capacity_count(&hub->capacity, clock_monotonic_ms());
    hub->session_count++;
    session_set_state(session, SESSION_UP);
    session->since_s = clock_wall_s();
    session->since_ms = clock_monotonic_ms();
    peer_text_keep(&session->software, message->text);
    peer_text_keep(&session->cipher, message->address);
    log_up(session);
    bound_sessions(session);
    return 0;
}

int session_on_alive(struct session *session, const struct message *message, struct fault *fault)
{
    (void)fault;
    if (message->rtt_us != 0)
        session->rtt_us = message->rtt_us;
    publish_alive(session);
    return 0;
}

int session_on_heard(struct session *session, const struct message *message, struct fault *fault)
{
    (void)message;
    (void)fault;
    publish_heard(session);
    return 0;
}

void session_refused(struct session *session, const char *text)
{
    if (session->site && session->authenticated)
        site_refused(session->site, session->peer, text);
    else if (session->person && session->authenticated)
        operator_refused(session->person, session->peer, text);
    else
        log_debug(KV("session", session->id), SAY("refused"), KV("asked", text));
}

int session_on_refusal(struct session *session, const struct message *message, struct fault *fault)
{
    (void)fault;
    char what[REASON_SIZE];
    peer_text(what, sizeof what, message->text);
    session_refused(session, what);
    return 0;
}

int session_on_gone(struct session *session, const struct message *message, struct fault *fault)
{
    (void)fault;
    char reason[REASON_SIZE];
    peer_text(reason, sizeof reason, message->text);
    if (session->hub->stopping) /* without the hint that went with it */
        (void)text_copy(reason, sizeof reason, "the hub is stopping");
    session->by_itself = session->state != SESSION_CLOSING;
    session_end(session, reason);
    return 0;
}
