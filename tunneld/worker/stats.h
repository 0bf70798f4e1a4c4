/* STATS: counters of connections for the parent, many in one message. */
#ifndef WORKER_STATS_H
#define WORKER_STATS_H

#include "worker/office.h"

void stats_add(struct office *office, uint64_t cid, uint64_t in, uint64_t out);
/* Sends what was added and is not sent yet. */
void stats_flush(struct office *office);

#endif
