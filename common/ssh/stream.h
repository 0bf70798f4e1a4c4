/*
 * One connection: a TCP socket on one side, an SSH channel on the other, bytes both ways.
 *
 * - Half-close: the socket's end becomes SSH_MSG_CHANNEL_EOF, and the channel's EOF a
 *   shutdown(SHUT_WR), after all bytes before it (RFC 4254, 5.3).
 * - Reset: an error on the socket closes the channel at once; a channel that the peer closes
 *   although we had not sent EOF resets the socket (SO_LINGER 0), after the bytes that it takes.
 * - Backpressure: the socket is read only as far as the peer's window and libssh's output buffer
 *   take it; the channel's bytes are consumed only as far as the socket takes them.
 * - Pace: see stream_set_pace.
 * - No allocation for each read or write, as long as the other side takes it.
 *
 * The socket may also be an end of an AF_UNIX pair whose other end is another stream, maybe another
 * process's.  There is no RST there: a hang-up of the whole socket before our half was shut down is
 * the reset, after the bytes that can still be read.  (The kernel has nothing that tells the two
 * apart once our half is shut down: a reset then looks like an end, unless it left bytes unread.)
 */
#ifndef SSH_STREAM_H
#define SSH_STREAM_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

#define STREAM_PREFIX_MAX 512

struct pace;
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

/* Takes an open channel and a connected stream socket, TCP or AF_UNIX (made non-blocking,
 * TCP_NODELAY).  On failure both
 * are still the caller's. */
int stream_start(struct transport *transport, ssh_channel channel, int socket, stream_done *done,
                 void *owner, struct stream **out) MUST_CHECK;

/* Right after stream_start: bytes for the channel, at most STREAM_PREFIX_MAX, before anything that
 * is read from the socket (the header of the PROXY protocol).  Copied; not counted in
 * from_socket_bytes, and no pace slows them.  -1: out of memory, or too long or too late. */
int stream_prefix(struct stream *stream, const void *bytes, size_t length) MUST_CHECK;

/* Right after stream_start, or at any time until `done`: caps what is read from the socket, and
 * what of the channel's bytes the socket is given.  Borrowed (see pace_close); NULL: no cap, at
 * once; what it had before is left.  A slow pace is backpressure for both sides.  An end in order
 * waits for all bytes that a pace holds back, however long; a reset waits no longer than without
 * a pace (ten seconds), and what has not passed by then is lost. */
void stream_set_pace(struct stream *stream, struct pace *from_socket, struct pace *from_channel);

/* Resets the socket, closes the channel; asynchronous, idempotent. */
void stream_abort(struct stream *stream, const char *reason);

/* For an open channel without a stream: closes it, ignores what still comes, and frees it once the
 * peer has closed it too.  Takes the channel; the caller's callbacks must be removed before.  Not
 * inside a libssh callback. */
void stream_drop_channel(struct transport *transport, ssh_channel channel);

/* Its TCP side, borrowed. */
int stream_socket(const struct stream *stream);
uint64_t stream_from_socket_bytes(const struct stream *stream);
uint64_t stream_from_channel_bytes(const struct stream *stream);

#endif
