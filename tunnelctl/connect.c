/*
 * `connect`: one connection through the hub between standard input and output, for use as ssh's
 * ProxyCommand.  Nothing but the target's bytes goes to standard output.  The relay holds one
 * buffer each way and reads no further while it is full, so that either end slows the other down.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tunnelctl/access.h"
#include "tunnelctl/families.h"
#include "tunnelctl/wire.h"

#define BUFFER_BYTES (8u * SSH_CLIENT_WRITE_MAX)
#define PIPE_BYTES   (1 << 20)
/* An idle hub asks for a sign of life after 30 s; this side asks one that does not. */
#define ASK_AFTER_MS  45000u
#define DEAD_AFTER_MS 75000u

struct buffer {
    uint8_t *bytes;
    size_t start, end;
};

struct relay {
    struct ssh_client *client; /* borrowed */
    int in, out;
    struct buffer to_target, from_target;
    bool in_ended, told_target; /* standard input's end; and the target knows */
    bool target_ended;          /* nothing more will be read from it */
    bool unread;                /* nobody reads standard output any more: it is over */
    bool asked;                 /* for a sign of life */
};

static bool is_empty(const struct buffer *buffer)
{
    return buffer->start == buffer->end;
}

/* --- the four moves: each says whether it got anything done, or -1 ------------------------------
 */

static int read_target(struct relay *relay, struct fault *fault)
{
    struct buffer *buffer = &relay->from_target;
    if (!is_empty(buffer) || relay->target_ended)
        return 0;
    ssize_t length =
        ssh_client_read(relay->client, buffer->bytes, BUFFER_BYTES, &relay->target_ended, fault);
    if (length < 0)
        return -1;
    buffer->start = 0;
    buffer->end = (size_t)length;
    return length > 0 || relay->target_ended;
}

static int write_out(struct relay *relay, struct fault *fault)
{
    struct buffer *buffer = &relay->from_target;
    if (is_empty(buffer))
        return 0;
    ssize_t length = write(relay->out, buffer->bytes + buffer->start, buffer->end - buffer->start);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    relay->unread = length < 0 && (errno == EPIPE || errno == ECONNRESET);
    if (relay->unread)
        return 1;
    if (length < 0)
        return fault_set(fault, "cannot write to standard output: %s", strerror(errno));
    buffer->start += (size_t)length;
    return 1;
}

static int read_in(struct relay *relay, struct fault *fault)
{
    struct buffer *buffer = &relay->to_target;
    if (!is_empty(buffer) || relay->in_ended)
        return 0;
    ssize_t length = read(relay->in, buffer->bytes, BUFFER_BYTES);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (length < 0 && errno != ECONNRESET && errno != EIO)
        return fault_set(fault, "cannot read standard input: %s", strerror(errno));
    relay->in_ended = length <= 0;
    buffer->start = 0;
    buffer->end = length > 0 ? (size_t)length : 0;
    return 1;
}

static int write_target(struct relay *relay, struct fault *fault)
{
    struct buffer *buffer = &relay->to_target;
    if (is_empty(buffer)) {
        if (!relay->in_ended || relay->told_target)
            return 0;
        int told = ssh_client_end(relay->client, fault);
        relay->told_target = told > 0;
        return told;
    }
    ssize_t length = ssh_client_write(relay->client, buffer->bytes + buffer->start,
                                      buffer->end - buffer->start, fault);
    if (length <= 0)
        return (int)length;
    buffer->start += (size_t)length;
    return 1;
}

/* --- the loop --------------------------------------------------------------------------------- */

/* The hub closes the channel when both ends have been told; until then bytes are under way. */
static bool is_over(const struct relay *relay)
{
    if (relay->unread)
        return true;
    return relay->target_ended && is_empty(&relay->from_target) && ssh_client_closed(relay->client);
}

/* Who reads standard output learns that the target has said all, although it may go on sending. */
static void end_output(struct relay *relay)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)shutdown(relay->out, SHUT_WR);
    if (null >= 0) {
        (void)dup2(null, relay->out);
        close(null);
    }
}

/* -1: the hub is silent for too long. */
static int mind_silence(struct relay *relay, uint64_t *wait_ms, struct fault *fault)
{
    uint64_t silent_ms = clock_monotonic_ms() - ssh_client_wire(relay->client)->heard_ms;
    if (silent_ms >= DEAD_AFTER_MS)
        return fault_set(fault, "the connection to the hub is lost: no answer for %u s",
                         DEAD_AFTER_MS / 1000);
    if (silent_ms < ASK_AFTER_MS)
        relay->asked = false;
    else if (!relay->asked)
        ssh_client_keepalive(relay->client);
    relay->asked = silent_ms >= ASK_AFTER_MS;
    *wait_ms = (relay->asked ? DEAD_AFTER_MS : ASK_AFTER_MS) - silent_ms;
    return 0;
}

/* Waits for whatever could be done next. */
static int wait_for_work(struct relay *relay, uint64_t wait_ms, struct fault *fault)
{
    struct wire *wire = ssh_client_wire(relay->client);
    bool reading = is_empty(&relay->to_target) && !relay->in_ended;
    bool writing = !is_empty(&relay->from_target);
    struct pollfd polled[] = {
        {.fd = reading ? relay->in : -1, .events = POLLIN},
        {.fd = relay->target_ended && !writing ? -1 : relay->out,
         .events = (short)(writing ? POLLOUT : 0)},
        {.fd = wire->socket, .events = (short)(POLLIN | (wire_waiting(wire) ? POLLOUT : 0))},
    };
    if (poll(polled, 3, (int)wait_ms) < 0 && errno != EINTR)
        return fault_set(fault, "cannot wait: %s", strerror(errno));
    relay->unread = (polled[1].revents & (POLLERR | POLLNVAL)) != 0;
    return 0;
}

/* 1: something was done, 0: nothing to do now. */
static int move_all(struct relay *relay, struct fault *fault)
{
    typedef int move(struct relay * relay, struct fault * fault);
    static move *const moves[] = {read_target, write_out, read_in, write_target};
    bool open = !relay->target_ended;
    int done = 0;
    for (size_t i = 0; i < sizeof(moves) / sizeof(*moves); i++) {
        int result = moves[i](relay, fault);
        if (result < 0)
            return -1;
        done |= result;
        if (open && relay->target_ended && is_empty(&relay->from_target)) {
            end_output(relay);
            open = false;
        }
    }
    return done;
}

static enum outcome run_relay(struct relay *relay, struct fault *fault)
{
    struct wire *wire = ssh_client_wire(relay->client);
    while (!is_over(relay)) {
        uint64_t wait_ms = 0;
        enum outcome outcome = ssh_client_pump(relay->client, fault);
        if (outcome != DONE)
            return outcome;
        int done = move_all(relay, fault);
        if (done < 0)
            return wire->ended ? UNREACHABLE : REFUSED;
        wire_flush(wire);
        if (done == 0 && wire->ended && !ssh_client_closed(relay->client)) {
            fault_set(fault, "the connection to the hub is lost: %s", wire_reason(wire));
            return UNREACHABLE;
        }
        if (mind_silence(relay, &wait_ms, fault) < 0)
            return UNREACHABLE;
        if (wait_for_work(relay, done > 0 || is_over(relay) ? 0 : wait_ms, fault) < 0)
            return REFUSED;
    }
    return DONE;
}

/* --- the command ------------------------------------------------------------------------------ */

/* Flags belong to the open file, which a shell may share: they are put back. */
static int unblock(int descriptor)
{
    int flags = fcntl(descriptor, F_GETFL);
    (void)fcntl(descriptor, F_SETPIPE_SZ, PIPE_BYTES);
    if (flags >= 0)
        (void)fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
    return flags;
}

static void put_back(int descriptor, int flags)
{
    if (flags >= 0)
        (void)fcntl(descriptor, F_SETFL, flags);
}

static enum outcome relay_standard_streams(struct ssh_client *client, struct fault *fault)
{
    struct relay relay = {.client = client, .in = STDIN_FILENO, .out = STDOUT_FILENO};
    enum outcome outcome = REFUSED;
    relay.to_target.bytes = malloc(BUFFER_BYTES);
    relay.from_target.bytes = malloc(BUFFER_BYTES);
    (void)signal(SIGPIPE, SIG_IGN);
    int in_flags = unblock(relay.in), out_flags = unblock(relay.out);
    if (relay.to_target.bytes && relay.from_target.bytes)
        outcome = run_relay(&relay, fault);
    else
        fault_set(fault, "out of memory");
    put_back(relay.out, out_flags);
    put_back(relay.in, in_flags);
    free(relay.to_target.bytes);
    free(relay.from_target.bytes);
    return outcome;
}

static enum outcome reach(const struct access *access, struct ssh_client **client,
                          struct fault *fault)
{
    char peer[HOST_PORT_SIZE], print[FINGERPRINT_SIZE];
    struct public_key host_key;
    enum outcome outcome = access_dial(access, client, peer, fault);
    if (outcome == DONE)
        outcome = access_meet(access, *client, &host_key, fault);
    if (outcome == DONE)
        outcome = access_login(access, *client, print, fault);
    return outcome;
}

enum outcome connect_site(struct invocation *invocation, struct fault *fault)
{
    const char *site = json_string_value(json_object_get(invocation->typed, "SITE"));
    uint16_t port = (uint16_t)json_integer_value(json_object_get(invocation->typed, "PORT"));
    struct ssh_client *client = NULL;
    struct access access;
    enum outcome outcome = access_read(invocation, &access, fault);
    if (outcome == DONE)
        outcome = reach(&access, &client, fault);
    if (outcome == DONE) {
        outcome = ssh_client_open(client, ACCESS_OPEN_MS, site, port, fault);
        if (outcome == REFUSED)
            fault_prefix(fault, "the hub does not connect to %s:%u", site, port);
    }
    if (outcome == DONE)
        outcome = relay_standard_streams(client, fault);
    ssh_client_free(client);
    access_release(&access);
    return outcome;
}
