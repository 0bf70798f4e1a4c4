/*
 * The pipe between parent and worker: a SOCK_SEQPACKET socket on a libuv loop, messages in and
 * out, a bounded queue for what the kernel does not take at once.
 */
#ifndef IPC_PIPE_H
#define IPC_PIPE_H

#include <uv.h>

#include "ipc/message.h"

#define PIPE_QUEUE_MAX 65536 /* messages waiting in this process */

struct pipe;

struct pipe_handlers {
    /* A valid message.  Its blobs live until the handler returns; its descriptor is the handler's,
     * and -1 when this process had no room for it: then that one thing is to be refused. */
    void (*on_message)(void *owner, struct message *message);
    /* End of file, a malformed record, a descriptor where none belongs or a missing one, a queue
     * over its bound.  Once; nothing more is read or sent.  The owner calls pipe_close. */
    void (*on_broken)(void *owner, const char *reason);
};

/* Takes `descriptor` (on failure it is still the caller's). `incoming`: the direction of what is
 * received. */
int pipe_open(uv_loop_t *loop, int descriptor, enum message_direction incoming,
              const struct pipe_handlers *handlers, void *owner, struct pipe **out) MUST_CHECK;
/* Messages that wait for the other side. */
size_t pipe_queued(const struct pipe *pipe);
/* Processor time that taking and handling what was received has cost so far, in the parent. */
uint64_t pipe_busy_us(const struct pipe *pipe);
/* Asynchronous; queued messages and their descriptors are dropped. */
void pipe_close(struct pipe *pipe);
/* Never blocks, never fails for the caller: trouble comes as on_broken at a later turn.  Blobs are
 * copied, a descriptor is duplicated if the message has to wait. */
void pipe_send(struct pipe *pipe, const struct message *message);

#endif
