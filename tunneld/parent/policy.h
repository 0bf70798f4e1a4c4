/*
 * The policy of a grant: who may connect, how many, how fast, until when.  Pure: a policy, what is
 * in use at the moment, and a visitor go in, a verdict comes out.  A zeroed policy lets everybody
 * in.
 */
#ifndef PARENT_POLICY_H
#define PARENT_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parent/cidr.h"

#define POLICY_NETWORKS_MAX 32

enum proxy_protocol { PROXY_PROTOCOL_OFF, PROXY_PROTOCOL_V1, PROXY_PROTOCOL_V2 };

struct policy {
    size_t network_count;                 /* 0: from anywhere */
    uint64_t max_connections;             /* at once, waiting visitors included; 0: no limit */
    uint64_t max_rate;                    /* new connections a second; 0: no limit */
    uint64_t bandwidth_in, bandwidth_out; /* bytes a second, of all connections; 0: no limit */
    uint64_t connect_timeout_ms;          /* for the target to answer; 0: 30 s */
    uint64_t idle_timeout_ms;             /* no byte either way; 0: for ever */
    int64_t expires_s;                    /* wall clock; 0: never */
    bool own_hold;                        /* hold_ms counts, not the hub's setting */
    uint64_t hold_ms;
    bool own_target_check;    /* target_check_ms counts, not the hub's setting */
    uint64_t target_check_ms; /* the target is tried once in this time; 0: never */
    enum proxy_protocol proxy_protocol;
    bool private;                              /* no listener: operators alone reach it */
    struct cidr networks[POLICY_NETWORKS_MAX]; /* visitors come from one of these; last: most grants
                                                  have none, and keep no room for them */
};

/* Why a visitor is refused.  Counted for each forward under these names. */
enum policy_verdict {
    POLICY_ADMITS,
    POLICY_NETWORK,     /* the visitor's address is in none of the networks */
    POLICY_CONNECTIONS, /* max_connections are there already */
    POLICY_RATE,        /* max_rate came in this second already */
    POLICY_EXPIRED,
    POLICY_WAITING, /* the publisher is away, and as many visitors wait as may */
    POLICY_HUB,     /* the hub has as many connections as it may have */
    POLICY_VERDICT_END,
};
/* "network", "connections", ...: the keys of `refused` in port.list. */
const char *policy_verdict_name(enum policy_verdict verdict);
/* "the visitor's network is not allowed", ...: for log lines and an operator's client. */
const char *policy_verdict_text(enum policy_verdict verdict);

#define POLICY_RATE_GROUP_MS 32
#define POLICY_RATE_GROUPS   34 /* as many as a second has, and what sticks out at both its ends */

/* What is in use; zeroed at first.  The rate is a window that slides: max_rate are admitted in any
 * second, whenever it begins.  Visitors within POLICY_RATE_GROUP_MS of each other are remembered
 * together and leave the window with the last of them, so that the window errs to its own side, and
 * up to 30 a second not at all when they come one by one. */
struct policy_usage {
    uint64_t connections;                      /* the caller counts */
    uint64_t rate_taken;                       /* in the second that ends now */
    uint64_t rate_last_ms[POLICY_RATE_GROUPS]; /* a ring: `rate_groups` from `rate_oldest` on */
    uint32_t rate_count[POLICY_RATE_GROUPS];
    uint64_t rate_first_ms; /* of the newest group */
    unsigned rate_oldest, rate_groups;
};

/* Judges one visitor (an address literal, v4-mapped counts as v4), and takes its token of the rate
 * if it is admitted. */
enum policy_verdict policy_admit(const struct policy *policy, struct policy_usage *usage,
                                 const char *visitor, uint64_t now_ms, int64_t now_s);
/* Would it be allowed to stay?  Network and expiry alone: for connections that are there. */
enum policy_verdict policy_keep(const struct policy *policy, const char *visitor, int64_t now_s);

#endif
