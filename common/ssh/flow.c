/*
 * Moving bytes between a socket and an SSH channel, as far as both sides take them.  When to try,
 * and what an end means, is stream.c's business.
 *
 * The way out of the channel: libssh's data callback writes straight to the socket; what that does
 * not take stays in libssh's buffer, which stops the peer's window from growing.  The way in: one
 * read of at most the peer's window into a buffer that all streams share, one ssh_channel_write.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ssh/stream_internal.h"

#define PACKET_BYTES  32758 /* of payload: what libssh puts into a packet of 32 KiB */
#define CHUNK_BYTES   (4 * PACKET_BYTES)
#define CHUNKS_A_TURN 4 /* then other streams have their turn */

/* One loop drives every stream of the process, and no byte stays here between two calls. */
static uint8_t chunk[CHUNK_BYTES];

static void socket_failed(struct stream *stream)
{
    /* What the socket received before the error can still be read. */
    stream->failing = true;
    stream_touch(stream);
}

size_t flow_write_direct(struct stream *stream, const void *data, size_t length)
{
    const uint8_t *bytes = data;
    size_t used = 0;

    while (used < length) {
        ssize_t sent =
            send(stream->socket, bytes + used, length - used, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN && errno != ENOBUFS)
            socket_failed(stream);
        if (sent < 0)
            break;
        used += (size_t)sent;
    }
    stream->from_channel_bytes += used;
    return used;
}

/* Keeps what a peer's side did not take; the buffer lives until it is empty. */
static bool keep(uint8_t **buffer, size_t *start, size_t *end, const uint8_t *bytes, size_t length)
{
    *buffer = malloc(length);
    if (!*buffer)
        return false;
    memcpy(*buffer, bytes, length);
    *start = 0;
    *end = length;
    return true;
}

static void drop(uint8_t **buffer)
{
    free(*buffer);
    *buffer = NULL;
}

static bool write_kept(struct stream *stream)
{
    if (!stream->unwritten)
        return true;
    stream->unwritten_start +=
        flow_write_direct(stream, stream->unwritten + stream->unwritten_start,
                          stream->unwritten_end - stream->unwritten_start);
    if (stream->unwritten_start < stream->unwritten_end)
        return false;
    drop(&stream->unwritten);
    return true;
}

/* One piece out of libssh's buffer.  False: the socket takes no more, or it went wrong. */
static bool drain(struct stream *stream)
{
    uint32_t want = stream->buffered < sizeof chunk ? (uint32_t)stream->buffered : sizeof chunk;
    int got = ssh_channel_read_nonblocking(stream->channel, chunk, want, 0);
    size_t length, used;

    if (got <= 0) {
        stream->broken = "channel error";
        return false;
    }
    length = (size_t)got;
    stream->buffered -= length < stream->buffered ? length : stream->buffered;
    used = flow_write_direct(stream, chunk, length);
    if (used == length)
        return true;
    if (!keep(&stream->unwritten, &stream->unwritten_start, &stream->unwritten_end, chunk + used,
              length - used))
        stream->broken = "out of memory";
    return false;
}

void flow_to_socket(struct stream *stream)
{
    if (stream->failing || stream->broken || !write_kept(stream))
        return;
    while (stream->buffered > 0) {
        if (!drain(stream))
            return;
    }
    /* What came before the stream began had no callback. */
    if (ssh_channel_is_closed(stream->channel))
        stream->channel_closed = true;
    if (stream->channel_closed || ssh_channel_is_eof(stream->channel))
        stream->channel_eof = true;
}

/* Writes to the channel; what a key exchange keeps it from taking is kept.  False: keep off. */
static bool write_channel(struct stream *stream, const uint8_t *bytes, size_t length)
{
    int taken = ssh_channel_write(stream->channel, bytes, (uint32_t)length);
    size_t used = taken > 0 ? (size_t)taken : 0;

    stream->from_socket_bytes += used;
    if (taken < 0) {
        /* The peer closed the channel; its callback has been called or will be. */
        if (!stream->channel_closed)
            stream->broken = "channel error";
        return false;
    }
    if (used == length)
        return true;
    if (keep(&stream->unsent, &stream->unsent_start, &stream->unsent_end, bytes + used,
             length - used))
        stream->transport->blocked = true;
    else
        stream->broken = "out of memory";
    return false;
}

static bool write_unsent(struct stream *stream)
{
    size_t length = stream->unsent_end - stream->unsent_start;
    int taken =
        ssh_channel_write(stream->channel, stream->unsent + stream->unsent_start, (uint32_t)length);

    if (taken > 0) {
        stream->from_socket_bytes += (size_t)taken;
        stream->unsent_start += (size_t)taken;
    }
    /* Less than nothing: the peer closed the channel, and nobody wants the rest. */
    if (taken >= 0 && (size_t)taken < length)
        return false;
    stream->transport->blocked = false;
    drop(&stream->unsent);
    return true;
}

enum progress { MORE, EMPTY, PAUSED };

/* One chunk from the socket to the channel. */
static enum progress read_chunk(struct stream *stream)
{
    size_t want = ssh_channel_window_size(stream->channel);
    ssize_t got;

    if (want == 0 || stream->transport->blocked || transport_congested(stream->transport))
        return PAUSED;
    if (want > sizeof chunk)
        want = sizeof chunk;
    do {
        got = recv(stream->socket, chunk, want, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        if (errno != EAGAIN)
            stream->broken = "reset by the TCP side";
        return EMPTY;
    }
    if (got == 0) {
        stream->socket_eof = true;
        return EMPTY;
    }
    if (!write_channel(stream, chunk, (size_t)got))
        return PAUSED;
    return (size_t)got == want || stream->failing ? MORE : EMPTY;
}

static void send_eof(struct stream *stream)
{
    if (stream->eof_sent || stream->unsent || stream->channel_closed)
        return;
    /* SSH_AGAIN: it waits in libssh's output. */
    if (ssh_channel_send_eof(stream->channel) == SSH_ERROR)
        stream->broken = "channel error";
    stream->eof_sent = true;
}

bool flow_to_channel(struct stream *stream)
{
    enum progress progress = MORE;

    if (stream->broken)
        return false;
    if (stream->channel_closed || stream->eof_sent) {
        stream->broken = stream->failing ? "reset by the TCP side" : NULL;
        return false;
    }
    if (stream->unsent && !write_unsent(stream))
        return true;
    for (int i = 0; i < CHUNKS_A_TURN && progress == MORE && !stream->socket_eof; i++)
        progress = read_chunk(stream);
    if (stream->broken)
        return false;
    if (stream->socket_eof && !stream->failing)
        send_eof(stream);
    if (stream->failing && progress == EMPTY)
        stream->broken = "reset by the TCP side";
    if (progress == MORE && !stream->socket_eof)
        stream_touch(stream);
    return progress == PAUSED;
}
