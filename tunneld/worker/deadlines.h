/*
 * When each peer is looked at again: its login has taken too long, or it has been silent.  A wheel
 * of slots, each a tick long, turned by one timer: setting a deadline costs the same with any
 * number of peers, and those of one tick share a wake-up.
 */
#ifndef WORKER_DEADLINES_H
#define WORKER_DEADLINES_H

#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#define DEADLINES_TICK_MS  100
#define DEADLINES_SLOTS    1024  /* later ones stay in their slot for another round */
#define DEADLINES_LONG_MS  10000 /* who waits for so long waits for others, too */
#define DEADLINES_TOGETHER 3     /* ticks whose long deadlines share a wake-up */

struct peer;
LIST_HEAD(deadline_slot, peer);

/* Embedded in the office; one of each peer is enough. */
struct deadlines {
    uv_timer_t timer;
    uint64_t turned; /* ticks of the loop's clock that were looked at */
    uint64_t armed;  /* the tick that the timer waits for; 0: none */
    struct deadline_slot slots[DEADLINES_SLOTS];
};

void deadlines_open(struct deadlines *deadlines, uv_loop_t *loop);
/* The peers' own are cleared by then. */
void deadlines_close(struct deadlines *deadlines);

/* Pure: at which tick a deadline is looked at, always after it has passed. */
uint64_t deadline_tick(uint64_t now_ms, uint64_t delay_ms);
/* In place of the one that is set: peer_overdue in `delay_ms`, at that tick. */
void deadline_set(struct peer *peer, uint64_t delay_ms);
void deadline_clear(struct peer *peer);

#endif
