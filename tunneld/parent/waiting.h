/*
 * Visitors that wait for an absent publisher: bounded, and released when they hang up.
 */
#ifndef PARENT_WAITING_H
#define PARENT_WAITING_H

#include "parent/forwards.h"

struct open;

/* Takes the descriptor; resets it when the queue is full.  `tries`: how often a session died
 * under this visitor.  `open`: it is an operator. */
void visitor_wait(struct forward *forward, int descriptor, const char *address, unsigned tries,
                  struct open *open);
/* Connects all of them to the session that now publishes. */
void visitors_connect(struct forward *forward);
void visitors_reset(struct forward *forward, const char *reason);
/* Resets those that the forward's policy forbids now. */
void visitors_judge(struct forward *forward);
/* An operator that gave up. */
void visitor_cancel(struct visitor *visitor);
const struct forward *visitor_forward(const struct visitor *visitor);

#endif
