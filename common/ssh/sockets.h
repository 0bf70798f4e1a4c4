/*
 * The sockets of all streams of a loop, and of the sessions that carry them, watched through one
 * descriptor.  A stream's socket is told of when something changes (edge-triggered), so that
 * watching it takes a system call at its start and one at its end, and none while it is read and
 * written; libuv's own watching takes two for each change of mind.
 *
 * Whoever waits for such a set is not woken as if the sender were about to sleep, which is what the
 * kernel tells its scheduler of a single socket, and for which it moves the two to one core, even
 * where the sender goes on sending.  Between transport.c, stream.c and service.c.
 */
#ifndef SSH_SOCKETS_H
#define SSH_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/fault.h"

struct sockets;

/* By EPOLLIN and so on: everything that holds is told, not only what is new.  The call must not
 * stop watching sockets. */
typedef void sockets_event(void *owner, uint32_t events);

enum sockets_watch {
    SOCKETS_NOT_WATCHED,
    SOCKETS_READ,       /* bytes, an end, an error */
    SOCKETS_READ_WRITE, /* room to write, too */
};

/* One socket's; embedded in its owner, who says all but `watched`. */
struct socket_place {
    sockets_event *on_event;
    void *owner;
    bool is_told_again; /* while it holds (level-triggered) */
    enum sockets_watch watched;
};

/* The loop's set, which the first to join makes, and the last to leave closes.  NULL: out of memory
 * or descriptors. */
struct sockets *sockets_join(uv_loop_t *loop);
void sockets_leave(struct sockets *sockets); /* NULL is nothing */

/* What holds already is told as if it had just changed.  Not watched any more before it is closed.
 */
int sockets_watch(struct sockets *sockets, int socket, struct socket_place *place,
                  enum sockets_watch wanted) MUST_CHECK;
void sockets_forget(struct sockets *sockets, int socket, struct socket_place *place);

#endif
