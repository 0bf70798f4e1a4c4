/*
 * A bandwidth cap: bytes a second, shared by any number of streams of one loop, in fair turns.
 * Accurate to 1 % over ten seconds, from 10 KiB a second upwards: it lets at most a tenth of a
 * second's bytes, or 1 KiB, through at once.  See stream_set_pace for what a stream does with it.
 */
#ifndef SSH_PACE_H
#define SSH_PACE_H

#include <stdint.h>
#include <uv.h>

struct pace;

/* No limit at first; NULL when out of memory.  The loop must be the transports'. */
struct pace *pace_new(uv_loop_t *loop);
/* The owner lets go of it; NULL is nothing.  Streams that still have it keep it, with its last
 * rate, until they end or get another: it is freed, by a turn of the loop, after the last of
 * them.  An owner that wants them to run free sets the rate to 0 before. */
void pace_close(struct pace *pace);
/* Live, at once, also for the streams that wait; 0: no limit. */
void pace_set_rate(struct pace *pace, uint64_t bytes_per_second);

#endif
