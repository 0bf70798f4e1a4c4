/*
 * How long to wait before the next try.  Pure: the caller brings the randomness and the clock.
 */
#ifndef AGENT_RETRY_H
#define AGENT_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#define RETRY_FIRST_MS   1000  /* the first retry comes within this */
#define RETRY_MOST_MS    8000  /* later ones at most this far apart */
#define RETRY_SLOW_MS    60000 /* after an answer that only a person can change */
#define RETRY_HINT_MAX_S 300

struct retry {
    unsigned failures; /* since the last reset; zero-initialised is fresh */
};

void retry_reset(struct retry *retry);
/* Counts one failure.  The first: 0..RETRY_FIRST_MS; then the upper half of 2, 4, 8, 8... s. */
uint64_t retry_next_ms(struct retry *retry, uint32_t random);
/* `ms` give or take a fifth, so that many agents do not come at the same moment. */
uint64_t retry_jitter_ms(uint64_t ms, uint32_t random);
/* Does the hub's reason end in "retry after N s" (N of 1..RETRY_HINT_MAX_S)?  It wants its agents
 * to come back spread out. */
bool retry_hint_ms(const char *reason, uint64_t *ms);
/* Random bits for the above. */
uint32_t retry_random(void);

#endif
