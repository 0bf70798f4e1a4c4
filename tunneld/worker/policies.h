/*
 * What the connections of one forward share at this worker, as the parent says it in POLICY: their
 * bandwidth each way, and how long a connection may be silent.
 */
#ifndef WORKER_POLICIES_H
#define WORKER_POLICIES_H

#include "worker/office.h"

struct pace;

struct share {
    TAILQ_ENTRY(share) next;
    uint64_t port;
    struct pace *in, *out; /* visitor -> target, and back */
    uint64_t idle_ms;      /* 0: for ever */
};
TAILQ_HEAD(share_list, share);

/* POLICY: also for the connections that are there. */
void policies_on_policy(struct office *office, const struct message *message);
/* Lives as long as the peer's transport; NULL: no limits. */
const struct share *policies_find(const struct peer *peer, uint64_t port);
/* The transport is down, and its streams are gone. */
void policies_release(struct peer *peer);

#endif
