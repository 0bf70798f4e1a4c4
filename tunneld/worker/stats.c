/* Gathers triples of (cid, bytes_in, bytes_out).  Which have changed is known to relay.c. */
#define _GNU_SOURCE
#include "worker/stats.h"

#define TRIPLE_BYTES (3 * sizeof(uint64_t))

static uint8_t data[MESSAGE_DATA_MAX];
static size_t used;

static void put_number(uint64_t value)
{
    for (int i = 0; i < 8; i++)
        data[used++] = (uint8_t)(value >> (8 * i));
}

void stats_add(struct office *office, uint64_t cid, uint64_t in, uint64_t out)
{
    if (used + TRIPLE_BYTES > sizeof data)
        stats_flush(office);
    put_number(cid);
    put_number(in);
    put_number(out);
}

void stats_flush(struct office *office)
{
    struct message message;

    if (used == 0)
        return;
    message_init(&message, MESSAGE_STATS);
    message.data = data;
    message.data_length = used;
    office_send(office, &message);
    used = 0;
}
