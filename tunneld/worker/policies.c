/*
 * The shares of a peer's forwards: made by the first POLICY about a port, changed by the next,
 * gone with the peer.  So their number is bounded by the forwards that the parent spoke of.  Who
 * may connect is the parent's to decide; what a stream does with its pace is common/ssh's.
 */
#define _GNU_SOURCE
#include "worker/policies.h"

#include <stdlib.h>

#include "base/log.h"
#include "ssh/pace.h"
#include "worker/peer.h"
#include "worker/relay.h"

static void share_free(struct share *share)
{
    pace_close(share->in);
    pace_close(share->out);
    free(share);
}

static struct share *share_new(struct peer *peer, uint64_t port)
{
    struct share *share = calloc(1, sizeof *share);

    if (!share)
        return NULL;
    share->port = port;
    share->in = pace_new(&peer->office->loop);
    share->out = pace_new(&peer->office->loop);
    if (!share->in || !share->out) {
        share_free(share);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&peer->shares, share, next);
    return share;
}

static struct share *find(const struct peer *peer, uint64_t port)
{
    struct share *share;

    TAILQ_FOREACH(share, &peer->shares, next)
    {
        if (share->port == port)
            return share;
    }
    return NULL;
}

const struct share *policies_find(const struct peer *peer, uint64_t port)
{
    return find(peer, port);
}

void policies_on_policy(struct office *office, const struct message *message)
{
    struct peer *peer = index_find(&office->peers, message->sid);
    struct share *share;

    if (!peer || peer->state != PEER_UP)
        return;
    share = find(peer, message->port);
    if (!share)
        share = share_new(peer, message->port);
    if (!share) {
        peer_close(peer, "the worker is out of memory"); /* rather than without its limits */
        return;
    }
    pace_set_rate(share->in, message->rate_in);
    pace_set_rate(share->out, message->rate_out);
    share->idle_ms = message->timeout_ms;
    log_debug(KV("session", peer->sid), KV("forward", share->port), SAY("policy"),
              KV("rate_in", message->rate_in), KV("rate_out", message->rate_out),
              KV("idle_ms", share->idle_ms));
    relays_mind_policy(peer, share);
}

void policies_release(struct peer *peer)
{
    struct share *share;

    while ((share = TAILQ_FIRST(&peer->shares))) {
        TAILQ_REMOVE(&peer->shares, share, next);
        share_free(share);
    }
}
