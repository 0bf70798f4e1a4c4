/*
 * A lap of a loop: which of its transports want a turn, and which have streams with a deadline.
 * One set of libuv's handles for all of them, as each of thousands at rest would need its own
 * otherwise.  Between lap.c and transport.c; nobody else includes this.
 */
#ifndef SSH_LAP_H
#define SSH_LAP_H

#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/fault.h"

struct lap;
struct transport;

/* Embedded in a transport; zeroed at first. */
struct lap_place {
    struct lap *lap;
    TAILQ_ENTRY(transport) kicked, ticking;
    bool is_kicked, is_ticking;
};

/* -1: out of memory. */
int lap_join(uv_loop_t *loop, struct transport *transport) MUST_CHECK;
/* With the last of a loop's transports its handles close. */
void lap_leave(struct transport *transport);

/* transport_turn at the next check phase, for which the loop does not wait. */
void lap_kick(struct transport *transport);
/* transport_on_tick at short intervals, as long as it says true. */
void lap_tick(struct transport *transport);

#endif
