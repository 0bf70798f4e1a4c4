/*
 * A socket with a buffer each way, between an SSH library and the kernel.  The library is never
 * told that the peer is gone, or it would forget what it has not handed out yet: whoever waits
 * looks at `ended`.
 */
#ifndef TUNNELCTL_WIRE_H
#define TUNNELCTL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"

#define WIRE_SIZE (256u << 10) /* each way */

struct wire {
    int socket; /* owned */
    uint8_t *in, *out;
    size_t in_start, in_end, out_start, out_end;
    bool ended;        /* the peer closed, or `error` */
    int error;         /* errno */
    uint64_t heard_ms; /* monotonic, of the last byte received */
};

/* Takes the socket, also when it fails. */
int wire_init(struct wire *wire, int socket, struct fault *fault) MUST_CHECK;
void wire_release(struct wire *wire);

/* At least one byte, or -EAGAIN. */
ssize_t wire_take(struct wire *wire, void *bytes, size_t size);
/* Into the buffer: what fits, or -EAGAIN when nothing does. */
ssize_t wire_put(struct wire *wire, const void *bytes, size_t length);
/* Hands the kernel what it takes without waiting. */
void wire_flush(struct wire *wire);
/* Bytes put and not flushed. */
size_t wire_waiting(const struct wire *wire);
/* Why it ended. */
const char *wire_reason(const struct wire *wire);

#endif
