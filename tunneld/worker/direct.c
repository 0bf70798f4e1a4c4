/*
 * direct-tcpip channels: the opening message is kept while the parent decides, then the channel is
 * accepted and a stream relays, or it is refused.  libssh refuses with a fixed code and no text:
 * the reason goes ahead as a debug message, which `ssh -v` shows.  Where a channel leads is unknown
 * here; a connection that the parent counts at this end becomes a relay (relay.c).
 */
#define _GNU_SOURCE
#include "worker/direct.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/log.h"
#include "ssh/stream.h"
#include "worker/peer.h"
#include "worker/relay.h"

#define NO_DESCRIPTORS "the hub is out of descriptors"

/* One channel, from its opening message to the end of its stream. */
struct direct {
    TAILQ_ENTRY(direct) next; /* of those that wait */
    struct peer *peer;        /* while it waits */
    uint64_t sid;
    ssh_message message; /* NULL once it is answered */
    struct stream *stream;
};

void directs_init(struct directs *directs)
{
    TAILQ_INIT(&directs->waiting);
}

static void refuse(struct peer *peer, ssh_message message, const char *reason)
{
    char text[MESSAGE_TEXT_SIZE];

    office_text(text, reason);
    log_debug(KV("session", peer->sid), SAY("channel refused"), KV("reason", text));
    if (text[0] != '\0')
        (void)ssh_send_debug(peer->ssh, text, 1);
    (void)ssh_message_reply_default(message);
    ssh_message_free(message);
    transport_kick(peer->transport);
}

/* Off the list; the message is the caller's. */
static ssh_message take(struct direct *direct)
{
    ssh_message message = direct->message;

    TAILQ_REMOVE(&direct->peer->directs.waiting, direct, next);
    direct->peer->directs.waiting_count--;
    direct->message = NULL;
    return message;
}

static void on_stream_done(void *owner, const struct stream_result *result)
{
    struct direct *direct = owner;

    log_debug(KV("session", direct->sid), SAY("channel closed"),
              KV("bytes_in", result->from_channel_bytes),
              KV("bytes_out", result->from_socket_bytes), KV("reason", result->reason));
    free(direct);
}

/* The parent counts this connection elsewhere. */
static void relay_here(struct direct *direct, ssh_channel channel, int descriptor)
{
    struct peer *peer = direct->peer;

    if (stream_start(peer->transport, channel, descriptor, on_stream_done, direct,
                     &direct->stream) == 0)
        return;
    stream_drop_channel(peer->transport, channel);
    close(descriptor);
    free(direct);
}

static void attach(struct direct *direct, const struct message *attached)
{
    struct peer *peer = direct->peer;
    ssh_message message = take(direct);
    ssh_channel channel = ssh_message_channel_request_open_reply_accept(message);

    ssh_message_free(message);
    transport_kick(peer->transport);
    if (!channel) {
        relay_lost(peer->office, attached, "the worker is out of memory");
        free(direct);
        return;
    }
    if (attached->cid == 0) {
        relay_here(direct, channel, attached->descriptor);
        return;
    }
    relay_attach(peer, attached, channel);
    free(direct);
}

static void on_answer(struct peer *peer, void *subject, const struct message *answer)
{
    struct direct *direct = subject;

    bool attaches = answer->type == MESSAGE_ATTACH;

    if (attaches && answer->descriptor >= 0) {
        attach(direct, answer);
        return;
    }
    if (attaches)
        relay_lost(peer->office, answer, NO_DESCRIPTORS);
    refuse(peer, take(direct), attaches ? NO_DESCRIPTORS : answer->text);
    free(direct);
}

void direct_on_attach(struct office *office, const struct message *message)
{
    if (!office_answer(office, message))
        relay_lost(office, message, "nobody waits for it any more");
}

/* --- asking --- */

/* Counts, and says whether it is one too many. */
static bool too_many(struct directs *directs)
{
    uint64_t second = clock_monotonic_ms() / 1000;

    if (directs->second != second)
        directs->asked = 0;
    directs->second = second;
    return ++directs->asked > DIRECT_A_SECOND_MAX || directs->waiting_count >= DIRECT_WAITING_MAX;
}

/* libssh keeps the low half of a port that is out of range, and texts as long as the peer sent
 * them. */
static void fill_question(struct message *question, ssh_message message)
{
    const char *host = ssh_message_channel_request_open_destination(message);
    const char *from = ssh_message_channel_request_open_originator(message);
    int from_port = ssh_message_channel_request_open_originator_port(message);
    char text[HOST_PORT_SIZE];

    message_init(question, MESSAGE_OPEN);
    question->port = (uint16_t)ssh_message_channel_request_open_destination_port(message);
    office_text(question->address, host ? host : "");
    if (from && strlen(from) < HOST_SIZE)
        office_text(question->peer, host_port_format(from, (uint16_t)from_port, text));
}

static bool ask(struct peer *peer, ssh_message message)
{
    struct direct *direct = calloc(1, sizeof *direct);
    struct message question;

    if (!direct)
        return false;
    direct->peer = peer;
    direct->sid = peer->sid;
    direct->message = message;
    fill_question(&question, message);
    if (office_ask(peer, &question, on_answer, direct) < 0) {
        free(direct);
        return false;
    }
    TAILQ_INSERT_TAIL(&peer->directs.waiting, direct, next);
    peer->directs.waiting_count++;
    return true;
}

void direct_on_open(struct peer *peer, ssh_message message)
{
    if (too_many(&peer->directs))
        refuse(peer, message, "busy: too many channels are being opened at once");
    else if (!ask(peer, message))
        refuse(peer, message, "busy: the worker is out of memory");
}

void directs_release(struct peer *peer)
{
    struct direct *direct;

    while ((direct = TAILQ_FIRST(&peer->directs.waiting))) {
        ssh_message_free(take(direct)); /* NOLINT(clang-analyzer-unix.Malloc): off the list */
        free(direct);
    }
}
