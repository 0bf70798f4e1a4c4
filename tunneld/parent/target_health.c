/* Remembers how a target answered.  Who tried it, and when it is tried, is not its business. */
#define _GNU_SOURCE
#include "parent/target_health.h"

#include "base/clock.h"
#include "parent/peer_text.h"

const char *target_state_name(enum target_state state)
{
    static const char *const names[] = {
        [TARGET_UNTRIED] = "untried", [TARGET_ANSWERS] = "answers", [TARGET_FAILS] = "fails"};
    return names[state];
}

void target_answered(struct target_health *health)
{
    health->state = TARGET_ANSWERS;
    health->ok_s = clock_wall_s();
    health->tried_ms = clock_monotonic_ms();
}

void target_failed(struct target_health *health, const char *reason)
{
    health->state = TARGET_FAILS;
    health->failed_s = clock_wall_s();
    health->tried_ms = clock_monotonic_ms();
    peer_text_keep(&health->reason, reason);
}
