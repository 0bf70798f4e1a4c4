/*
 * The sockets of all streams of a loop, watched through one descriptor: a socket is told of when
 * something changes (edge-triggered), so that watching it takes a system call at its start and one
 * at its end, and none while it is read and written.  libuv's own watching takes two for each
 * change of mind.  Between transport.c, stream.c and service.c.
 */
#ifndef SSH_SOCKETS_H
#define SSH_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/fault.h"

struct sockets;

/* Something changed, by EPOLLIN and so on.  Everything that holds is told, not only what is new.
 * The call must not forget sockets. */
typedef void sockets_event(void *owner, uint32_t events);

/* The loop's set, which the first to join makes, and the last to leave closes.  NULL: out of memory
 * or descriptors.  All who share a loop want the same call. */
struct sockets *sockets_join(uv_loop_t *loop, sockets_event *on_event);
void sockets_leave(struct sockets *sockets); /* NULL is nothing */

enum sockets_watch {
    SOCKETS_NOT_WATCHED,
    SOCKETS_READ,       /* bytes, an end, an error */
    SOCKETS_READ_WRITE, /* room to write, too */
};

/* From `before` to `now`; what holds already is told as if it had just changed. */
int sockets_watch(struct sockets *sockets, int socket, enum sockets_watch before,
                  enum sockets_watch now, void *owner) MUST_CHECK;
/* Before it is closed. */
void sockets_forget(struct sockets *sockets, int socket);

#endif
