/*
 * An operator's way to a forward.  Scope, grant and policy are judged here; then the operator is a
 * visitor like any other, whose socket is one end of a pair: it is counted, waits for a publisher
 * that is away, and is cut like all of them.  The operator's worker gets the other end once the
 * site has answered, and until then this process holds it, unread.
 */
#define _GNU_SOURCE
#include "parent/opens.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "parent/connections.h"
#include "parent/enforce.h"
#include "parent/operators.h"
#include "parent/outbound_open.h"
#include "parent/sites.h"
#include "parent/waiting.h"
#include "parent/workers.h"

static const char session_ended[] = "the operator's session ended";

struct open {
    TAILQ_ENTRY(open) entry; /* session->opens */
    struct session *session; /* the operator's */
    uint64_t request;
    int descriptor;                /* the operator's end of the pair */
    struct connection *connection; /* one of these is set, from when it is known */
    struct visitor *visitor;
};

void open_connects(struct open *open, struct connection *connection)
{
    if (!open)
        return;
    open->visitor = NULL;
    open->connection = connection;
    if (connection)
        connection_opened_by(connection, open->session);
}

void open_waits(struct open *open, struct visitor *visitor)
{
    if (!open)
        return;
    open->visitor = visitor;
    open->connection = NULL;
}

static void open_free(struct open *open)
{
    TAILQ_REMOVE(&open->session->opens, open, entry);
    open->session->open_count--;
    (void)close(open->descriptor);
    free(open);
}

void open_grant(struct open *open)
{
    struct message message;
    if (!open)
        return;
    message_init(&message, MESSAGE_ATTACH);
    message.request = open->request;
    message.descriptor = open->descriptor;
    worker_send(open->session->worker, &message);
    open_free(open);
}

static void tell_refusal(struct session *session, uint64_t request, const char *reason)
{
    if (session->person)
        operator_refused(session->person, session->peer, reason);
    session_reply(session, request, VERDICT_REFUSED, reason);
}

void open_refuse(struct open *open, const char *format, ...)
{
    char reason[REASON_SIZE * 2];
    va_list values;
    if (!open)
        return;
    va_start(values, format);
    (void)vsnprintf(reason, sizeof reason, format, values);
    va_end(values);
    tell_refusal(open->session, open->request, reason);
    open_free(open);
}

/* --- judging --- */

/* Site names are lowercase; people's fingers are not. */
static void lowercase(char *to, size_t size, const char *from)
{
    size_t i = 0;
    for (; from[i] != '\0' && i + 1 < size; i++)
        to[i] = (char)tolower((unsigned char)from[i]);
    to[i] = '\0';
}

/* What is not there and what is out of scope look alike. */
static struct forward *find_forward(const struct session *session, const struct message *message,
                                    struct fault *fault)
{
    char name[HOST_SIZE];
    lowercase(name, sizeof name, message->address);
    const struct site *site = site_find(session->hub, name);
    struct forward *forward = site ? site_forward(site, message->port) : NULL;
    if (forward && operator_may_reach(session->person, forward))
        return forward;
    (void)fault_set(fault, "no access: %s may reach no %.80s:%llu", session->person->row.name, name,
                    (unsigned long long)message->port);
    return NULL;
}

static int judge(const struct session *session, struct forward *forward, struct fault *fault)
{
    const char *site = forward->site->row.name;
    unsigned port = forward->grant->port;
    if (session->hub->stopping)
        return fault_set(fault, "offline: the hub is stopping");
    if (session->open_count >= OPENS_MAX)
        return fault_set(fault, "busy: %d channels of this session wait already", OPENS_MAX);
    enum forward_state state = forward_state(forward);
    if (state == FORWARD_DISABLED || state == FORWARD_EXPIRED)
        return fault_set(fault, "policy: %s:%u: %s", site, port, forward_reason(forward));
    if (!forward->session && !forward_is_held(forward))
        return fault_set(fault, "offline: %s:%u: %s", site, port, forward_reason(forward));
    enum policy_verdict verdict = forward_admit(forward, session->peer);
    if (verdict == POLICY_ADMITS)
        return 0;
    return fault_set(fault, "%s: %s", verdict == POLICY_HUB ? "busy" : "policy",
                     policy_verdict_text(verdict));
}

static struct open *open_new(struct session *session, uint64_t request, int descriptor)
{
    struct open *open = calloc(1, sizeof *open);
    if (!open)
        return NULL;
    *open = (struct open){.session = session, .request = request, .descriptor = descriptor};
    TAILQ_INSERT_TAIL(&session->opens, open, entry);
    session->open_count++;
    return open;
}

static int start(struct session *session, uint64_t request, struct forward *forward,
                 struct fault *fault)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        return fault_set(fault, "busy: the hub cannot make a pair of sockets: %s", strerror(errno));
    struct open *open = open_new(session, request, pair[1]);
    if (!open) {
        (void)close(pair[0]);
        (void)close(pair[1]);
        return fault_set(fault, "busy: the hub is out of memory");
    }
    if (forward->session)
        connection_start(forward, pair[0], session->peer, 0, open);
    else
        visitor_wait(forward, pair[0], session->peer, 0, open);
    return 0;
}

int open_on_open(struct session *session, const struct message *message, struct fault *fault)
{
    struct fault refusal = {""};
    if (session->role != ROLE_OPERATOR)
        return outbound_on_open(session, message, fault);
    struct forward *forward = find_forward(session, message, &refusal);
    if (!forward || judge(session, forward, &refusal) != 0 ||
        start(session, message->request, forward, &refusal) != 0)
        tell_refusal(session, message->request, refusal.text);
    return 0;
}

/* --- the end --- */

/* Takes it off its way; the open itself stays. */
static void call_off(struct open *open, const char *reason)
{
    struct connection *connection = open->connection;
    struct visitor *visitor = open->visitor;
    open->connection = NULL;
    open->visitor = NULL;
    if (connection) {
        connection->open = NULL;
        connection_close(connection, reason);
    } else if (visitor) {
        visitor_cancel(visitor);
    }
}

/* NULL: its forward is gone, and so is what leads there. */
static const struct forward *forward_of(const struct open *open)
{
    if (open->connection)
        return open->connection->forward;
    return open->visitor ? visitor_forward(open->visitor) : NULL;
}

void opens_judge(struct session *session)
{
    static const char reason[] = "the operator may not reach it any more";
    struct open *open, *following;
    for (open = TAILQ_FIRST(&session->opens); open; open = following) {
        following = TAILQ_NEXT(open, entry);
        const struct forward *forward = forward_of(open);
        if (!forward || operator_may_reach(session->person, forward))
            continue;
        call_off(open, reason);
        open_refuse(open, "no access: %s", reason);
    }
    struct connection *connection;
    TAILQ_FOREACH(connection, &session->opened, of_opener)
    {
        if (connection->forward && !operator_may_reach(session->person, connection->forward))
            connection_close(connection, reason);
    }
}

void opens_forget(struct session *session)
{
    struct open *open;
    struct connection *connection;
    while ((open = TAILQ_FIRST(&session->opens))) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed is off the list */
        call_off(open, session_ended);
        open_free(open);
    }
    while ((connection = TAILQ_FIRST(&session->opened)))
        connection_opened_by(connection, NULL);
}

void opens_cut(struct session *session)
{
    struct connection *connection;
    TAILQ_FOREACH(connection, &session->opened, of_opener)
    connection_close(connection, session_ended);
    opens_forget(session);
}
