/*
 * Lending listeners: where a grant says nothing of who may come, or how many, there is nothing to
 * judge, and the publisher's worker accepts the visitors itself.  That spares each of them the way
 * through this process, which hears of those that stay, and of all once they are gone.
 */
#ifndef PARENT_LENDING_H
#define PARENT_LENDING_H

#include "parent/forwards.h"

/* The forward was published, or its grant has changed: its listener is lent, or taken back.  After
 * the session was told that it publishes. */
void lending_mind(struct forward *forward);
/* The worker is told to accept no more.  The listener is then to be taken back, or closed. */
void lending_end(struct forward *forward);

/* Messages.  -1: the worker broke the rules. */
int lending_on_visitor(struct session *session, const struct message *message, struct fault *fault);
int lending_on_visited(struct session *session, const struct message *message, struct fault *fault);

#endif
