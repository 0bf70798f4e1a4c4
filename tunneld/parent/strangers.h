/*
 * Strangers: connections that were accepted and are not logged in yet.  Their slots are bounded
 * (`max_logins`); whoever gets none is told when to come back.
 */
#ifndef PARENT_STRANGERS_H
#define PARENT_STRANGERS_H

#include <sys/socket.h>

#include "parent/hub.h"

struct session;

#define STRANGERS_LEAVING 16 /* and a quarter of max_logins: those that are being sent away */

/* One was accepted.  Takes the descriptor. */
void stranger_accept(void *hub, int descriptor, const struct sockaddr *peer);
/* Gives up its slot: it logged in, is told to go, or is gone.  Idempotent. */
void stranger_leave(struct session *session);
/* A session in its last moment: what is remembered of its source. */
void stranger_forget(struct session *session);
/* Logins a second that the hub is trusted with. */
uint64_t strangers_per_s(const struct hub *hub);
void strangers_release(struct hub *hub);

#endif
