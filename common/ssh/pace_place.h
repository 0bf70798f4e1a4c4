/*
 * Between pace.c and the streams: a stream's place at a pace, for one of its directions.  Nobody
 * else includes this.
 *
 * Who wants to move bytes asks with pace_offer.  An offer of nothing puts the place in line; when
 * its turn has come, it is granted some bytes and woken.  It asks again, moves what it can, and
 * gives back the rest with pace_rest, so that one who finds nothing to move holds up nobody.
 */
#ifndef SSH_PACE_PLACE_H
#define SSH_PACE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "ssh/pace.h"

/* Embedded in its owner; all zero: no limit. */
struct pace_place {
    TAILQ_ENTRY(pace_place) next; /* in line */
    struct pace *pace;            /* NULL: no limit */
    bool waiting;                 /* in line */
    size_t granted;               /* bytes of its turn that it has not used */
    void (*on_turn)(void *owner); /* must not ask at once: the line is being called */
    void *owner;
};

/* Leaves the pace that it has, if any.  The pace stays at least until it is left. */
void pace_join(struct pace_place *place, struct pace *pace, void (*on_turn)(void *owner),
               void *owner);
void pace_leave(struct pace_place *place);
/* How many of `want` bytes may pass now.  0 (for a `want` above 0): the place is in line. */
size_t pace_offer(struct pace_place *place, size_t want);
/* So many of the offer have passed. */
void pace_take(struct pace_place *place, size_t bytes);
/* The turn is over. */
void pace_rest(struct pace_place *place);

#endif
