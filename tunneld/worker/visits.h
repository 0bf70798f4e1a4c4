/*
 * Visitors that were accepted in this process, while the parent has not heard of them.  It hears of
 * those that stay after a moment, with their sockets; of those that came and went in that moment
 * once it is over, of all of them together.
 */
#ifndef WORKER_VISITS_H
#define WORKER_VISITS_H

#include "worker/office.h"

struct visit;

/* `message`: VISITOR; its number is given here.  The relay is told when the moment is over.  NULL:
 * out of memory. */
struct visit *visit_new(struct office *office, struct relay *relay, const struct message *message);
/* Sends VISITOR with a descriptor that is borrowed.  Frees the visit; NULL is fine. */
void visit_introduce(struct visit **visit, enum verdict answered, int descriptor);
/* It is over.  Takes the visit. */
void visit_end(struct visit **visit, uint64_t in, uint64_t out, const char *reason);
/* Tells of those that are over at once: GONE follows. */
void visits_flush(struct office *office);

#endif
