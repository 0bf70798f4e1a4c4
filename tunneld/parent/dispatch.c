/*
 * Messages from workers: who may send what about whom, as one table.  A worker that breaks the
 * table's rules is ended; a message about a session that we are closing is merely late.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "parent/connections.h"
#include "parent/forwards.h"
#include "parent/identify.h"
#include "parent/lending.h"
#include "parent/opens.h"
#include "parent/peer_text.h"
#include "parent/publish.h"
#include "parent/query.h"
#include "parent/rotation.h"
#include "parent/sites.h"
#include "parent/tracing.h"
#include "parent/workers.h"

#define IN(state) (1u << (state))
#define IN_ANY    (IN(SESSION_LOGIN) | IN(SESSION_UP))

struct rule {
    /* Exactly one of these is set. */
    int (*session)(struct session *session, const struct message *message, struct fault *fault);
    int (*connection)(struct connection *connection, const struct message *message,
                      struct fault *fault);
    int (*worker)(struct worker *worker, const struct message *message, struct fault *fault);
    unsigned states; /* of the session */
    bool site_only;  /* never of an operator's session */
    bool closing;    /* also while the session is closing */
    unsigned units;  /* what such a message costs, if more than one (flood.h) */
};

static int on_ready(struct worker *worker, const struct message *message, struct fault *fault)
{
    if (worker->state != WORKER_STARTING)
        return fault_set(fault, "READY twice");
    timeout_clear(&worker->timeout);
    worker->state = WORKER_READY;
    peer_text(worker->confinement, sizeof worker->confinement, message->text);
    log_info(KV("worker", worker->number), SAY("ready"), KV("pid", worker->process.pid),
             KV("confinement", worker->confinement));
    return 0;
}

static const struct rule rules[MESSAGE_TYPE_END] = {
    [MESSAGE_READY] = {.worker = on_ready},
    [MESSAGE_PONG] = {.worker = heartbeat_on_pong},
    [MESSAGE_STATS] = {.worker = connections_on_stats},
    [MESSAGE_IDENTIFY] = {.session = identify_on_identify,
                          .states = IN(SESSION_LOGIN),
                          .units = 10},
    [MESSAGE_REDEEM] = {.session = identify_on_redeem, .states = IN(SESSION_LOGIN), .units = 40},
    [MESSAGE_UP] = {.session = session_on_up, .states = IN(SESSION_LOGIN)},
    [MESSAGE_QUERY] = {.session = query_on_query, .states = IN(SESSION_UP), .units = 40},
    [MESSAGE_PUBLISH] = {.session = publish_on_publish,
                         .states = IN(SESSION_UP),
                         .site_only = true,
                         .units = 10},
    [MESSAGE_UNPUBLISH] = {.session = publish_on_unpublish,
                           .states = IN(SESSION_UP),
                           .site_only = true,
                           .units = 10},
    [MESSAGE_REPORT] = {.session = forward_on_report, .states = IN(SESSION_UP), .site_only = true},
    [MESSAGE_ROTATE] = {.session = rotation_on_rotate, .states = IN(SESSION_UP), .site_only = true},
    [MESSAGE_OPEN] = {.session = open_on_open, .states = IN(SESSION_UP)},
    [MESSAGE_REFUSAL] = {.session = session_on_refusal, .states = IN_ANY},
    [MESSAGE_ALIVE] = {.session = session_on_alive, .states = IN_ANY},
    [MESSAGE_HEARD] = {.session = session_on_heard, .states = IN_ANY},
    [MESSAGE_GONE] = {.session = session_on_gone, .states = IN_ANY, .closing = true},
    [MESSAGE_VISITOR] = {.session = lending_on_visitor,
                         .states = IN(SESSION_UP),
                         .site_only = true,
                         .closing = true},
    [MESSAGE_VISITED] = {.session = lending_on_visited,
                         .states = IN(SESSION_UP),
                         .site_only = true,
                         .closing = true},
    [MESSAGE_OPENED] = {.connection = connection_on_opened},
    [MESSAGE_CLOSED] = {.connection = connection_on_closed},
};

/* -1: the worker is to blame.  What comes about a session that is closing is hardly looked at. */
static int mind_flood(struct session *session, const struct rule *rule)
{
    bool costly = rule->units > 1 && session->state != SESSION_CLOSING;
    enum flood_verdict verdict =
        flood_message(&session->messages, costly ? rule->units : 1, clock_monotonic_ms());
    if (verdict == FLOOD_OF_SESSION)
        session_close(session, "too many requests in a second");
    return verdict == FLOOD_OF_WORKER ? -1 : 0;
}

static int to_session(const struct rule *rule, struct worker *worker, const struct message *message,
                      struct fault *fault)
{
    struct session *session = registry_find(&worker->hub->sessions, message->sid);
    if (!session || session->worker != worker)
        return fault_set(fault, "%s about session %llu, which is not its own",
                         message_name(message->type), (unsigned long long)message->sid);
    if (mind_flood(session, rule) != 0)
        return fault_set(fault, "a flood of messages about session %llu",
                         (unsigned long long)message->sid);
    if (session->state == SESSION_CLOSING && !rule->closing)
        return 0;
    if (session->state != SESSION_CLOSING && (rule->states & IN(session->state)) == 0)
        return fault_set(fault, "%s about session %llu at the wrong time",
                         message_name(message->type), (unsigned long long)message->sid);
    if (session->role == ROLE_OPERATOR && rule->site_only)
        return fault_set(fault, "%s about session %llu, which is an operator's",
                         message_name(message->type), (unsigned long long)message->sid);
    return rule->session(session, message, fault);
}

/* Of a visitor's connection, or of a check's. */
static int to_connection(const struct rule *rule, struct worker *worker,
                         const struct message *message, struct fault *fault)
{
    struct target_check *check = target_check_find(worker->hub, worker, message->cid);
    struct connection *connection = registry_find(&worker->hub->connections, message->cid);
    if (check)
        return target_check_on_message(check, message, fault);
    /* It says so of a visitor of its own, before it has read that we do not take it. */
    if (!connection && message->cid / VISITOR_IDS == worker->number)
        return 0;
    if (!connection || connection->worker != worker)
        return fault_set(fault, "%s about connection %llu, which is not its own",
                         message_name(message->type), (unsigned long long)message->cid);
    return rule->connection(connection, message, fault);
}

/* Whose log level holds, if it is the worker's to speak of. */
static const struct site *subject_of(const struct worker *worker, const struct message *message)
{
    const struct session *session =
        message->sid != 0 ? registry_find(&worker->hub->sessions, message->sid) : NULL;
    if (session)
        return session->worker == worker ? session->site : NULL;
    const struct connection *connection =
        message->cid != 0 ? registry_find(&worker->hub->connections, message->cid) : NULL;
    if (!connection || connection->worker != worker || !connection->forward)
        return NULL;
    return connection->forward->site;
}

static void handle(struct worker *worker, struct message *message)
{
    struct fault fault = {""};
    const struct rule *rule = &rules[message->type];
    int rc;
    log_trace(KV("worker", worker->number), SAY(message_name(message->type)),
              KV("session", message->sid), KV("connection", message->cid));
    if (rule->session)
        rc = to_session(rule, worker, message, &fault);
    else if (rule->connection)
        rc = to_connection(rule, worker, message, &fault);
    else if (rule->worker)
        rc = rule->worker(worker, message, &fault);
    else
        rc = fault_set(&fault, "%s, which only the hub says", message_name(message->type));
    if (rc != 0)
        worker_kill(worker, fault.text);
}

void dispatch_message(struct worker *worker, struct message *message)
{
    int before = tracing_enter(subject_of(worker, message));
    if (worker->state != WORKER_ENDING)
        handle(worker, message);
    if (message->descriptor >= 0) /* who wants to keep it has a duplicate */
        (void)close(message->descriptor);
    (void)log_scope(before);
}
