/*
 * Backoff: quick at first, never a storm.  It decides on delays only; who waits for what, and which
 * answers deserve the slow pace, is the uplink's business.
 */
#include "retry.h"

#include "base/secret.h"

void retry_reset(struct retry *retry)
{
    retry->failures = 0;
}

uint64_t retry_next_ms(struct retry *retry, uint32_t random)
{
    unsigned before = retry->failures;
    if (retry->failures < 32)
        retry->failures++;
    if (before == 0)
        return random % (RETRY_FIRST_MS + 1);
    uint64_t ceiling = before < 3 ? (uint64_t)RETRY_FIRST_MS << before : RETRY_MOST_MS;
    return ceiling / 2 + random % (ceiling / 2 + 1);
}

uint64_t retry_jitter_ms(uint64_t ms, uint32_t random)
{
    uint64_t fifth = ms / 5;
    return ms - fifth + random % (2 * fifth + 1);
}

uint32_t retry_random(void)
{
    uint32_t bits;
    secret_random(&bits, sizeof bits);
    return bits;
}
