/* What the parent is told of a connection. */
#ifndef WORKER_OUTCOME_H
#define WORKER_OUTCOME_H

#include "worker/office.h"

void outcome_opened(struct office *office, uint64_t cid, enum verdict verdict, const char *reason);
void outcome_closed(struct office *office, uint64_t cid, uint64_t in, uint64_t out,
                    const char *reason);
/* CLOSED without OPENED: the visitor waits for the site's next session. */
void outcome_lost(struct office *office, uint64_t cid, const char *reason);
void outcome_refused(struct office *office, uint64_t cid, const char *reason);

#endif
