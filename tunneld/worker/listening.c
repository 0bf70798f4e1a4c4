/*
 * Visitors accepted in this process.  The parent lends the listening socket of a forward that is
 * for everybody; a grant that says who may come, or how many, is judged in the parent, which then
 * accepts itself.  What becomes of a visitor is relay.c's business.
 */
#define _GNU_SOURCE
#include "worker/listening.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/address.h"
#include "base/kept_text.h"
#include "net/acceptor.h"
#include "worker/peer.h"
#include "worker/relay.h"

#define QUEUE_MAX 4096 /* messages to the parent, of the many more that break the pipe */

struct listening {
    TAILQ_ENTRY(listening) next;
    struct peer *peer;
    struct acceptor *acceptor;
    int descriptor;
    uint64_t port, generation, timeout_ms;
    char text[16]; /* for log lines: "port 8443" */
    char *asked;   /* the bind address as the client asked for it: kept_text.h */
};

static void listening_free(struct listening *listening)
{
    TAILQ_REMOVE(&listening->peer->listening, listening, next);
    acceptor_close(listening->acceptor);
    close(listening->descriptor);
    kept_text_drop(&listening->asked);
    free(listening);
}

static struct listening *find(const struct peer *peer, uint64_t port)
{
    struct listening *listening;

    TAILQ_FOREACH(listening, &peer->listening, next)
    {
        if (listening->port == port)
            return listening;
    }
    return NULL;
}

/* Numbers come again after a thousand million. */
static uint64_t next_visitor(struct office *office)
{
    do {
        office->last_visitor++;
        if (office->last_visitor % VISITOR_IDS == 0)
            office->last_visitor -= VISITOR_IDS - 1;
    } while (index_find(&office->relays, office->last_visitor));
    return office->last_visitor;
}

static void on_visitor(void *owner, int descriptor, const struct sockaddr *from)
{
    const struct listening *listening = owner;
    struct peer *peer = listening->peer;
    struct transport_scope before = transport_enter(peer->transport);
    struct message message;
    char text[HOST_PORT_SIZE];

    message_init(&message, MESSAGE_VISITOR);
    message.sid = peer->sid;
    message.port = listening->port;
    message.generation = listening->generation;
    message.timeout_ms = listening->timeout_ms;
    message.descriptor = descriptor;
    office_text(message.address, kept_text(listening->asked));
    office_text(message.peer, address_format(from, text));
    message.cid = next_visitor(peer->office);
    relay_open(peer->office, &message);
    transport_leave(before);
}

/* The parent may be slow, or stopped: what it is to be told of visitors must not pile up. */
static bool parent_listens(void *owner)
{
    const struct listening *listening = owner;
    const struct pipe *pipe = listening->peer->office->pipe;

    return pipe && pipe_queued(pipe) < QUEUE_MAX;
}

static struct listening *listening_new(struct peer *peer, const struct message *message)
{
    struct listening *listening = calloc(1, sizeof *listening);

    if (!listening)
        return NULL;
    *listening = (struct listening){.peer = peer,
                                    .descriptor = message->descriptor,
                                    .port = message->port,
                                    .generation = message->generation,
                                    .timeout_ms = message->timeout_ms};
    (void)snprintf(listening->text, sizeof listening->text, "port %u", (unsigned)message->port);
    kept_text_set(&listening->asked, message->address);
    if (acceptor_open(&peer->office->loop, listening->descriptor, listening->text, on_visitor,
                      parent_listens, listening, &listening->acceptor) < 0) {
        kept_text_drop(&listening->asked);
        free(listening);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&peer->listening, listening, next);
    return listening;
}

void listening_on_listen(struct office *office, const struct message *message)
{
    struct peer *peer = index_find(&office->peers, message->sid);
    struct listening *before = peer ? find(peer, message->port) : NULL;

    if (before)
        listening_free(before);
    if (peer && peer->state == PEER_UP && message->descriptor >= 0 && listening_new(peer, message))
        return;
    if (message->descriptor >= 0)
        close(message->descriptor);
    /* Rather than a forward that looks published, and that nobody answers. */
    if (peer)
        peer_close(peer, "the worker is out of memory or descriptors");
}

void listening_on_unlisten(struct office *office, const struct message *message)
{
    struct peer *peer = index_find(&office->peers, message->sid);
    struct listening *listening = peer ? find(peer, message->port) : NULL;

    if (listening)
        listening_free(listening);
}

void listening_release(struct peer *peer)
{
    struct listening *listening;

    while ((listening = TAILQ_FIRST(&peer->listening)))
        listening_free(listening); /* NOLINT(clang-analyzer-unix.Malloc): off the list */
}
