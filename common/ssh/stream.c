/*
 * The life of a stream: its start, its end, and the channel's lingering until the peer has closed
 * it too.  What is done with it in a turn is service.c's business, the bytes are flow.c's.
 *
 * libssh's callbacks may come at any moment that libssh is at work, also in the middle of another
 * stream's write.  They write to the socket, set marks, and put the stream on a list; all the rest
 * waits for the turn.
 */
#define _GNU_SOURCE
#include "ssh/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ssh/stream_internal.h"

#define LINGERING_MAX 10000 /* channels that a peer may leave half closed */

/* --- lists --- */

void stream_unlist(struct stream *stream)
{
    if (!stream->dirty)
        return;
    TAILQ_REMOVE(&stream->transport->dirty, stream, next);
    stream->transport->dirty_count--;
    stream->dirty = false;
}

void stream_touch(struct stream *stream)
{
    if (!stream->dirty) {
        TAILQ_INSERT_TAIL(&stream->transport->dirty, stream, next);
        stream->transport->dirty_count++;
        stream->dirty = true;
    }
    if (!stream->transport->in_turn)
        transport_kick(stream->transport);
}

/* --- libssh's callbacks --- */

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t length,
                   int is_stderr, void *userdata)
{
    struct stream *stream = userdata;

    (void)session, (void)channel;
    /* Nobody waits for it: extended data, and what comes after the end. */
    if (is_stderr || stream->ended || stream->failing || stream->broken)
        return (int)length;
    return (int)flow_receive(stream, data, length);
}

static void on_eof(ssh_session session, ssh_channel channel, void *userdata)
{
    struct stream *stream = userdata;

    (void)session, (void)channel;
    stream->channel_eof = true;
    stream_touch(stream);
}

static void on_close(ssh_session session, ssh_channel channel, void *userdata)
{
    struct stream *stream = userdata;

    (void)session, (void)channel;
    stream->channel_eof = stream->channel_closed = true;
    stream_touch(stream);
}

/* --- the end --- */

static void free_if_done(struct stream *stream)
{
    if (stream->channel || stream->socket >= 0)
        return;
    free(stream->unsent);
    backlog_release(&stream->unwritten);
    free(stream);
}

static void close_socket(struct stream *stream, bool reset)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};

    if (reset)
        (void)setsockopt(stream->socket, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    sockets_forget(stream->transport->sockets, stream->socket, &stream->place);
    close(stream->socket);
    stream->socket = -1;
}

/* The stream lets go of its channel, and of itself. */
void stream_forget_channel(struct stream *stream)
{
    if (!stream->transport->finished) {
        ssh_remove_channel_callbacks(stream->channel, &stream->callbacks);
        ssh_channel_free(stream->channel);
    }
    stream->channel = NULL;
    stream_unlist(stream);
    TAILQ_REMOVE(&stream->transport->lingering, stream, all);
    stream->transport->lingering_count--;
    free_if_done(stream);
}

/* libssh puts an EOF before a CLOSE, also when it is a reset.  The two travel in one segment, so
 * that the other side does not take the first for an end in order.  With output waiting, libssh
 * sends only the EOF and asks to be called again. */
static void close_channel(struct stream *stream)
{
    int cork = !stream->eof_sent;

    if (cork)
        (void)setsockopt(stream->transport->descriptor, IPPROTO_TCP, TCP_CORK, &cork, sizeof cork);
    /* The last word of a connection is news to nobody. */
    wire_may_wait(stream->transport->wire, stream->eof_sent && stream->channel_closed);
    if (ssh_channel_close(stream->channel) == SSH_AGAIN)
        (void)ssh_channel_close(stream->channel);
    wire_may_wait(stream->transport->wire, false);
    if (cork) {
        cork = 0;
        (void)setsockopt(stream->transport->descriptor, IPPROTO_TCP, TCP_CORK, &cork, sizeof cork);
    }
}

/* From here on a stream on the `lingering` list only waits for the peer's CLOSE. */
static void let_go(struct stream *stream)
{
    struct transport *transport = stream->transport;

    if (!transport->finished)
        close_channel(stream);
    if (stream->channel_closed)
        stream_forget_channel(stream);
    else if (transport->lingering_count > LINGERING_MAX)
        transport_close(transport, "protocol error: the peer leaves closed channels open");
}

void stream_end(struct stream *stream, enum stream_end how, const char *reason)
{
    struct transport *transport = stream->transport;
    struct stream_result result = {
        .end = how,
        .from_socket_bytes = stream->from_socket_bytes,
        .from_channel_bytes = stream->from_channel_bytes,
        .reason = reason,
    };

    stream->ended = true;
    pace_leave(&stream->into_channel);
    pace_leave(&stream->into_socket);
    window_release(&stream->window);
    flow_forget(stream);
    close_socket(stream, how != STREAM_FINISHED);
    if (stream->unsent)
        transport->blocked = false;
    stream_unlist(stream);
    turns_leave(&transport->turns, &stream->turn);
    TAILQ_REMOVE(&transport->streams, stream, all);
    TAILQ_INSERT_TAIL(&transport->lingering, stream, all);
    transport->lingering_count++;
    stream->done(stream->owner, &result);
    let_go(stream);
}

bool streams_check_deadlines(struct transport *transport)
{
    struct stream *stream;
    bool some = false;

    TAILQ_FOREACH(stream, &transport->streams, all)
    {
        if (stream->deadline_ms == 0)
            continue;
        some = true;
        stream_touch(stream);
    }
    return some;
}

void streams_finish(struct transport *transport, const char *reason)
{
    struct stream *stream;

    while ((stream = TAILQ_FIRST(&transport->streams)))
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): off the list */
        stream_end(stream, STREAM_ABORTED, reason);
    while ((stream = TAILQ_FIRST(&transport->lingering)))
        stream_forget_channel(stream); /* NOLINT(clang-analyzer-unix.Malloc): off the lists */
}

/* --- the start --- */

/* The peer may have sent bytes, EOF and CLOSE in the same breath as the channel's opening, when
 * no callback was there yet. */
static void take_stock(struct stream *stream)
{
    int waiting = shortcut_of_channel(stream->channel, &stream->past);

    flow_begin(stream, waiting > 0 ? (size_t)waiting : 0);
    if (waiting == SSH_EOF)
        stream->channel_eof = true;
    if (ssh_channel_is_closed(stream->channel))
        stream->channel_closed = true;
}

static void init_callbacks(struct stream *stream)
{
    stream->callbacks.userdata = stream;
    stream->callbacks.channel_data_function = on_data;
    stream->callbacks.channel_eof_function = on_eof;
    stream->callbacks.channel_close_function = on_close;
    ssh_callbacks_init(&stream->callbacks);
}

int stream_start(struct transport *transport, ssh_channel channel, int socket, stream_done *done,
                 void *owner, struct stream **out)
{
    const int on = 1;
    struct stream *stream;

    if (transport->closing || transport_make_room(transport) < 0 ||
        !(stream = calloc(1, sizeof *stream)))
        return -1;
    init_callbacks(stream);
    backlog_init(&stream->unwritten);
    window_init(&stream->window);
    stream->transport = transport;
    stream->turn.owner = stream;
    stream->socket = socket;
    stream->place = (struct socket_place){.on_event = stream_on_event, .owner = stream};
    stream->done = done;
    stream->owner = owner;
    stream->channel = channel;
    stream->readable = true; /* it may have sent something already */
    TAILQ_INSERT_TAIL(&transport->streams, stream, all);
    stream_touch(stream);
    (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* or not TCP */
    if (ssh_set_channel_callbacks(channel, &stream->callbacks) != SSH_OK)
        stream_abort(stream, "out of memory");
    take_stock(stream);
    *out = stream;
    return 0;
}

static void on_pace_turn(void *owner)
{
    stream_touch(owner);
}

void stream_set_pace(struct stream *stream, struct pace *from_socket, struct pace *from_channel)
{
    pace_join(&stream->into_channel, from_socket, on_pace_turn, stream);
    pace_join(&stream->into_socket, from_channel, on_pace_turn, stream);
    stream_touch(stream);
}

void stream_drop_channel(struct transport *transport, ssh_channel channel)
{
    struct stream *stream;

    if (transport->closing)
        return; /* libssh frees it with all the others */
    stream = calloc(1, sizeof *stream);
    if (!stream) {
        transport_close(transport, "out of memory");
        return;
    }
    init_callbacks(stream);
    backlog_init(&stream->unwritten);
    stream->transport = transport;
    stream->channel = channel;
    stream->socket = -1;
    stream->ended = true;
    TAILQ_INSERT_TAIL(&transport->lingering, stream, all);
    transport->lingering_count++;
    if (ssh_set_channel_callbacks(channel, &stream->callbacks) != SSH_OK)
        transport_close(transport, "out of memory");
    if (ssh_channel_is_closed(channel))
        stream->channel_closed = true;
    let_go(stream);
}

void stream_abort(struct stream *stream, const char *reason)
{
    if (stream->aborting || stream->ended)
        return;
    stream->aborting = true;
    snprintf(stream->reason, sizeof stream->reason, "%s", reason);
    stream_touch(stream);
}

int stream_socket(const struct stream *stream)
{
    return stream->socket;
}

uint64_t stream_from_socket_bytes(const struct stream *stream)
{
    return stream->from_socket_bytes;
}

uint64_t stream_from_channel_bytes(const struct stream *stream)
{
    return stream->from_channel_bytes;
}
