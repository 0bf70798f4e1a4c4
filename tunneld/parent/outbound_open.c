/*
 * A site asks for host:port: is there a grant for it, is there room; then the dialer is asked, and
 * the worker gets the socket.  Which addresses the host may mean is the dialer's to judge.
 */
#define _GNU_SOURCE
#include "parent/outbound_open.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "parent/connections.h"
#include "parent/dialer.h"
#include "parent/peer_text.h"
#include "parent/sessions.h"
#include "parent/sites.h"
#include "parent/workers.h"

#define DIALS_MAX 256 /* of one grant, waiting for the dialer */

struct outbound_dial {
    TAILQ_ENTRY(outbound_dial) of_outbound;
    struct outbound *outbound;
    struct session *session; /* outbound_forget_session before it goes */
    uint64_t id;             /* the dialer's */
    uint64_t request;
    char visitor[ENDPOINT_SIZE];
};

static void dial_free(struct outbound_dial *dial)
{
    TAILQ_REMOVE(&dial->outbound->dials, dial, of_outbound);
    dial->outbound->dial_count--;
    free(dial);
}

static void refuse(const struct session *session, uint64_t request, const char *reason)
{
    session_reply(session, request, VERDICT_REFUSED, reason);
}

/* Found wanting, by the hub or on the way. */
static void fail(struct outbound *outbound, const struct session *session, uint64_t request,
                 const char *reason)
{
    char text[REASON_SIZE * 3];
    outbound->errors++;
    peer_text(outbound->last_error, sizeof outbound->last_error, reason);
    (void)snprintf(text, sizeof text, "refused by the hub: %s", outbound->last_error);
    log_debug(KV("site", session->site_name), KV("outbound", outbound->target), SAY("error"),
              KV("reason", outbound->last_error));
    refuse(session, request, text);
    (void)snprintf(text, sizeof text, "outbound %.150s: %s", outbound->target,
                   outbound->last_error);
    refusals_add(&outbound->site->refusals, text);
}

static void attach(const struct outbound_dial *dial, int descriptor)
{
    struct outbound *outbound = dial->outbound;
    const struct connection *connection =
        connection_outbound(outbound, dial->session, dial->visitor);
    if (!connection) {
        fail(outbound, dial->session, dial->request, "out of memory");
        return;
    }
    struct message message;
    message_init(&message, MESSAGE_ATTACH);
    message.request = dial->request;
    message.cid = connection->id;
    message.descriptor = descriptor;
    worker_send(dial->session->worker, &message);
}

static void on_dialled(void *owner, int descriptor, const char *address, const char *reason)
{
    struct outbound_dial *dial = owner;
    if (descriptor >= 0) {
        log_debug(KV("site", dial->session->site_name), KV("outbound", dial->outbound->target),
                  SAY("connected"), KV("address", address));
        attach(dial, descriptor);
        (void)close(descriptor);
    } else {
        fail(dial->outbound, dial->session, dial->request, reason);
    }
    dial_free(dial);
}

void outbound_refuse_dials(struct outbound *outbound, const struct session *session,
                           const char *reason)
{
    struct outbound_dial *dial, *next;
    for (dial = TAILQ_FIRST(&outbound->dials); dial; dial = next) {
        next = TAILQ_NEXT(dial, of_outbound);
        if (session && dial->session != session)
            continue;
        hub_dial_cancel(outbound->site->hub, dial->id);
        refuse(dial->session, dial->request, reason);
        dial_free(dial);
    }
}

void outbound_forget_session(struct session *session)
{
    struct outbound *outbound;
    if (!session->site)
        return;
    TAILQ_FOREACH(outbound, &session->site->outbounds, of_site)
    outbound_refuse_dials(outbound, session, "the session ends");
}

static void start_dial(struct outbound *outbound, struct session *session,
                       const struct message *message)
{
    struct fault fault = {""};
    struct outbound_dial *dial = calloc(1, sizeof *dial);
    if (!dial) {
        fail(outbound, session, message->request, "out of memory");
        return;
    }
    dial->outbound = outbound;
    dial->session = session;
    dial->request = message->request;
    peer_text(dial->visitor, sizeof dial->visitor, message->peer);
    TAILQ_INSERT_TAIL(&outbound->dials, dial, of_outbound);
    outbound->dial_count++;
    if (hub_dial(session->hub, outbound->row.host, outbound->row.port, on_dialled, dial, &dial->id,
                 &fault) == 0)
        return;
    fail(outbound, session, message->request, fault.text);
    dial_free(dial);
}

/* NULL: the site was told why not. */
static struct outbound *find_granted(struct session *session, const struct message *message)
{
    char text[REASON_SIZE * 3], target[HOST_PORT_SIZE];
    struct fault fault = {""};
    struct outbound *outbound = outbound_find(session->site, message->address, message->port);
    if (!outbound) {
        (void)snprintf(text, sizeof text, "no access: %.150s is not granted to site %s",
                       host_port_format(message->address, (uint16_t)message->port, target),
                       session->site_name);
        site_refused(session->site, session->peer, text);
        refuse(session, message->request, text);
        return NULL;
    }
    if (session_activate_key(session, NULL, &fault) == 0)
        return outbound;
    refuse(session, message->request, fault.text);
    return NULL;
}

int outbound_on_open(struct session *session, const struct message *message, struct fault *fault)
{
    (void)fault;
    struct outbound *outbound = find_granted(session, message);
    if (!outbound)
        return 0;
    if (outbound->dial_count < DIALS_MAX && connections_have_room(session->hub)) {
        start_dial(outbound, session, message);
        return 0;
    }
    outbound->refused++;
    refuse(session, message->request, "refused by the hub: too many connections at once");
    return 0;
}
