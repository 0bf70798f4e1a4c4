/*
 * The socket to the hub, read and written in large pieces without waiting.  Knows nothing of SSH.
 */
#define _GNU_SOURCE
#include "tunnelctl/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

int wire_init(struct wire *wire, int socket, struct fault *fault)
{
    *wire = (struct wire){.socket = socket, .in = malloc(WIRE_SIZE), .out = malloc(WIRE_SIZE)};
    wire->heard_ms = clock_monotonic_ms();
    if (wire->in && wire->out)
        return 0;
    wire_release(wire);
    return fault_set(fault, "out of memory");
}

void wire_release(struct wire *wire)
{
    if (wire->socket >= 0)
        close(wire->socket);
    free(wire->in);
    free(wire->out);
    *wire = (struct wire){.socket = -1};
}

static void end(struct wire *wire, int error)
{
    wire->ended = true;
    if (!wire->error)
        wire->error = error;
}

static bool would_wait(int error)
{
    return error == EAGAIN || error == EINTR;
}

ssize_t wire_take(struct wire *wire, void *bytes, size_t size)
{
    if (wire->in_start == wire->in_end && !wire->ended) {
        ssize_t length = recv(wire->socket, wire->in, WIRE_SIZE, MSG_DONTWAIT);
        wire->in_start = wire->in_end = 0;
        if (length > 0) {
            wire->in_end = (size_t)length;
            wire->heard_ms = clock_monotonic_ms();
        } else if (length == 0 || !would_wait(errno)) {
            end(wire, length == 0 ? 0 : errno);
        }
    }
    size_t length = wire->in_end - wire->in_start;
    if (length == 0)
        return -EAGAIN;
    if (length > size)
        length = size;
    memcpy(bytes, wire->in + wire->in_start, length);
    wire->in_start += length;
    return (ssize_t)length;
}

void wire_flush(struct wire *wire)
{
    while (wire->out_start < wire->out_end && !wire->ended) {
        ssize_t length = send(wire->socket, wire->out + wire->out_start,
                              wire->out_end - wire->out_start, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (length < 0) {
            /* What the peer sent before it closed is still to be read. */
            if (!would_wait(errno) && errno != EPIPE && errno != ECONNRESET)
                end(wire, errno);
            break;
        }
        wire->out_start += (size_t)length;
    }
    memmove(wire->out, wire->out + wire->out_start, wire->out_end - wire->out_start);
    wire->out_end -= wire->out_start;
    wire->out_start = 0;
}

ssize_t wire_put(struct wire *wire, const void *bytes, size_t length)
{
    if (WIRE_SIZE - wire->out_end < length)
        wire_flush(wire);
    if (length > WIRE_SIZE - wire->out_end)
        length = WIRE_SIZE - wire->out_end;
    if (length == 0)
        return -EAGAIN;
    memcpy(wire->out + wire->out_end, bytes, length);
    wire->out_end += length;
    return (ssize_t)length;
}

size_t wire_waiting(const struct wire *wire)
{
    return wire->out_end - wire->out_start;
}

const char *wire_reason(const struct wire *wire)
{
    return wire->error ? strerror(wire->error) : "it closed the connection";
}
