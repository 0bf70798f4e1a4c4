/*
 * A dial, and behind it the talk with a proxy if there is one.  The proxy's answer is looked at
 * before it is taken from the socket, so that the hub's first bytes, which may come right behind
 * it, stay there for SSH.  It retries nothing.
 */
#define _GNU_SOURCE
#include "hub_dial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "net/proxy_talk.h"

#define PEEK_BYTES 4096

struct hub_dial {
    uv_loop_t *loop;
    struct host_port hub;
    uint64_t timeout_ms;
    const struct dial_handlers *handlers;
    void *owner;
    struct proxy proxy;
    struct dial *dial; /* until it is connected */
    struct proxy_talk talk;
    int socket; /* -1: not talking to the proxy */
    uv_poll_t poll;
    uv_timer_t deadline;
    bool login_refused;
    unsigned held; /* handles that libuv still knows */
};

static void drop(struct hub_dial *dial)
{
    if (--dial->held > 0)
        return;
    proxy_wipe(&dial->proxy);
    free(dial);
}

static void on_handle_closed(uv_handle_t *handle)
{
    drop(handle->data);
}

/* Ends the talk; the socket is the caller's. */
static int take_socket(struct hub_dial *dial)
{
    int socket = dial->socket;
    dial->socket = -1;
    proxy_talk_wipe(&dial->talk);
    uv_poll_stop(&dial->poll);
    uv_close((uv_handle_t *)&dial->poll, on_handle_closed);
    return socket;
}

static void end(struct hub_dial *dial)
{
    uv_close((uv_handle_t *)&dial->deadline, on_handle_closed);
}

static void succeed(struct hub_dial *dial, int socket)
{
    end(dial);
    dial->handlers->on_connected(dial->owner, socket);
}

static void fail(struct hub_dial *dial, const char *reason)
{
    if (dial->socket >= 0)
        close(take_socket(dial));
    end(dial);
    dial->handlers->on_failed(dial->owner, reason);
}

/* --- the talk --------------------------------------------------------------------------------- */

static void broken(struct hub_dial *dial, const char *why)
{
    struct fault fault;
    proxy_talk_broken(&dial->talk, why, &fault);
    fail(dial, fault.text);
}

/* 0, or an errno. */
static int send_output(struct hub_dial *dial)
{
    size_t length = 0;
    const uint8_t *bytes = proxy_talk_output(&dial->talk, &length);
    if (length == 0)
        return 0;
    ssize_t sent = send(dial->socket, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : errno;
    proxy_talk_sent(&dial->talk, (size_t)sent);
    return 0;
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void watch(struct hub_dial *dial)
{
    size_t unsent = 0;
    (void)proxy_talk_output(&dial->talk, &unsent);
    int rc =
        uv_poll_start(&dial->poll, unsent > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE, on_ready);
    if (rc != 0)
        broken(dial, uv_strerror(rc));
}

/* What is there of its answer; false when the dial is over with it. */
static bool read_answer(struct hub_dial *dial)
{
    uint8_t bytes[PEEK_BYTES];
    struct fault fault;
    size_t taken = 0;
    ssize_t got = recv(dial->socket, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got <= 0) {
        broken(dial, got < 0 ? strerror(errno) : "it closes the connection");
        return false;
    }
    enum proxy_result result = proxy_talk_feed(&dial->talk, bytes, (size_t)got, &taken, &fault);
    if (result == PROXY_REFUSED) {
        dial->login_refused = dial->talk.login_refused;
        fail(dial, fault.text);
        return false;
    }
    if (taken > 0 && recv(dial->socket, bytes, taken, MSG_DONTWAIT) != (ssize_t)taken) {
        broken(dial, "its answer is lost");
        return false;
    }
    if (result == PROXY_OPEN)
        succeed(dial, take_socket(dial));
    return result == PROXY_WAIT;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct hub_dial *dial = poll->data;
    (void)events;
    /* With an error of the socket's, reading finds out which. */
    if (!read_answer(dial))
        return;
    int error = send_output(dial);
    if (error == 0 && status < 0)
        error = -status;
    if (error != 0)
        broken(dial, strerror(error));
    else
        watch(dial);
}

static void on_deadline(uv_timer_t *timer)
{
    struct hub_dial *dial = timer->data;
    char within[32], why[64];
    text_format_duration_ms(dial->timeout_ms, within, sizeof within);
    snprintf(why, sizeof why, "no answer within %s", within);
    broken(dial, why);
}

/* --- the dial --------------------------------------------------------------------------------- */

static void on_resolved(void *owner)
{
    struct hub_dial *dial = owner;
    if (dial->handlers->on_resolved != NULL)
        dial->handlers->on_resolved(dial->owner);
}

static void on_connected(void *owner, int socket)
{
    struct hub_dial *dial = owner;
    dial->dial = NULL;
    if (dial->proxy.kind == PROXY_NONE) {
        succeed(dial, socket);
        return;
    }
    int rc = uv_poll_init(dial->loop, &dial->poll, socket);
    if (rc != 0) {
        close(socket);
        fail(dial, uv_strerror(rc));
        return;
    }
    dial->socket = socket;
    dial->poll.data = dial;
    dial->held++;
    proxy_talk_begin(&dial->talk, &dial->proxy, &dial->hub);
    uv_timer_start(&dial->deadline, on_deadline, dial->timeout_ms, 0);
    watch(dial);
}

static void on_failed(void *owner, const char *reason)
{
    struct hub_dial *dial = owner;
    struct fault fault;
    char proxy[PROXY_TEXT_SIZE];
    dial->dial = NULL;
    (void)fault_set(&fault, "%s", reason);
    if (dial->proxy.kind != PROXY_NONE)
        (void)fault_prefix(&fault, "proxy %s", proxy_format(&dial->proxy, proxy));
    fail(dial, fault.text);
}

static const struct dial_handlers DIAL_HANDLERS = {
    .on_resolved = on_resolved,
    .on_connected = on_connected,
    .on_failed = on_failed,
};

/* --- life ------------------------------------------------------------------------------------- */

int hub_dial_start(uv_loop_t *loop, const struct agent_settings *settings,
                   const struct host_port *hub, const struct dial_handlers *handlers, void *owner,
                   struct hub_dial **out, struct fault *fault)
{
    struct hub_dial *dial = calloc(1, sizeof *dial);
    if (dial == NULL)
        return fault_set(fault, "out of memory");
    if (proxy_choose(settings->proxy, hub, &dial->proxy, fault) != 0) {
        free(dial);
        return -1;
    }
    dial->loop = loop;
    dial->hub = *hub;
    dial->timeout_ms = settings->connect_timeout_ms;
    dial->handlers = handlers;
    dial->owner = owner;
    dial->socket = -1;
    uv_timer_init(loop, &dial->deadline);
    dial->deadline.data = dial;
    dial->held = 1;
    const struct host_port *first = dial->proxy.kind == PROXY_NONE ? hub : &dial->proxy.at;
    if (dial_start(loop, first, dial->timeout_ms, &DIAL_HANDLERS, dial, &dial->dial, fault) != 0) {
        end(dial);
        return -1;
    }
    *out = dial;
    return 0;
}

void hub_dial_cancel(struct hub_dial *dial)
{
    if (dial == NULL)
        return;
    dial_cancel(dial->dial);
    dial->dial = NULL;
    if (dial->socket >= 0)
        close(take_socket(dial));
    end(dial);
}

bool hub_dial_login_refused(const struct hub_dial *dial)
{
    return dial->login_refused;
}

char *hub_dial_way(const struct agent_settings *settings, const struct host_port *hub,
                   char text[PROXY_TEXT_SIZE])
{
    struct proxy proxy = {.kind = PROXY_NONE};
    if (proxy_choose(settings->proxy, hub, &proxy, NULL) != 0)
        proxy.kind = PROXY_NONE;
    proxy_format(&proxy, text);
    proxy_wipe(&proxy);
    return text;
}
