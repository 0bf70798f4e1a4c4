/*
 * Backoff: quick at first, never a storm.  It decides on delays only; who waits for what, and which
 * answers deserve the slow pace, is the uplink's business.
 */
#include "retry.h"

#include <string.h>

#include "base/secret.h"
#include "base/text.h"

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

bool retry_hint_ms(const char *reason, uint64_t *ms)
{
    static const char before[] = "retry after ", behind[] = " s";
    char number[8];
    uint64_t seconds = 0;
    const char *found = NULL;
    for (const char *next = strstr(reason, before); next != NULL; next = strstr(next + 1, before))
        found = next;
    if (found == NULL)
        return false;
    found += sizeof before - 1;
    size_t length = strcspn(found, " ");
    if (length >= sizeof number || strcmp(found + length, behind) != 0)
        return false;
    memcpy(number, found, length);
    number[length] = '\0';
    if (!text_parse_number(number, 1, RETRY_HINT_MAX_S, &seconds))
        return false;
    *ms = seconds * 1000;
    return true;
}

uint32_t retry_random(void)
{
    uint32_t bits;
    secret_random(&bits, sizeof bits);
    return bits;
}
