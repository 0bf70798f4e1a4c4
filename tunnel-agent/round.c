/*
 * Counting through a list.  Delays between rounds are retry.h's.
 */
#define _GNU_SOURCE
#include "round.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int round_init(struct round *round, size_t count)
{
    *round = (struct round){.count = count};
    round->rests_until_ms = calloc(count + 1, sizeof *round->rests_until_ms);
    return round->rests_until_ms != NULL ? 0 : -1;
}

void round_release(struct round *round)
{
    free(round->rests_until_ms);
    round->rests_until_ms = NULL;
}

void round_forget(struct round *round)
{
    round->reasons[0] = '\0';
    round->tried = 0;
}

bool round_advance(struct round *round)
{
    round->at = (round->at + 1) % round->count;
    round->tried++;
    return round->tried < round->count;
}

bool round_find(struct round *round, uint64_t now_ms)
{
    while (round->tried < round->count && round->rests_until_ms[round->at] > now_ms)
        (void)round_advance(round);
    return round->tried < round->count;
}

void round_end(struct round *round)
{
    round_forget(round);
    round->in_vain++;
}

void round_rest(struct round *round, uint64_t until_ms)
{
    round->rests_until_ms[round->at] = until_ms;
}

uint64_t round_shortest_rest_ms(const struct round *round, uint64_t now_ms)
{
    uint64_t shortest = UINT64_MAX;
    for (size_t i = 0; i < round->count; i++) {
        uint64_t until = round->rests_until_ms[i];
        uint64_t rest = until > now_ms ? until - now_ms : 0;
        if (rest < shortest)
            shortest = rest;
    }
    return shortest;
}

void round_note(struct round *round, const char *hub, const char *reason)
{
    size_t used = strlen(round->reasons);
    snprintf(round->reasons + used, sizeof round->reasons - used, "%s%s: %s", used > 0 ? "; " : "",
             hub, reason);
}
