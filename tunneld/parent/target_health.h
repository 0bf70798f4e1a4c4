/* What is known of a forward's target: from visitors' connections, and from checks. */
#ifndef PARENT_TARGET_HEALTH_H
#define PARENT_TARGET_HEALTH_H

#include <stdint.h>

#include "parent/store.h"

enum target_state { TARGET_UNTRIED, TARGET_ANSWERS, TARGET_FAILS };

struct target_health {
    enum target_state state; /* at the last try */
    int64_t ok_s, failed_s;  /* wall clock, when last; 0: never */
    uint64_t tried_ms;       /* monotonic; 0: never */
    char *reason;            /* of the last failure: kept_text.h */
};

const char *target_state_name(enum target_state state);
void target_answered(struct target_health *health);
/* The reason may quote a peer. */
void target_failed(struct target_health *health, const char *reason);

#endif
