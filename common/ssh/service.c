/*
 * What is done with streams in a session's turn: those that something happened to are attended to,
 * then those that have something to send have their turns.  Whose turn it is turns.c knows; the
 * bytes are flow.c's business, a stream's start and end stream.c's.
 */
#define _GNU_SOURCE
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "ssh/stream_internal.h"

#define DRAIN_MS 10000 /* for what one side sent before it gave up */

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
        stream_end(stream, STREAM_ABORTED, stream->reason);
    else if (stream->broken)
        stream_end(stream, STREAM_SOCKET_RESET, stream->broken);
    else if (stream->failing && overdue(stream))
        stream_end(stream, STREAM_SOCKET_RESET, "reset by the TCP side");
    else if (stream->channel_closed && !stream->eof_sent &&
             ((all_written(stream) && all_taken(stream)) || overdue(stream)))
        stream_end(stream, STREAM_PEER_RESET, "closed by the SSH side");
    else if (stream->eof_sent && stream->shut)
        stream_end(stream, STREAM_FINISHED, "finished");
    else
        return false;
    return true;
}

/* A hang-up of the whole socket although our half is still open is a reset. */
void stream_on_event(void *owner, uint32_t events)
{
    struct stream *stream = owner;

    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        stream->readable = true;
    if (events & EPOLLRDHUP)
        stream->hung_up = true;
    if ((events & EPOLLERR) || ((events & EPOLLHUP) && !stream->shut))
        stream->failing = true;
    stream_touch(stream);
}

/* Once for all that comes, and once more if the socket does not take everything. */
static void watch(struct stream *stream)
{
    bool full = !all_written(stream) && !stream->into_socket.waiting;
    enum sockets_watch wanted = full ? SOCKETS_READ_WRITE : SOCKETS_READ;

    if (wanted <= stream->place.watched || stream->failing)
        return;
    if (sockets_watch(stream->transport->sockets, stream->socket, &stream->place, wanted) < 0)
        stream_abort(stream, "out of memory");
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

/* Whatever happened to it; to send, it has its turn. */
static void attend(struct stream *stream)
{
    struct transport *transport = stream->transport;
    bool can_send;

    stream_unlist(stream);
    if (stream->ended) {
        if (stream->channel_closed)
            stream_forget_channel(stream);
        return;
    }
    if (!stream->aborting) {
        flow_to_socket(stream);
        shut_socket(stream);
    }
    pace_rest(&stream->into_socket);
    can_send = !stream->aborting && flow_can_send(stream);
    /* A session that has just died takes its streams along, all for the same reason. */
    if (!ssh_is_connected(transport->session) || settle(stream))
        return;
    if (can_send) {
        turns_enter(&transport->turns, &stream->turn);
        if (transport->alone && !transport->held && !transport->blocked &&
            !transport_congested(transport))
            return; /* it has its turn at once, and is watched then */
    } else {
        turns_leave(&transport->turns, &stream->turn);
        pace_rest(&stream->into_channel);
    }
    watch(stream);
}

static void (*const line_up[])(struct turns *, struct turn *) = {
    [FLOW_MORE] = turns_again,  [FLOW_SHUT] = turns_wait,      [FLOW_INTERRUPTED] = turns_resume,
    [FLOW_EMPTY] = turns_leave, [FLOW_RATIONED] = turns_leave,
};

/* What one stream writes leaves at once, before what is done about it here; what several write,
 * together. */
static void push_alone(struct transport *transport, const struct stream *ending)
{
    if (transport->alone && !(ending && ending->eof_sent && ending->shut))
        (void)wire_push(transport->wire, false);
}

/* False: the session takes no more now. */
static bool send_by_turn(struct stream *stream)
{
    struct transport *transport = stream->transport;
    enum flow_progress progress = flow_to_channel(stream);

    push_alone(transport, stream);
    pace_rest(&stream->into_channel);
    if (!ssh_is_connected(transport->session))
        return false;
    if (settle(stream))
        return true;
    line_up[progress](&transport->turns, &stream->turn);
    watch(stream);
    return progress != FLOW_INTERRUPTED;
}

static bool window_is_open(const struct turn *turn)
{
    const struct stream *stream = turn->owner;

    return ssh_channel_window_size(stream->channel) > 0;
}

/* A bounded number of bytes, then other sessions have their turn. */
static void give_turns(struct transport *transport)
{
    struct turn *turn;

    turns_wake(&transport->turns, window_is_open);
    for (size_t given = 0; given < TURNS_ROUND; given += transport->turns.quantum) {
        if (transport_congested(transport) || !(turn = turns_next(&transport->turns)))
            return;
        struct stream *stream = turn->owner;
        if (transport->blocked && !stream->unsent) {
            turns_resume(&transport->turns, turn);
            return;
        }
        if (!send_by_turn(stream))
            return;
    }
    if (transport->turns.in_line > 0)
        transport_kick(transport);
}

/* Each list is gone through once: who comes back on it waits for the next turn. */
void streams_serve(struct transport *transport)
{
    struct stream *stream;

    transport->alone = transport->dirty_count + transport->turns.in_line <= 1;
    push_alone(transport, NULL);
    if (!transport->alone)
        wire_gather(transport->wire);
    for (size_t left = transport->dirty_count; left > 0; left--) {
        if (!(stream = TAILQ_FIRST(&transport->dirty)))
            break;
        attend(stream); /* NOLINT(clang-analyzer-unix.Malloc): off the list */
    }
    if (!transport->held && ssh_is_connected(transport->session))
        give_turns(transport);
}
