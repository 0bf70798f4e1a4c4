/*
 * The life of a stream: its start, what is done with it in a turn, its end, and the channel's
 * lingering until the peer has closed it too.  The bytes themselves are flow.c's.
 *
 * libssh's callbacks may come at any moment that libssh is at work, also in the middle of another
 * stream's write.  They write to the socket, set marks, and put the stream on a list; all the rest
 * waits for the turn.
 */
#define _GNU_SOURCE
#include "ssh/stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "ssh/stream_internal.h"

#define DRAIN_MS      10000 /* for what one side sent before it gave up */
#define LINGERING_MAX 10000 /* channels that a peer may leave half closed */

/* --- lists --- */

void stream_unlist(struct stream *stream)
{
    struct transport *transport = stream->transport;

    if (stream->place == IN_DIRTY) {
        TAILQ_REMOVE(&transport->dirty, stream, next);
        transport->dirty_count--;
    } else if (stream->place == IN_PAUSED) {
        TAILQ_REMOVE(&transport->paused, stream, next);
        transport->paused_count--;
    }
    stream->place = NOWHERE;
}

void stream_touch(struct stream *stream)
{
    if (stream->place != IN_DIRTY) {
        stream_unlist(stream);
        TAILQ_INSERT_TAIL(&stream->transport->dirty, stream, next);
        stream->transport->dirty_count++;
        stream->place = IN_DIRTY;
    }
    transport_kick(stream->transport);
}

static void stream_pause(struct stream *stream)
{
    if (stream->place != NOWHERE)
        return;
    TAILQ_INSERT_TAIL(&stream->transport->paused, stream, next);
    stream->transport->paused_count++;
    stream->place = IN_PAUSED;
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
    if (stream->channel || !stream->poll_closed)
        return;
    free(stream->unsent);
    backlog_release(&stream->unwritten);
    free(stream);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct stream *stream = handle->data;

    stream->poll_closed = true;
    free_if_done(stream);
}

static void close_socket(struct stream *stream, bool reset)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};

    if (reset)
        (void)setsockopt(stream->socket, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    uv_close((uv_handle_t *)&stream->poll, on_poll_closed);
    close(stream->socket);
    stream->socket = -1;
}

/* The stream lets go of its channel, and of itself. */
static void forget_channel(struct stream *stream)
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
    if (ssh_channel_close(stream->channel) == SSH_AGAIN)
        (void)ssh_channel_close(stream->channel);
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
        forget_channel(stream);
    else if (transport->lingering_count > LINGERING_MAX)
        transport_close(transport, "protocol error: the peer leaves closed channels open");
}

static void end(struct stream *stream, enum stream_end how, const char *reason)
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
    TAILQ_REMOVE(&transport->streams, stream, all);
    TAILQ_INSERT_TAIL(&transport->lingering, stream, all);
    transport->lingering_count++;
    stream->done(stream->owner, &result);
    let_go(stream);
}

/* --- what is done in a turn --- */

static bool all_written(const struct stream *stream)
{
    return stream->buffered == 0 && stream->unwritten.bytes == 0;
}

/* One side gave up, but what it sent before still goes to the other, for a while. */
static bool overdue(struct stream *stream)
{
    if (stream->deadline_ms == 0) {
        stream->deadline_ms = clock_monotonic_ms() + DRAIN_MS;
        transport_tick(stream->transport);
    }
    return clock_monotonic_ms() >= stream->deadline_ms;
}

/* A reset throws away what the kernel has not delivered. */
static bool all_taken(const struct stream *stream)
{
    int queued = 0;

    return ioctl(stream->socket, SIOCOUTQ, &queued) < 0 || queued == 0;
}

/* Ends the stream if it is over.  True: it was. */
static bool settle(struct stream *stream)
{
    if (stream->aborting)
        end(stream, STREAM_ABORTED, stream->reason);
    else if (stream->broken)
        end(stream, STREAM_SOCKET_RESET, stream->broken);
    else if (stream->failing && overdue(stream))
        end(stream, STREAM_SOCKET_RESET, "reset by the TCP side");
    else if (stream->channel_closed && !stream->eof_sent &&
             ((all_written(stream) && all_taken(stream)) || overdue(stream)))
        end(stream, STREAM_PEER_RESET, "closed by the SSH side");
    else if (stream->eof_sent && stream->shut)
        end(stream, STREAM_FINISHED, "finished");
    else
        return false;
    return true;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = poll->data;

    stream->readable = true;
    if (status < 0) {
        stream->failing = true;
        stream->events = 0; /* libuv has stopped watching */
    } else if (events & UV_PRIORITIZED) {
        stream->failing = stream->failing || flow_is_reset(stream);
        stream->quiet = true;
    }
    stream_touch(stream);
}

/* A socket that is neither read nor written is watched for errors: libuv reports those, and a
 * hang-up, whatever was asked for. */
static void watch(struct stream *stream, bool paused)
{
    int events = 0;

    if (!paused && !stream->socket_eof && !stream->channel_closed && !stream->into_channel.waiting)
        events |= UV_READABLE;
    if (!all_written(stream) && !stream->into_socket.waiting)
        events |= UV_WRITABLE;
    if (events)
        stream->quiet = false;
    else if (!stream->quiet)
        events = UV_PRIORITIZED;
    if (stream->failing)
        events = 0; /* an error is reported again and again */
    if (events == stream->events)
        return;
    stream->events = events;
    if (events)
        uv_poll_start(&stream->poll, events, on_poll);
    else
        uv_poll_stop(&stream->poll);
}

static void shut_socket(struct stream *stream)
{
    if (stream->shut || !stream->channel_eof || !all_written(stream) || stream->failing)
        return;
    if (stream->channel_closed && !stream->eof_sent)
        return; /* no end in order, but a reset */
    /* It fails only on a socket that is gone, which reading it tells as well. */
    (void)shutdown(stream->socket, SHUT_WR);
    stream->shut = true;
}

static void serve(struct stream *stream)
{
    bool paused;

    stream_unlist(stream);
    if (stream->ended) {
        if (stream->channel_closed)
            forget_channel(stream);
        return;
    }
    if (!stream->aborting) {
        flow_to_socket(stream);
        shut_socket(stream);
    }
    paused = stream->transport->held || (!stream->aborting && flow_to_channel(stream));
    pace_rest(&stream->into_channel);
    pace_rest(&stream->into_socket);
    /* A session that has just died takes its streams along, all for the same reason. */
    if (!ssh_is_connected(stream->transport->session) || settle(stream))
        return;
    if (paused)
        stream_pause(stream);
    watch(stream, paused);
}

/* Each list is gone through once: who comes back on it waits for the next turn, at its end, so
 * that nobody is always the first. */
void streams_serve(struct transport *transport)
{
    struct stream *stream;

    /* What one stream writes leaves at once, what several write together. */
    if (transport->paused_count + transport->dirty_count > 1)
        wire_gather(transport->wire);
    for (size_t left = transport->paused_count; left > 0 && !transport->held; left--) {
        if (transport_congested(transport) || !(stream = TAILQ_FIRST(&transport->paused)))
            break;
        serve(stream); /* NOLINT(clang-analyzer-unix.Malloc): off the list */
    }
    for (size_t left = transport->dirty_count; left > 0; left--) {
        if (!(stream = TAILQ_FIRST(&transport->dirty)))
            break;
        serve(stream); /* NOLINT(clang-analyzer-unix.Malloc): off the list */
    }
    wire_push(transport->wire);
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
        end(stream, STREAM_ABORTED, reason); /* NOLINT(clang-analyzer-unix.Malloc): off the list */
    while ((stream = TAILQ_FIRST(&transport->lingering)))
        forget_channel(stream); /* NOLINT(clang-analyzer-unix.Malloc): off the list */
}

/* --- the start --- */

/* The peer may have sent bytes, EOF and CLOSE in the same breath as the channel's opening, when
 * no callback was there yet. */
static void take_stock(struct stream *stream)
{
    int waiting = ssh_channel_poll(stream->channel, 0);

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

    if (transport->closing || !(stream = calloc(1, sizeof *stream)))
        return -1;
    init_callbacks(stream);
    if (uv_poll_init(transport->loop, &stream->poll, socket) < 0) {
        free(stream);
        return -1;
    }
    stream->poll.data = stream;
    backlog_init(&stream->unwritten);
    window_init(&stream->window);
    stream->transport = transport;
    stream->socket = socket;
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
    transport_make_room(transport);
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
    stream->ended = stream->poll_closed = true;
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

uint64_t stream_from_socket_bytes(const struct stream *stream)
{
    return stream->from_socket_bytes;
}

uint64_t stream_from_channel_bytes(const struct stream *stream)
{
    return stream->from_channel_bytes;
}
