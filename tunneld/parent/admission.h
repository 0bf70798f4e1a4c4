/*
 * Which strangers get a slot for logging in, who has to go for whom, and when those that got none
 * are to come back.  Pure rules: no socket, no clock, no randomness of its own.
 */
#ifndef PARENT_ADMISSION_H
#define PARENT_ADMISSION_H

#include <stddef.h>

#include "parent/sources.h"

#define ADMISSION_SLOW_MS 5000 /* longer than a login takes */
#define SPREAD_MAX_S      60

enum admission {
    ADMIT,
    ADMIT_FOR_ANOTHER, /* if one who has a slot yields it */
    REFUSE_SHARE,      /* its source has a quarter of the slots */
    REFUSE_OWING,      /* too many logins from its source have failed */
};

/* A newcomer from a source with these facts, while `taken` of `slots` are taken.  Known sources,
 * which may be a thousand sites behind one address, are bounded by the slots alone. */
enum admission admission_judge(const struct source_facts *newcomer, size_t taken, size_t slots);

/* One who has a slot. */
struct slot_holder {
    struct source_facts source;
    uint64_t held_ms;
};
/* Would this one rather have to go than that one? */
bool admission_goes_first(const struct slot_holder *one, const struct slot_holder *other);
/* Does it go for the newcomer? */
bool admission_yields(const struct slot_holder *holder, const struct source_facts *newcomer);

/* Logins a second that the hub can do: what it is trusted with at first, or the most it did in
 * one second, fading. */
struct capacity {
    uint64_t second, count, best;
};
void capacity_count(struct capacity *capacity, uint64_t now_ms);
uint64_t capacity_per_s(const struct capacity *capacity, uint64_t at_least);

/* Over how many seconds so many logins are to be spread: 1..SPREAD_MAX_S. */
uint64_t spread_s(uint64_t logins, uint64_t per_s);

#endif
