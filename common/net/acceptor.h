/*
 * Accepts on a listening TCP socket, in bounded turns of the loop, and hands over; never reads.
 * For the hub's own port and for visitors alike.
 */
#ifndef NET_ACCEPTOR_H
#define NET_ACCEPTOR_H

#include <stdbool.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/fault.h"

struct acceptor;

/* The descriptor (non-blocking, close-on-exec) is the callee's.  The acceptor may be closed in
 * here. */
typedef void acceptor_accepted(void *owner, int descriptor, const struct sockaddr *peer);

/* Is there room for one more?  Those for whom there is none wait in the socket's queue. */
typedef bool acceptor_has_room(void *owner);

/* `has_room`: NULL if there always is.  `descriptor` (non-blocking) and `text`, its name in log
 * lines, are borrowed until the close.  -1 when out of memory. */
int acceptor_open(uv_loop_t *loop, int descriptor, const char *text, acceptor_accepted *accepted,
                  acceptor_has_room *has_room, void *owner, struct acceptor **out) MUST_CHECK;
/* Nobody is handed over any more; the socket goes on listening.  NULL is fine. */
void acceptor_close(struct acceptor *acceptor);

/* Closes with a reset: the other side learns that nothing was delivered. */
void tcp_reset(int descriptor);

#endif
