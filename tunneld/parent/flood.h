/*
 * Messages from a worker that come faster than the parent can use them.  A session that asks too
 * much is closed, since its client may be the one to blame; a worker that does not mind that, or
 * keeps the parent busy for seconds on end with whatever it sends, is ended.  Pure.
 */
#ifndef PARENT_FLOOD_H
#define PARENT_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

#define FLOOD_UNITS    100000 /* of a session in a second: 4,096 forwards, published twice */
#define FLOOD_MESSAGES 120000 /* the same; more than an honest worker may have under way */
#define FLOOD_PERCENT  60     /* of the parent's time, in each of so many rounds */
#define FLOOD_ROUNDS   5

struct flood_count {
    uint64_t second;
    unsigned units, messages; /* in that second */
};

enum flood_verdict {
    FLOOD_NONE,
    FLOOD_OF_SESSION, /* it is to be closed */
    FLOOD_OF_WORKER,  /* it is to be ended */
};

/* A message about a session came; `units`: what it costs. */
enum flood_verdict flood_message(struct flood_count *count, unsigned units, uint64_t now_ms);

struct flood_share {
    uint64_t busy_us, since_ms;
    unsigned rounds; /* so many in which it took too much, without a pause */
};

/* A round is over; `busy_us`: the processor time that its messages have taken since it started.
 * True: they are a flood. */
bool flood_round(struct flood_share *share, uint64_t busy_us, uint64_t now_ms);

#endif
