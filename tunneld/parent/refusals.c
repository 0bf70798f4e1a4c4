/* Refusals, kept and shown.  Who is told of them is the caller's matter. */
#define _GNU_SOURCE
#include "parent/refusals.h"

#include <stdlib.h>

#include "base/clock.h"
#include "parent/peer_text.h"

#define AUDITED_A_MINUTE 10

void refusals_release(struct refusals *refusals)
{
    free(refusals->kept);
    refusals->kept = NULL;
}

void refusals_add(struct refusals *refusals, const char *text)
{
    size_t at = refusals->count++ % REFUSALS_KEPT;
    if (!refusals->kept)
        refusals->kept = calloc(REFUSALS_KEPT, sizeof *refusals->kept);
    if (!refusals->kept)
        return;
    refusals->kept[at].time_s = clock_wall_s();
    peer_text(refusals->kept[at].text, sizeof refusals->kept[at].text, text);
}

bool refusals_may_audit(struct refusals *refusals)
{
    int64_t minute = clock_wall_s() / 60;
    if (refusals->minute != minute) {
        refusals->minute = minute;
        refusals->audited = 0;
    }
    return ++refusals->audited <= AUDITED_A_MINUTE;
}

void refusals_write(const struct refusals *refusals, FILE *out)
{
    size_t kept = refusals->count < REFUSALS_KEPT ? refusals->count : REFUSALS_KEPT;
    if (!refusals->kept)
        return;
    if (kept > 0)
        (void)fprintf(out, "\nrefused lately:\n");
    for (size_t i = 0; i < kept; i++) {
        size_t at = (refusals->count - kept + i) % REFUSALS_KEPT;
        char time[CLOCK_TEXT_SIZE];
        (void)fprintf(out, "  %s  %s\n", clock_format(refusals->kept[at].time_s, time),
                      refusals->kept[at].text);
    }
}
