/*
 * The worker's half of a connection: a forwarded-tcpip channel is opened (RFC 4254, 7.2), then a
 * stream relays.  Nothing is read from the visitor before.  libssh has no callback for a channel's
 * opening: the peer's turn looks at those that are opening.
 */
#define _GNU_SOURCE
#include "worker/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/kept_text.h"
#include "base/log.h"
#include "ssh/opening.h"
#include "ssh/stream.h"
#include "worker/outcome.h"
#include "worker/peer.h"
#include "worker/policies.h"
#include "worker/stats.h"
#include "worker/visits.h"

#define ABANDONED_MAX 1000 /* channels whose opening a peer may leave unanswered */
#define LAST_WORD_MS  500  /* for an agent to say itself why its target did not answer in time */

struct relay {
    uint64_t cid;            /* first: the index compares it */
    TAILQ_ENTRY(relay) all;  /* in the office's list, while it has a cid */
    TAILQ_ENTRY(relay) next; /* in the peer's list, while it is opening */
    struct office *office;
    struct peer *peer;
    ssh_channel channel; /* while it is opening */
    int visitor;         /* while it is opening; -1: abandoned, the parent knows of its end */
    struct stream *stream;
    uint8_t *prefix; /* owned, while it is opening: for the target, before the visitor's bytes */
    size_t prefix_length;
    uint64_t port;              /* of the forward */
    const struct share *share;  /* what it shares with the forward's others; NULL: no limits */
    uint64_t deadline_ms;       /* of the opening */
    uint64_t active_ms;         /* when bytes were last seen to pass */
    uint64_t told_in, told_out; /* in the last STATS */
    struct visit *visit;        /* owned, while the parent does not know of it; else NULL */
    bool outward;               /* the peer opened the channel, and is the visitor */
};

/* --- telling the parent --- */

void relay_introduce(struct relay *relay)
{
    visit_introduce(&relay->visit, relay->stream ? VERDICT_GRANTED : VERDICT_REFUSED,
                    relay->stream ? stream_socket(relay->stream) : relay->visitor);
}

/* --- ends --- */

static void relay_free(struct relay *relay)
{
    free(relay->prefix);
    free(relay);
}

/* The parent has heard the last of it. */
static void forget_cid(struct relay *relay)
{
    index_remove(&relay->office->relays, &relay->cid);
    TAILQ_REMOVE(&relay->office->all_relays, relay, all);
}

static void leave_opening(struct relay *relay)
{
    TAILQ_REMOVE(&relay->peer->opening, relay, next);
    relay->office->opening_count--;
    if (relay->visitor < 0)
        relay->peer->abandoned--;
}

/* Still opening, but nobody waits: libssh must not free a channel whose opening the peer has not
 * answered yet, so it stays on the list. */
static void abandon(struct relay *relay, const char *reason)
{
    if (relay->visitor < 0)
        return;
    relay_introduce(relay);
    close(relay->visitor);
    relay->visitor = -1;
    relay->peer->abandoned++;
    outcome_refused(relay->office, relay->cid, reason);
    forget_cid(relay);
    if (relay->peer->abandoned > ABANDONED_MAX)
        peer_close(relay->peer, "protocol error: the peer does not answer");
}

/* `in` is what the visitor sent: from the socket, unless the visitor is the peer. */
static void told_bytes(const struct relay *relay, uint64_t from_socket, uint64_t from_channel,
                       uint64_t *in, uint64_t *out)
{
    *in = relay->outward ? from_channel : from_socket;
    *out = relay->outward ? from_socket : from_channel;
}

static void on_stream_done(void *owner, const struct stream_result *result)
{
    struct relay *relay = owner;

    uint64_t in, out;

    told_bytes(relay, result->from_socket_bytes, result->from_channel_bytes, &in, &out);
    log_debug(KV("connection", relay->cid), SAY("closed"), KV("bytes_in", in), KV("bytes_out", out),
              KV("reason", result->reason));
    if (relay->visit)
        visit_end(&relay->visit, in, out, result->reason);
    else
        outcome_closed(relay->office, relay->cid, in, out, result->reason);
    forget_cid(relay);
    relay_free(relay);
}

struct peer *relay_peer(const struct relay *relay)
{
    return relay->peer;
}

void relay_abort(struct relay *relay, const char *reason)
{
    if (relay->stream)
        stream_abort(relay->stream, reason);
    else
        abandon(relay, reason);
}

/* --- opening --- */

static void set_share(struct relay *relay, const struct share *share)
{
    relay->share = share;
    stream_set_pace(relay->stream, share ? share->in : NULL, share ? share->out : NULL);
}

void relays_mind_policy(struct peer *peer, const struct share *share)
{
    struct relay *relay;

    TAILQ_FOREACH(relay, &peer->office->all_relays, all)
    {
        if (relay->peer == peer && relay->port == share->port && relay->stream)
            set_share(relay, share);
    }
}

/* The stream has started; its first bytes, and its limits. */
static void begin(struct relay *relay)
{
    relay->active_ms = clock_monotonic_ms();
    if (relay->prefix_length > 0 &&
        stream_prefix(relay->stream, relay->prefix, relay->prefix_length) < 0)
        stream_abort(relay->stream, "the worker is out of memory");
    free(relay->prefix);
    relay->prefix = NULL;
    set_share(relay, policies_find(relay->peer, relay->port));
}

static void on_open(struct relay *relay)
{
    struct peer *peer = relay->peer;

    leave_opening(relay);
    if (relay->visitor < 0) {
        stream_drop_channel(peer->transport, relay->channel);
        relay_free(relay);
        return;
    }
    if (stream_start(peer->transport, relay->channel, relay->visitor, on_stream_done, relay,
                     &relay->stream) == 0) {
        begin(relay);
        if (!relay->visit)
            outcome_opened(relay->office, relay->cid, VERDICT_GRANTED, "");
        return;
    }
    stream_drop_channel(peer->transport, relay->channel);
    relay_introduce(relay);
    close(relay->visitor);
    outcome_refused(relay->office, relay->cid, "the worker is out of memory or descriptors");
    forget_cid(relay);
    relay_free(relay);
}

static void on_denied(struct relay *relay, const char *reason)
{
    commands_read(relay->peer);
    leave_opening(relay);
    ssh_channel_free(relay->channel);
    if (relay->visitor >= 0) {
        relay_introduce(relay);
        close(relay->visitor);
        outcome_refused(relay->office, relay->cid, reason);
        forget_cid(relay);
    }
    relay_free(relay);
}

/* A call for an opening channel sends nothing; it looks at the socket, and says how it stands. */
static int ask_again(struct relay *relay)
{
    return ssh_channel_open_reverse_forward(relay->channel, "", 0, "", 0);
}

static bool some_failed(struct peer *peer)
{
    return opening_some_failed(peer->ssh, &peer->open_failure);
}

static void look_for_denied(struct peer *peer)
{
    char reason[MESSAGE_TEXT_SIZE];
    struct relay *relay, *following;

    for (relay = TAILQ_FIRST(&peer->opening); relay; relay = following) {
        following = TAILQ_NEXT(relay, next);
        if (ssh_channel_is_open(relay->channel) || ask_again(relay) != SSH_ERROR ||
            !ssh_is_connected(peer->ssh))
            continue;
        (void)some_failed(peer);
        opening_reason(kept_text(peer->open_failure), "the site", reason, sizeof reason);
        on_denied(relay, reason);
    }
}

static void look_for_open(struct peer *peer)
{
    struct relay *relay, *following;

    for (relay = TAILQ_FIRST(&peer->opening); relay; relay = following) {
        following = TAILQ_NEXT(relay, next);
        if (ssh_channel_is_open(relay->channel))
            on_open(relay);
    }
}

void relays_turn(struct peer *peer)
{
    if (TAILQ_EMPTY(&peer->opening) || !ssh_is_connected(peer->ssh))
        return;
    if (some_failed(peer))
        look_for_denied(peer);
    if (ssh_is_connected(peer->ssh))
        look_for_open(peer);
}

static int start_opening(struct relay *relay, const struct message *message)
{
    struct host_port from;
    int code;

    if (host_port_parse(message->peer, true, &from, NULL) < 0)
        from = (struct host_port){.host = "0.0.0.0"};
    relay->channel = ssh_channel_new(relay->peer->ssh);
    if (!relay->channel)
        return -1;
    code = ssh_channel_open_reverse_forward(relay->channel, message->address, (int)message->port,
                                            from.host, from.port);
    if (code != SSH_ERROR)
        return 0;
    ssh_channel_free(relay->channel);
    return -1;
}

static int copy_prefix(struct relay *relay, const struct message *message)
{
    if (message->data_length == 0)
        return 0;
    relay->prefix = malloc(message->data_length);
    if (!relay->prefix)
        return -1;
    memcpy(relay->prefix, message->data, message->data_length);
    relay->prefix_length = message->data_length;
    return 0;
}

static struct relay *relay_new(struct office *office, struct peer *peer,
                               const struct message *message)
{
    struct relay *relay = calloc(1, sizeof *relay);

    if (!relay)
        return NULL;
    if (copy_prefix(relay, message) < 0) {
        relay_free(relay);
        return NULL;
    }
    relay->cid = message->cid;
    relay->port = message->port;
    relay->office = office;
    relay->peer = peer;
    relay->visitor = message->descriptor;
    relay->deadline_ms = clock_monotonic_ms() + message->timeout_ms + LAST_WORD_MS;
    if (index_add(&office->relays, &relay->cid) < 0) {
        relay_free(relay);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&office->all_relays, relay, all);
    return relay;
}

/* Of one accepted here the parent has to hear first. */
static void introduce_refused(struct office *office, const struct message *message)
{
    if (message->type == MESSAGE_VISITOR)
        office_send(office, message);
}

static void refuse(struct office *office, const struct message *message, const char *reason)
{
    introduce_refused(office, message);
    if (message->descriptor >= 0)
        close(message->descriptor);
    outcome_refused(office, message->cid, reason);
}

void relay_open(struct office *office, const struct message *message)
{
    struct peer *peer = index_find(&office->peers, message->sid);
    char reason[MESSAGE_TEXT_SIZE] = "no channel can be opened";
    struct relay *relay;

    if (message->descriptor < 0) {
        refuse(office, message, "the worker is out of descriptors");
        return;
    }
    if (!peer || peer->state != PEER_UP) {
        introduce_refused(office, message);
        close(message->descriptor);
        outcome_lost(office, message->cid, "the session is gone");
        return;
    }
    relay = relay_new(office, peer, message);
    if (!relay) {
        refuse(office, message, "the worker is out of memory");
        return;
    }
    if (start_opening(relay, message) < 0) {
        /* The peer may have refused it already. */
        commands_read(peer);
        if (some_failed(peer))
            opening_reason(kept_text(peer->open_failure), "the site", reason, sizeof reason);
        forget_cid(relay);
        relay_free(relay);
        refuse(office, message, reason);
        return;
    }
    TAILQ_INSERT_TAIL(&peer->opening, relay, next);
    office->opening_count++;
    if (message->type == MESSAGE_VISITOR)
        relay->visit = visit_new(office, relay, message);
    if (!relay->visit)
        introduce_refused(office, message);
    transport_kick(peer->transport);
}

/* --- connections that the peer opened --- */

void relay_lost(struct office *office, const struct message *message, const char *reason)
{
    if (message->descriptor >= 0)
        close(message->descriptor);
    if (message->cid != 0)
        outcome_lost(office, message->cid, reason);
}

void relay_attach(struct peer *peer, const struct message *message, ssh_channel channel)
{
    struct relay *relay = relay_new(peer->office, peer, message);

    if (relay) {
        relay->outward = true;
        if (stream_start(peer->transport, channel, message->descriptor, on_stream_done, relay,
                         &relay->stream) == 0)
            return;
        forget_cid(relay);
        relay_free(relay);
    }
    stream_drop_channel(peer->transport, channel);
    relay_lost(peer->office, message, "the worker is out of memory or descriptors");
}

/* No OPENED before CLOSED: the session ended first, and the parent has the visitor wait for the
 * site's next one. */
void relays_release(struct peer *peer, const char *reason)
{
    struct relay *relay;

    while ((relay = TAILQ_FIRST(&peer->opening))) {
        bool waited_for =
            relay->visitor >= 0; /* NOLINT(clang-analyzer-unix.Malloc): off the list */
        relay_introduce(relay);
        leave_opening(relay);
        if (waited_for) {
            close(relay->visitor);
            outcome_lost(relay->office, relay->cid, reason);
            forget_cid(relay);
        }
        relay_free(relay);
    }
    visits_flush(peer->office);
}

/* --- every second --- */

/* Tells its counters to the parent.  False: they have not changed since the last look. */
static bool tell_stats(struct relay *relay)
{
    uint64_t in, out;

    told_bytes(relay, stream_from_socket_bytes(relay->stream),
               stream_from_channel_bytes(relay->stream), &in, &out);
    if (in == relay->told_in && out == relay->told_out)
        return false;
    relay->told_in = in;
    relay->told_out = out;
    stats_add(relay->office, relay->cid, in, out);
    return true;
}

static void look_at_silent(struct relay *relay, uint64_t now_ms)
{
    char reason[64];

    if (!relay->share || relay->share->idle_ms == 0 ||
        now_ms - relay->active_ms < relay->share->idle_ms)
        return;
    (void)snprintf(reason, sizeof reason, "idle for %llu s",
                   (unsigned long long)(relay->share->idle_ms / 1000));
    stream_abort(relay->stream, reason);
}

static void look_at_opening(struct peer *peer)
{
    struct relay *relay, *following;

    if (TAILQ_EMPTY(&peer->opening) || peer->state != PEER_UP)
        return;
    /* In case that a refusal's text was overwritten before anybody saw it. */
    look_for_denied(peer);
    for (relay = TAILQ_FIRST(&peer->opening); relay; relay = following) {
        following = TAILQ_NEXT(relay, next);
        if (clock_monotonic_ms() >= relay->deadline_ms)
            abandon(relay, "the site did not answer in time");
    }
    transport_kick(peer->transport);
}

/* With thousands of peers at rest, a walk over them would be most of what they cost. */
static void look_at_all_opening(struct office *office)
{
    struct peer *peer;

    if (office->opening_count == 0)
        return;
    TAILQ_FOREACH(peer, &office->all_peers, all)
    {
        if (TAILQ_EMPTY(&peer->opening))
            continue;
        struct transport_scope before = transport_enter(peer->transport);
        look_at_opening(peer);
        transport_leave(before);
    }
}

void relays_second(struct office *office)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct relay *relay;

    look_at_all_opening(office);
    TAILQ_FOREACH(relay, &office->all_relays, all)
    {
        if (!relay->stream || relay->visit)
            continue;
        if (tell_stats(relay))
            relay->active_ms = now_ms;
        else
            look_at_silent(relay, now_ms);
    }
    stats_flush(office);
}
