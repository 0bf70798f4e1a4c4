/*
 * The transport: when libssh gets to run, and for how long.  Descriptors only set marks in libuv's
 * poll phase; everything else happens in the turn, in its check phase, so that libssh is entered
 * from one place.  What messages mean is the owner's business, bytes are flow.c's.
 *
 * libssh's own poll context is used as it is: ssh_message_get looks once at the descriptor without
 * waiting, handles the packets that are there, and returns a message if one came of it.
 */
#define _GNU_SOURCE
#include "ssh/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/kept_text.h"
#include "base/log.h"
#include "ssh/stream_internal.h"

#define UNSENT_BYTES  (256 << 10) /* in the kernel: what a small stream waits behind a large one */
#define RECEIVE_BYTES (4 << 20)   /* at most half of net.ipv4.tcp_rmem's end */
#define SEND_BYTES    (4 << 20)   /* asked for; the kernel doubles it */
/* Before other sessions have their turn: reads of libssh, and bytes. */
#define ROUNDS_A_TURN 64
#define BYTES_A_TURN  (256u << 10)
#define READ_BYTES    4096 /* libssh's, at once */

static void on_poll(uv_poll_t *poll, int status, int events);

bool transport_congested(const struct transport *transport)
{
    return (ssh_get_status(transport->session) & SSH_WRITE_PENDING) != 0 ||
           wire_is_full(transport->wire);
}

void transport_kick(struct transport *transport)
{
    if (transport->finished || transport->pumping)
        return;
    lap_kick(transport);
}

void transport_close(struct transport *transport, const char *reason)
{
    if (transport->closing)
        return;
    transport->closing = true;
    kept_text_set(&transport->reason, reason);
    transport_kick(transport);
}

static void watch_alone(struct transport *transport, enum sockets_watch wanted)
{
    static const int events[] = {
        [SOCKETS_READ] = UV_READABLE,
        [SOCKETS_READ_WRITE] = UV_READABLE | UV_WRITABLE,
    };

    if (wanted == SOCKETS_NOT_WATCHED)
        uv_poll_stop(&transport->poll);
    else
        uv_poll_start(&transport->poll, events[wanted], on_poll);
    transport->socket.watched = wanted;
}

static void watch(struct transport *transport)
{
    enum sockets_watch wanted = SOCKETS_NOT_WATCHED;

    if (!transport->held)
        wanted = transport_congested(transport) ? SOCKETS_READ_WRITE : SOCKETS_READ;
    if (wanted == transport->socket.watched)
        return;
    if (!transport->sockets)
        watch_alone(transport, wanted);
    else if (sockets_watch(transport->sockets, transport->descriptor, &transport->socket, wanted) <
             0)
        transport_close(transport, "out of memory");
}

static void on_event(void *owner, uint32_t events)
{
    struct transport *transport = owner;

    wire_note(transport->wire, events & ~(uint32_t)EPOLLOUT,
              events & (EPOLLOUT | EPOLLERR | EPOLLHUP));
    transport->ready = true;
    transport_kick(transport);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct transport *transport = poll->data;
    uint32_t told = events & UV_WRITABLE ? EPOLLOUT : 0;

    if (status < 0) { /* libuv stopped watching; libssh's read finds the error */
        transport->socket.watched = SOCKETS_NOT_WATCHED;
        told = EPOLLERR;
    }
    on_event(transport, told | (events & UV_READABLE ? EPOLLIN : 0));
}

static void note_heard(struct transport *transport)
{
    if (transport->counter.in_bytes == transport->heard_bytes)
        return;
    transport->heard_bytes = transport->counter.in_bytes;
    transport->heard_ms = clock_monotonic_ms();
}

bool transport_is_over(const struct transport *transport)
{
    return (ssh_get_status(transport->session) & (SSH_CLOSED | SSH_CLOSED_ERROR)) ||
           !ssh_is_connected(transport->session);
}

/* libssh's error text as a phrase for people. */
static void session_reason(struct transport *transport)
{
    static const char disconnect[] = "Received SSH_MSG_DISCONNECT: ", socket[] = "Socket error: ";
    const char *text = ssh_get_error(transport->session);
    struct fault reason;

    transport->closing = transport->lost = true;
    if (text[0] == '\0' || strcmp(text, "Socket error: disconnected") == 0) {
        fault_set(&reason, "closed by peer");
    } else if (strncmp(text, disconnect, sizeof disconnect - 1) == 0) {
        text = strchr(text + sizeof disconnect - 1, ':');
        fault_set(&reason, "closed by peer: %s", text ? text + 1 : "no reason given");
    } else if (strncmp(text, socket, sizeof socket - 1) == 0) {
        fault_set(&reason, "connection lost: %s", text + sizeof socket - 1);
    } else {
        fault_set(&reason, "protocol error: %s", text);
    }
    kept_text_set(&transport->reason, reason.text);
}

/* Any call of libssh's may have read packets and queued messages of them meanwhile: the counter
 * tells. */
static bool has_input(const struct transport *transport)
{
    return transport->ready || wire_held(transport->wire) > 0 ||
           transport->counter.in_bytes != transport->pumped_bytes;
}

/* Not for sure, but the loop tells of what comes later.  libssh is asked once more all the same
 * while it has something to send, which it does when it looks. */
static bool is_read_empty(const struct transport *transport, uint64_t before)
{
    uint64_t read = transport->counter.in_bytes - before;

    return read == 0 || (read < READ_BYTES && !transport->wire && !transport_congested(transport));
}

/* Reads packets and hands out messages, within the turn's budget. */
static void pump(struct transport *transport)
{
    uint64_t first = transport->counter.in_bytes;

    if (!has_input(transport))
        return;
    transport->ready = true;
    for (int round = 0; round < ROUNDS_A_TURN; round++) {
        uint64_t before = transport->counter.in_bytes;
        if (before - first >= BYTES_A_TURN)
            return;
        if (transport->held || transport->closing)
            return;
        ssh_message message = ssh_message_get(transport->session);
        wire_may_wait(transport->wire, false);
        if (message) {
            transport->handlers->on_message(transport->owner, message);
        } else if (is_read_empty(transport, before)) {
            transport->ready = false;
            transport->pumped_bytes = transport->counter.in_bytes;
            return;
        }
    }
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct transport *transport = handle->data;

    sockets_leave(transport->sockets);
    close(transport->descriptor);
    kept_text_drop(&transport->reason);
    free(transport);
}

/* With output waiting, libssh overwrites a peer's goodbye with whatever errno holds; the goodbye
 * itself it gives out only now. */
static void note_goodbye(struct transport *transport)
{
    const char *text = transport->lost ? ssh_get_disconnect_message(transport->session) : NULL;

    struct fault reason;

    if (!text)
        return;
    fault_set(&reason, "closed by peer: %s", text);
    kept_text_set(&transport->reason, reason.text);
}

/* The last turn.  A disconnect message goes out only if libssh believes that the socket takes it,
 * which it learns from a poll. */
static void finish(struct transport *transport)
{
    if (!transport_is_over(transport)) {
        ssh_execute_message_callbacks(transport->session);
        (void)ssh_session_set_disconnect_message(transport->session, kept_text(transport->reason));
    }
    transport->finished = true;
    /* libssh neither closes nor remembers a client's descriptor that it was given and that it still
     * takes for one of an option (0.10.6, client.c): one would be lost with each session. */
    (void)ssh_options_set(transport->session, SSH_OPTIONS_FD, NULL);
    ssh_disconnect(transport->session);
    note_goodbye(transport);
    streams_finish(transport, kept_text(transport->reason));
    transport->handlers->on_down(transport->owner, kept_text(transport->reason));
    (void)ssh_set_log_userdata(NULL); /* the owner may be gone */
    wire_close(transport->wire);
    transport->wire = NULL;
    if (transport->sockets)
        sockets_forget(transport->sockets, transport->descriptor, &transport->socket);
    ssh_free(transport->session);
    lap_leave(transport);
    uv_close((uv_handle_t *)&transport->poll, on_poll_closed);
}

static void turn(struct transport *transport)
{
    shortcut_in(&transport->in);
    transport->pumping = true;
    pump(transport);
    transport->pumping = false;
    shortcut_in(NULL);
    flow_push(transport);
    note_heard(transport);
    if (!transport->closing && transport_is_over(transport))
        session_reason(transport);
    if (!transport->closing)
        transport->handlers->on_turn(transport->owner);
    if (!transport->closing)
        streams_serve(transport);
    flow_push(transport);
    note_heard(transport);
    if (!transport->closing)
        transport_probe_turn(transport);
    if (transport->dirty_count > 0 || (!transport->held && has_input(transport)))
        transport_kick(transport);
}

/* A channel's first window, and its last word, go along with what is said next, if there are others
 * to say it soon.  For a single one they do no harm: they wake the peer, which is there then for
 * what follows. */
static void push(struct transport *transport)
{
    const struct stream *first = TAILQ_FIRST(&transport->streams);
    bool all = transport->closing || !first || !TAILQ_NEXT(first, all);

    if (!wire_push(transport->wire, all))
        transport_tick(transport);
}

bool transport_on_tick(struct transport *transport)
{
    (void)wire_push(transport->wire, true);
    if (wire_is_full(transport->wire))
        transport_kick(transport);
    return streams_check_deadlines(transport);
}

/* Whoever waits to send because the line took no more, when it has taken all by now: nothing would
 * tell of that. */
static void go_on(struct transport *transport)
{
    if (transport->turns.in_line > 0 && !transport->held && !transport->blocked &&
        !transport_congested(transport))
        transport_kick(transport);
}

void transport_turn(struct transport *transport)
{
    struct transport_scope before = transport_enter(transport);
    uint64_t now_ms = uv_now(transport->loop);

    transport->in_turn = true;
    rest_turn_begins(&transport->rest, &transport->counter, &transport->messages, now_ms);
    wire_enter(transport->wire);
    turn(transport);
    wire_enter(NULL);
    rest_turn_ends(&transport->rest, transport->session, &transport->messages, now_ms);
    push(transport);
    rest_note(&transport->rest, &transport->counter, now_ms);
    if (!transport->closing && transport_is_over(transport))
        session_reason(transport);
    transport->in_turn = false;
    if (transport->closing) {
        finish(transport);
    } else {
        watch(transport);
        go_on(transport);
    }
    transport_leave(before);
}

void transport_tick(struct transport *transport)
{
    if (!transport->finished)
        lap_tick(transport);
}

/* The kernel lets a socket's send buffer grow to 4 MiB by default and wakes its writer when a third
 * of that is free, which is less than a long line holds.  Where it admits more, it may be asked
 * for; where not, asking would be a lower bound for ever, and is taken back (SO_BUF_LOCK,
 * Linux 5.14). What is unsent is bounded all the same, so that the buffer holds nothing but what is
 * under way. */
static void set_buffers(int socket)
{
    const int unsent = UNSENT_BYTES, wanted = SEND_BYTES, unlocked = 0;
    socklen_t size = sizeof(int);
    int value;

    (void)setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    if (getsockopt(socket, SOL_SOCKET, SO_BUF_LOCK, &value, &size) < 0 || value != 0 ||
        setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted) < 0)
        return;
    if (getsockopt(socket, SOL_SOCKET, SO_SNDBUF, &value, &size) < 0 || value < 2 * SEND_BYTES)
        (void)setsockopt(socket, SOL_SOCKET, SO_BUF_LOCK, &unlocked, sizeof unlocked);
}

/* Between two turns nothing else may come along. */
static void on_gathered(void *owner)
{
    struct transport *transport = owner;

    if (transport->in_turn)
        return;
    (void)wire_push(transport->wire, false);
    transport_kick(transport);
}

/* After a pause, Linux takes the pause for a round trip and lets the receive buffer of a long line
 * grow for seconds at 64 KiB a round trip.  Asking for a mark that high makes room for it at once,
 * and leaves growing beyond it to the kernel; only for those who carry streams. */
int transport_make_room(struct transport *transport)
{
    const int much = RECEIVE_BYTES, one = 1;

    if (transport->sockets)
        return 0;
    struct sockets *sockets = sockets_join(transport->loop);
    if (!sockets)
        return -1;
    watch_alone(transport, SOCKETS_NOT_WATCHED);
    transport->sockets = sockets;
    watch(transport);
    (void)setsockopt(transport->descriptor, SOL_SOCKET, SO_RCVLOWAT, &much, sizeof much);
    (void)setsockopt(transport->descriptor, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one);
    transport->wire = wire_open(transport->session, transport->descriptor, &transport->counter,
                                on_gathered, transport);
    return 0;
}

/* Its part in the loop; -1: nothing of it is left. */
static int watch_copy(struct transport *transport, uv_loop_t *loop, int descriptor)
{
    if (lap_join(loop, transport) < 0)
        return -1;
    transport->descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    /* Also sets O_NONBLOCK, which libssh takes away when it connects. */
    if (transport->descriptor >= 0 &&
        uv_poll_init(loop, &transport->poll, transport->descriptor) == 0) {
        transport->poll.data = transport;
        return 0;
    }
    if (transport->descriptor >= 0)
        close(transport->descriptor);
    lap_leave(transport);
    return -1;
}

int transport_open(uv_loop_t *loop, ssh_session session, int descriptor,
                   const struct transport_handlers *handlers, void *owner, struct transport **out)
{
    const int on = 1;
    struct transport *transport = calloc(1, sizeof *transport);

    if (!transport)
        return -1;
    if (watch_copy(transport, loop, descriptor) < 0) {
        free(transport);
        return -1;
    }
    transport->loop = loop;
    transport->session = session;
    transport->handlers = handlers;
    transport->socket =
        (struct socket_place){.on_event = on_event, .owner = transport, .is_told_again = true};
    transport->owner = owner;
    transport->log_level = LOG_DEFAULT;
    transport->heard_ms = clock_monotonic_ms();
    TAILQ_INIT(&transport->streams);
    TAILQ_INIT(&transport->lingering);
    TAILQ_INIT(&transport->dirty);
    turns_init(&transport->turns);
    ssh_set_counters(session, &transport->counter, &transport->messages);
    /* Not a TCP socket in some tests: then there is nothing to set. */
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    set_buffers(descriptor);
    transport->ready = true;
    transport_kick(transport);
    *out = transport;
    return 0;
}

ssh_session transport_session(struct transport *transport)
{
    return transport->session;
}

bool transport_is_held(const struct transport *transport)
{
    return transport->held;
}

void transport_hold(struct transport *transport)
{
    transport->held = true;
    if (!transport->in_turn && !transport->finished)
        watch(transport);
}

void transport_release(struct transport *transport)
{
    if (!transport->held)
        return;
    transport->held = false;
    transport->ready = true;
    wire_note(transport->wire, true, false); /* nobody watched */
    transport_kick(transport);
}

uint64_t transport_last_heard_ms(const struct transport *transport)
{
    return transport->heard_ms;
}

uint64_t transport_bytes_in(const struct transport *transport)
{
    return transport->counter.in_bytes;
}

uint64_t transport_bytes_out(const struct transport *transport)
{
    return transport->counter.out_bytes;
}
