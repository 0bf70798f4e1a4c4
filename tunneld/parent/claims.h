/*
 * Who publishes for a site: at most one session.  Pure; the clock is the caller's.
 *
 * A claim is asked for at a session's first tcpip-forward.  A holder that another session
 * challenges is probed by the caller; the challenger waits.  What is heard from the holder only
 * makes it wait longer: it may have been under way since before the holder died.  Each function
 * returns what became of the sessions involved, and the caller acts on it.
 */
#ifndef PARENT_CLAIMS_H
#define PARENT_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#define CLAIM_PROBE_MIN_MS 500
#define CLAIM_PROBE_MAX_MS 3000
#define CLAIM_LONGEST_MS   10000 /* from the challenge on, while the holder is heard */

enum claim_state {
    CLAIM_FREE,      /* nobody publishes */
    CLAIM_HELD,      /* `holder` publishes */
    CLAIM_CONTESTED, /* `holder` publishes and is being probed for `challenger`, until `deadline` */
};

struct claim {
    enum claim_state state;
    uint64_t holder, challenger; /* session ids, 0: none */
    uint64_t since_ms, wait_ms, deadline_ms;
    bool heard; /* the holder, since the deadline was set */
};

/* Session ids, 0: none. */
struct claim_outcome {
    uint64_t granted; /* may publish now */
    uint64_t evicted; /* has lost the claim: close it */
    uint64_t refused; /* must not publish: the holder is alive, or another contest is running */
    uint64_t probe;   /* ask this holder whether it lives; ring at the deadline */
    bool longer;      /* ring at the deadline, which has moved */
};

const char *claim_state_name(enum claim_state state);

/* `sid` wants to publish.  `supersedes`: it has the site's pending key and the holder has not.
 * `holder_rtt_us`: the holder's round trip as last measured, 0 if never. */
struct claim_outcome claim_ask(struct claim *claim, uint64_t sid, bool supersedes,
                               uint64_t holder_rtt_us, uint64_t now_ms);
/* Something came from `sid`. */
void claim_heard(struct claim *claim, uint64_t sid);
/* `sid` has answered. */
struct claim_outcome claim_alive(struct claim *claim, uint64_t sid);
/* Time passed. */
struct claim_outcome claim_expire(struct claim *claim, uint64_t now_ms);
/* `sid` has ended. */
struct claim_outcome claim_gone(struct claim *claim, uint64_t sid);

#endif
