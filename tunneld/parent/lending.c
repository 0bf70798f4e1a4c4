/*
 * Which listeners are lent, and what workers say of the visitors that they accepted.  Each of these
 * is judged here again as soon as it is known, since the grant or the hub may have changed.  What
 * becomes of a connection is connections.c's business.
 */
#define _GNU_SOURCE
#include "parent/lending.h"

#include <fcntl.h>
#include <string.h>

#include "parent/connections.h"
#include "parent/enforce.h"
#include "parent/sites.h"
#include "parent/tcp_listener.h"
#include "parent/workers.h"

/* Nothing is to be judged about a visitor, nor said to its target. */
static bool is_for_everybody(const struct policy *policy)
{
    return policy->network_count == 0 && policy->max_connections == 0 && policy->max_rate == 0 &&
           policy->proxy_protocol == PROXY_PROTOCOL_OFF && !policy->private;
}

static void lend(struct forward *forward)
{
    struct message message;
    message_init(&message, MESSAGE_LISTEN);
    message.sid = forward->session->id;
    message.port = forward->grant->port;
    message.generation = forward->generation;
    message.timeout_ms = forward_connect_timeout_ms(forward);
    (void)text_copy(message.address, sizeof message.address, forward->asked);
    message.descriptor = tcp_listener_lend(forward->listener);
    worker_send(forward->session->worker, &message);
    if (!forward->lent)
        forward->session->worker->lent_count++;
    forward->lent = true;
}

void lending_end(struct forward *forward)
{
    struct message message;
    if (!forward->lent)
        return;
    forward->lent = false;
    forward->session->worker->lent_count--;
    message_init(&message, MESSAGE_UNLISTEN);
    message.sid = forward->session->id;
    message.port = forward->grant->port;
    worker_send(forward->session->worker, &message);
}

void lending_mind(struct forward *forward)
{
    if (!forward->session || !forward->listener)
        return;
    if (is_for_everybody(&forward->grant->policy)) {
        lend(forward); /* again, should the timeout have changed */
        return;
    }
    lending_end(forward);
    if (tcp_listener_take_back(forward->listener, true) != 0)
        forward_withdraw(forward, "the hub could not take its listener back");
}

/* --- what workers say --- */

static int check_visitor(const struct session *session, const struct message *message,
                         struct fault *fault)
{
    struct host_port from;
    unsigned number = session->worker->number;
    if (session->role != ROLE_SITE || !session->site)
        return fault_set(fault, "%s of a session that publishes nothing",
                         message_name(message->type));
    if (host_port_parse(message->peer, true, &from, NULL) != 0)
        return fault_set(fault, "%s from no address", message_name(message->type));
    if (message->cid / VISITOR_IDS != number ||
        registry_find(&session->hub->connections, message->cid))
        return fault_set(fault, "%s with the number %llu, which is none of its own",
                         message_name(message->type), (unsigned long long)message->cid);
    return 0;
}

/* What of the grant may have changed since the worker accepted it, and is not judged below. */
static bool would_be_cut(const struct forward *forward, const struct message *message)
{
    return forward_state(forward) == FORWARD_DISABLED ||
           forward->generation != message->generation || forward->grant->policy.private;
}

/* A duplicate of the visitor's socket, or -1: it is not taken. */
static int admit(struct forward *forward, const struct message *message)
{
    if (!forward || would_be_cut(forward, message) ||
        forward_admit(forward, message->peer) != POLICY_ADMITS)
        return -1;
    return fcntl(message->descriptor, F_DUPFD_CLOEXEC, 0);
}

static void turn_away(const struct session *session, uint64_t cid)
{
    struct message message;
    message_init(&message, MESSAGE_CLOSE);
    message.cid = cid;
    (void)text_copy(message.text, sizeof message.text, "the hub does not admit it");
    worker_send(session->worker, &message);
}

int lending_on_visitor(struct session *session, const struct message *message, struct fault *fault)
{
    if (check_visitor(session, message, fault) != 0)
        return -1;
    struct forward *forward = site_forward(session->site, message->port);
    session->worker->last_visitor = message->cid;
    int descriptor = admit(forward, message);
    if (descriptor < 0 || connection_accepted(forward, session, message, descriptor) != 0)
        turn_away(session, message->cid);
    return 0;
}

int lending_on_visited(struct session *session, const struct message *message, struct fault *fault)
{
    if (check_visitor(session, message, fault) != 0)
        return -1;
    struct forward *forward = site_forward(session->site, message->port);
    if (forward)
        connection_was(forward, session, message);
    return 0;
}
