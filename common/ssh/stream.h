/*
 * One connection: a TCP socket on one side, an SSH channel on the other, bytes both ways.
 *
 * - Half-close: the socket's end becomes SSH_MSG_CHANNEL_EOF, and the channel's EOF a
 *   shutdown(SHUT_WR), after all bytes before it (RFC 4254, 5.3).
 * - Reset: an error on the socket closes the channel at once; a channel that the peer closes
 *   although we had not sent EOF resets the socket (SO_LINGER 0), after the bytes that it takes.
 * - Backpressure: the socket is read only as far as the peer's window and libssh's output buffer
 *   take it; the channel's bytes are consumed only as far as the socket takes them.
 * - No allocation for each read or write.
 */
#ifndef SSH_STREAM_H
#define SSH_STREAM_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

struct transport;
struct stream;

enum stream_end {
    STREAM_FINISHED,     /* both directions ended in order */
    STREAM_SOCKET_RESET, /* the TCP side broke */
    STREAM_PEER_RESET,   /* the SSH side closed without our EOF */
    STREAM_ABORTED,      /* stream_abort, or the transport went down */
};

struct stream_result {
    enum stream_end end;
    uint64_t from_socket_bytes; /* socket -> channel */
    uint64_t from_channel_bytes;
    const char *reason; /* a phrase: "finished", "reset by the TCP side"... */
};

/* Exactly once, never inside stream_start or stream_abort; the stream is freed right after. */
typedef void stream_done(void *owner, const struct stream_result *result);

/* Takes an open channel and a connected socket (made non-blocking, TCP_NODELAY).  On failure both
 * are still the caller's. */
int stream_start(struct transport *transport, ssh_channel channel, int socket, stream_done *done,
                 void *owner, struct stream **out) MUST_CHECK;

/* Resets the socket, closes the channel; asynchronous, idempotent. */
void stream_abort(struct stream *stream, const char *reason);

/* For an open channel without a stream: closes it, ignores what still comes, and frees it once the
 * peer has closed it too.  Takes the channel; the caller's callbacks must be removed before.  Not
 * inside a libssh callback. */
void stream_drop_channel(struct transport *transport, ssh_channel channel);

uint64_t stream_from_socket_bytes(const struct stream *stream);
uint64_t stream_from_channel_bytes(const struct stream *stream);

#endif
