/* Rules of admission. */
#define _GNU_SOURCE
#include "parent/admission.h"

#define SHARE 4  /* of the slots, for one stranger's source: a quarter */
#define FADE  64 /* a better second loses this part with each second after it */

enum admission admission_judge(const struct source_facts *newcomer, size_t taken, size_t slots)
{
    size_t share = slots / SHARE > 0 ? slots / SHARE : 1;
    if (!newcomer->known && newcomer->owes)
        return REFUSE_OWING;
    if (!newcomer->known && newcomer->logins >= share)
        return REFUSE_SHARE;
    return taken < slots ? ADMIT : ADMIT_FOR_ANOTHER;
}

bool admission_goes_first(const struct slot_holder *one, const struct slot_holder *other)
{
    if (one->source.known != other->source.known)
        return other->source.known;
    if (one->source.logins != other->source.logins)
        return one->source.logins > other->source.logins;
    return one->held_ms > other->held_ms;
}

bool admission_yields(const struct slot_holder *holder, const struct source_facts *newcomer)
{
    if (holder->source.known)
        return false;
    return newcomer->known || holder->source.logins > newcomer->logins + 1 ||
           holder->held_ms >= ADMISSION_SLOW_MS;
}

static void close_second(struct capacity *capacity)
{
    uint64_t faded = capacity->best - capacity->best / FADE;
    capacity->best = capacity->count > faded ? capacity->count : faded;
    capacity->count = 0;
}

void capacity_count(struct capacity *capacity, uint64_t now_ms)
{
    if (now_ms / 1000 != capacity->second)
        close_second(capacity);
    capacity->second = now_ms / 1000;
    capacity->count++;
}

uint64_t capacity_per_s(const struct capacity *capacity, uint64_t at_least)
{
    uint64_t best = capacity->count > capacity->best ? capacity->count : capacity->best;
    return best > at_least ? best : at_least;
}

uint64_t spread_s(uint64_t logins, uint64_t per_s)
{
    uint64_t seconds = logins / (per_s > 0 ? per_s : 1) + 1;
    return seconds < SPREAD_MAX_S ? seconds : SPREAD_MAX_S;
}
