/*
 * Moving bytes between a socket and an SSH channel, as far as both sides take them.  When to try,
 * and what an end means, is stream.c's business.
 *
 * The way out of the channel: libssh's data callback writes straight to the socket; what that does
 * not take stays in libssh's buffer, which stops the peer's window from growing.  The way in: one
 * read of at most the peer's window into a buffer that all streams share, one transport_write.
 * A pace is one more that takes only so much.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ssh/stream_internal.h"

#define BUFFERED_MAX                                                                               \
    (4u << 20)           /* beyond the window: libssh's own bounds, which it does not insist on */
#define FIRST_BYTES 4096 /* libssh widens the window, of 64,000, after these */
#define SEND_FLAGS  (MSG_DONTWAIT | MSG_NOSIGNAL)

/* One loop drives every stream of the process, and no byte stays here between two calls. */
static uint8_t chunk[TURN_MOST];

static void socket_failed(struct stream *stream)
{
    /* What the socket received before the error can still be read. */
    stream->failing = true;
    stream_touch(stream);
}

static size_t write_socket(struct stream *stream, const uint8_t *bytes, size_t length, int more)
{
    size_t used = 0, piece;

    while ((piece = pace_offer(&stream->into_socket, length - used)) > 0) {
        ssize_t sent = send(stream->socket, bytes + used, piece, SEND_FLAGS | more);
        if (sent < 0 && errno == EINTR)
            continue;
        /* No event follows: it has to be asked for anew. */
        if (sent < 0 && errno == ENOBUFS && stream->place.watched == SOCKETS_READ_WRITE)
            stream->place.watched = SOCKETS_READ;
        else if (sent < 0 && errno != EAGAIN && errno != ENOBUFS)
            socket_failed(stream);
        if (sent < 0)
            break;
        pace_take(&stream->into_socket, (size_t)sent);
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
    const uint8_t *bytes;
    size_t length, used;

    while ((length = backlog_first(&stream->unwritten, &bytes)) > 0) {
        used = write_socket(stream, bytes, length, 0);
        backlog_pass(&stream->unwritten, used);
        if (used < length)
            return false;
    }
    return true;
}

/* Reads from libssh's buffer what is known to be there. */
static bool read_buffered(struct stream *stream, uint8_t *bytes, size_t size, size_t *length)
{
    size_t want = stream->buffered < size ? stream->buffered : size;
    int got = ssh_channel_read_nonblocking(stream->channel, bytes, (uint32_t)want, 0);

    if (got <= 0) {
        stream->broken = "channel error";
        return false;
    }
    *length = (size_t)got;
    stream->buffered -= *length < stream->buffered ? *length : stream->buffered;
    return true;
}

/* Keeps what the socket did not take of `chunk`, with all that waits behind it: a read widens the
 * peer's window whatever is left in libssh's buffer.  So that is either emptied or left alone;
 * emptied bit by bit, for a slow socket, it would grow without end. */
static void keep_rest(struct stream *stream, size_t used, size_t length)
{
    const uint8_t *rest = chunk + used;

    length -= used;
    while (backlog_add(&stream->unwritten, rest, length)) {
        if (stream->buffered == 0 || !read_buffered(stream, chunk, sizeof chunk, &length))
            return;
        rest = chunk;
    }
    stream->broken = "out of memory";
}

/* One piece out of libssh's buffer.  False: the socket or its pace take no more, or it went
 * wrong. */
static bool drain(struct stream *stream)
{
    size_t length, used;

    if (!read_buffered(stream, chunk, sizeof chunk, &length))
        return false;
    used = write_socket(stream, chunk, length, 0);
    if (used < length)
        keep_rest(stream, used, length);
    return used == length;
}

static size_t waiting(const struct stream *stream)
{
    return stream->buffered + stream->unwritten.bytes;
}

/* Announces a larger window, which libssh does for a read of so many bytes.  The read itself takes
 * no more than what libssh has, the packet of this callback: those bytes have been written, and go
 * nowhere.  With something to read it does not look at the socket.  True: they are gone. */
static bool announce(struct stream *stream, size_t length)
{
    static uint8_t nowhere[2 * TURN_PACKET];
    uint32_t window = window_due(&stream->window);

    if (window == 0 || length > sizeof nowhere || !window_can_grow() ||
        ssh_channel_read_timeout(stream->channel, nowhere, window + (uint32_t)length, 0, 0) <= 0)
        return false;
    window_announced(&stream->window, window);
    return true;
}

/* Takes what the socket did not into our own keeping, which gives memory back as it empties, where
 * libssh's buffer never does.  Not the last of what the peer may send: that waits in libssh's
 * buffer, or libssh would announce more. */
static size_t set_aside(struct stream *stream, const uint8_t *bytes, size_t length)
{
    if (stream->buffered > 0 || !window_is_grown(&stream->window) ||
        !backlog_add(&stream->unwritten, bytes, length))
        return 0;
    return length;
}

static void note_window(struct stream *stream)
{
    struct transport *transport = stream->transport;

    if (window_look(&stream->window, waiting(stream), stream->buffered, transport->rtt_floor_us,
                    uv_hrtime() / 1000) &&
        transport->rtt_floor_us == 0)
        transport_probe(transport);
}

void flow_begin(struct stream *stream, size_t buffered)
{
    stream->waiting_max = stream->window.outstanding + BUFFERED_MAX;
    stream->buffered = buffered;
    window_used(&stream->window, buffered);
}

void flow_push(struct transport *transport)
{
    const int on = 1;

    if (!transport->corked)
        return;
    /* Setting it again sends what waits. */
    (void)setsockopt(transport->corked->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    transport->corked = NULL;
}

static void speaks(struct transport *transport, struct stream *stream)
{
    transport->speaker = stream;
    transport->spoken_bytes = 0;
    transport->in = (struct shortcut){stream ? stream->past : NULL, flow_take, transport};
}

void flow_forget(struct stream *stream)
{
    struct transport *transport = stream->transport;

    if (transport->speaker == stream)
        speaks(transport, NULL);
    if (transport->corked == stream)
        transport->corked = NULL;
}

/* Of one stream's packets that come in a row, the kernel makes segments that are as large as can
 * be.  Where many have their turns, the next packet is another's: to keep the last of each back
 * would take one call more for each, to send it after all. */
static int more_to_come(struct stream *stream, size_t length)
{
    struct transport *transport = stream->transport;
    bool more = transport->in_turn && transport->speaker == stream &&
                transport->spoken_bytes >= TURN_LEAST &&
                wire_coming(transport->wire) >= length + TURN_PACKET;

    if (transport->corked != stream)
        flow_push(transport);
    if (transport->speaker != stream)
        speaks(transport, stream);
    transport->spoken_bytes += length;
    transport->corked = more ? stream : NULL;
    return more ? MSG_MORE : 0;
}

/* A window is announced from libssh's buffer (see above), so that this does without shortcuts. */
size_t flow_take(void *owner, const void *bytes, size_t length)
{
    struct transport *transport = owner;
    struct stream *stream = transport->speaker;

    if (stream->ended || stream->failing || stream->broken || waiting(stream) > 0 ||
        window_due(&stream->window) > 0)
        return 0;
    stream->taken = write_socket(stream, bytes, length, more_to_come(stream, length));
    return stream->taken;
}

size_t flow_receive(struct stream *stream, const void *data, size_t length)
{
    const uint8_t *bytes = data;
    size_t before = waiting(stream), may_come = stream->window.outstanding, used = 0;

    window_used(&stream->window, stream->taken + length - stream->buffered);
    stream->taken = 0;
    if (before == 0)
        stream->waiting_max = may_come + BUFFERED_MAX;
    if (before == 0 && length > 0) /* else flow_take has sent all */
        used = write_socket(stream, bytes, length, more_to_come(stream, length));
    if (used < length) {
        used += set_aside(stream, bytes + used, length - used);
        stream_touch(stream);
    }
    stream->buffered = length - used;
    note_window(stream);
    if (stream->from_channel_bytes + waiting(stream) > FIRST_BYTES)
        wire_hurry(stream->transport->wire);
    wire_may_wait(stream->transport->wire,
                  stream->transport->pumping &&
                      stream->from_channel_bytes + waiting(stream) <= FIRST_BYTES);
    if (waiting(stream) > stream->waiting_max)
        transport_close(stream->transport, "protocol error: the peer ignores the channel's window");
    if (waiting(stream) == 0 && length > 0 && announce(stream, length))
        return 0;
    return used;
}

void flow_to_socket(struct stream *stream)
{
    size_t before = waiting(stream);
    bool drained;

    if (stream->failing || stream->broken)
        return;
    drained = write_kept(stream);
    while (drained && stream->buffered > 0)
        drained = drain(stream);
    if (waiting(stream) < before)
        window_drained(&stream->window, waiting(stream), stream->buffered);
    if (!drained)
        return;
    /* What came before the stream began had no callback. */
    if (ssh_channel_is_closed(stream->channel))
        stream->channel_closed = true;
    if (stream->channel_closed || ssh_channel_is_eof(stream->channel))
        stream->channel_eof = true;
}

static void count_taken(struct stream *stream, size_t taken)
{
    size_t prefix = taken < stream->prefix_left ? taken : stream->prefix_left;

    stream->prefix_left -= prefix;
    stream->from_socket_bytes += taken - prefix;
}

/* Writes to the channel; what a key exchange keeps it from taking is kept.  False: keep off. */
static bool write_channel(struct stream *stream, const uint8_t *bytes, size_t length)
{
    int taken = transport_write(stream->transport, stream->channel, CHANNEL_STDOUT, bytes,
                                (uint32_t)length);
    size_t used = taken > 0 ? (size_t)taken : 0;

    count_taken(stream, used);
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
    int taken = transport_write(stream->transport, stream->channel, CHANNEL_STDOUT,
                                stream->unsent + stream->unsent_start, (uint32_t)length);

    if (taken > 0) {
        count_taken(stream, (size_t)taken);
        stream->unsent_start += (size_t)taken;
    }
    /* Less than nothing: the peer closed the channel, and nobody wants the rest. */
    if (taken >= 0 && (size_t)taken < length)
        return false;
    stream->transport->blocked = false;
    drop(&stream->unsent);
    return true;
}

int stream_prefix(struct stream *stream, const void *bytes, size_t length)
{
    if (length > STREAM_PREFIX_MAX || stream->unsent || stream->from_socket_bytes > 0 ||
        stream->socket_eof)
        return -1;
    if (length == 0)
        return 0;
    if (!keep(&stream->unsent, &stream->unsent_start, &stream->unsent_end, bytes, length))
        return -1;
    stream->prefix_left = length;
    stream_touch(stream);
    return 0;
}

bool flow_is_reset(const struct stream *stream)
{
    struct pollfd socket = {.fd = stream->socket};

    return poll(&socket, 1, 0) == 1 &&
           ((socket.revents & POLLERR) || (!stream->shut && (socket.revents & POLLHUP)));
}

/* One piece from the socket to the channel. */
static enum flow_progress read_piece(struct stream *stream)
{
    struct transport *transport = stream->transport;
    size_t want = ssh_channel_window_size(stream->channel);
    ssize_t got;

    if (transport->blocked || transport_congested(transport))
        return FLOW_INTERRUPTED;
    if (want == 0)
        return FLOW_SHUT;
    if (want > stream->turn.credit)
        want = stream->turn.credit;
    want = pace_offer(&stream->into_channel, want);
    if (want == 0)
        return FLOW_RATIONED;
    do {
        got = recv(stream->socket, chunk, want, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    /* Else the loop tells of more; but what it has told of already it does not tell again. */
    stream->readable = got == (ssize_t)want || (got > 0 && stream->hung_up);
    if (got < 0) {
        if (errno != EAGAIN)
            stream->broken = "reset by the TCP side";
        return FLOW_EMPTY;
    }
    if (got == 0) {
        stream->socket_eof = true;
        stream->failing = stream->failing || (!stream->hung_up && flow_is_reset(stream));
        return FLOW_EMPTY;
    }
    pace_take(&stream->into_channel, (size_t)got);
    stream->turn.credit -= (size_t)got;
    wire_expect_more(transport->wire, (size_t)got == want);
    if (!write_channel(stream, chunk, (size_t)got))
        return FLOW_INTERRUPTED;
    return stream->readable || stream->failing ? FLOW_MORE : FLOW_EMPTY;
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

bool flow_can_send(struct stream *stream)
{
    if (stream->broken)
        return false;
    if (!stream->channel_closed && !stream->eof_sent)
        return stream->readable || stream->failing || stream->unsent;
    stream->broken = stream->failing ? "reset by the TCP side" : NULL;
    return false;
}

enum flow_progress flow_to_channel(struct stream *stream)
{
    enum flow_progress progress = stream->readable || stream->failing ? FLOW_MORE : FLOW_EMPTY;

    if (stream->broken || stream->channel_closed || stream->eof_sent)
        return FLOW_EMPTY;
    if (stream->unsent && !write_unsent(stream))
        return ssh_channel_window_size(stream->channel) == 0 ? FLOW_SHUT : FLOW_INTERRUPTED;
    while (progress == FLOW_MORE && stream->turn.credit > 0 && !stream->socket_eof)
        progress = read_piece(stream);
    if (stream->broken)
        return FLOW_EMPTY;
    if (stream->socket_eof && !stream->failing)
        send_eof(stream);
    if (stream->failing && (progress == FLOW_EMPTY || stream->socket_eof))
        stream->broken = "reset by the TCP side";
    return stream->socket_eof ? FLOW_EMPTY : progress;
}
