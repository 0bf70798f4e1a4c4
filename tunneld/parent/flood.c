/*
 * How much is too much.  Processor time is what is judged for a worker, not the number of messages:
 * some cost a hundred times what others do.  No honest worker comes near: each message costs it
 * more than it costs the parent, and it has but one processor.
 */
#define _GNU_SOURCE
#include "parent/flood.h"

enum flood_verdict flood_message(struct flood_count *count, unsigned units, uint64_t now_ms)
{
    uint64_t second = now_ms / 1000;
    if (count->second != second)
        *count = (struct flood_count){.second = second};
    count->messages++;
    count->units += units;
    if (count->messages > FLOOD_MESSAGES)
        return FLOOD_OF_WORKER;
    return count->units > FLOOD_UNITS ? FLOOD_OF_SESSION : FLOOD_NONE;
}

bool flood_round(struct flood_share *share, uint64_t busy_us, uint64_t now_ms)
{
    uint64_t used_us = busy_us - share->busy_us, passed_ms = now_ms - share->since_ms;
    bool first = share->since_ms == 0;
    share->busy_us = busy_us;
    share->since_ms = now_ms;
    if (first || used_us < passed_ms * 10 * FLOOD_PERCENT)
        share->rounds = 0;
    else
        share->rounds++;
    return share->rounds >= FLOOD_ROUNDS;
}
