/*
 * A listening TCP socket on the loop.  It accepts in bounded turns, and pauses when the process
 * has no descriptors left, because the kernel keeps such a socket readable.
 */
#define _GNU_SOURCE
#include "parent/tcp_listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "parent/port_holder.h"
#include "parent/timeout.h"

#define ACCEPTS_PER_TURN 64
#define PAUSE_MS         100
#define COMPLAIN_MS      1000
#define BACKLOG          4096
#define LITERAL_SIZE     64 /* an address literal, perhaps with its scope */

struct tcp_listener {
    uv_poll_t poll;
    struct timeout *pause;
    int descriptor;
    uint64_t complained_ms;
    tcp_accepted *accepted;
    void *owner;
    char address[LITERAL_SIZE];
    uint16_t port;
    char text[LITERAL_SIZE + 10];
};

void tcp_reset(int descriptor)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    (void)close(descriptor);
}

bool tcp_has_v6(void)
{
    struct sockaddr_storage address;
    socklen_t length;
    if (address_from_literal("::1", 0, &address, &length, NULL) != 0)
        return false;
    int descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return false;
    bool usable = bind(descriptor, (const struct sockaddr *)&address, length) == 0;
    (void)close(descriptor);
    return usable;
}

static int bind_fault(const char *address, uint16_t port, int error, struct fault *fault)
{
    char text[HOST_PORT_SIZE];
    host_port_format(address, port, text);
    switch (error) {
    case EADDRINUSE:
        return fault_set(fault,
                         "cannot listen on %s: another program on this hub holds it; stop that "
                         "program or choose another port",
                         text);
    case EADDRNOTAVAIL:
        return fault_set(fault, "cannot listen on %s: this hub has no such address", text);
    case EACCES:
        return fault_set(fault,
                         "cannot listen on %s: ports below 1024 want root or the capability "
                         "CAP_NET_BIND_SERVICE",
                         text);
    default:
        return fault_set(fault, "cannot listen on %s: %s", text, strerror(error));
    }
}

/* A bound socket, or -1 with errno. */
static int bound_socket(const struct sockaddr_storage *address, socklen_t length, bool v6_only)
{
    int descriptor = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0)
        return -1;
    int yes = 1, only = v6_only;
    (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (address->ss_family == AF_INET6)
        (void)setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    if (bind(descriptor, (const struct sockaddr *)address, length) == 0 &&
        listen(descriptor, BACKLOG) == 0)
        return descriptor;
    int error = errno;
    (void)close(descriptor);
    errno = error;
    return -1;
}

static int bind_literal(const char *address, uint16_t port, bool v6_only, struct fault *fault)
{
    struct sockaddr_storage storage;
    socklen_t length;
    if (address_from_literal(address, port, &storage, &length, fault) != 0)
        return -1;
    int descriptor = bound_socket(&storage, length, v6_only);
    bool no_v6 = descriptor < 0 && storage.ss_family == AF_INET6 && !v6_only &&
                 strcmp(address, "::") == 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
    if (no_v6)
        return bind_literal("0.0.0.0", port, false, fault);
    if (descriptor < 0)
        return bind_fault(address, port, errno, fault);
    return descriptor;
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void resume(void *owner)
{
    struct tcp_listener *listener = owner;
    (void)uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
}

static void pause_accepting(struct tcp_listener *listener, int error)
{
    uint64_t now = clock_monotonic_ms();
    if (listener->complained_ms == 0 || now - listener->complained_ms >= COMPLAIN_MS) {
        log_warning(KV("listen", listener->text), SAY("accepting pauses"),
                    KV("reason", strerror(error)));
        listener->complained_ms = now;
    }
    (void)uv_poll_stop(&listener->poll);
    if (timeout_set(listener->poll.loop, &listener->pause, PAUSE_MS, resume, listener) != 0)
        resume(listener);
}

static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct tcp_listener *listener = poll->data;
    for (int i = 0; i < ACCEPTS_PER_TURN && listener->descriptor >= 0; i++) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof peer;
        int descriptor = accept4(listener->descriptor, (struct sockaddr *)&peer, &length,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor >= 0) {
            listener->accepted(listener->owner, descriptor, (struct sockaddr *)&peer);
            continue;
        }
        int error = errno;
        if (is_shortage(error))
            pause_accepting(listener, error);
        /* Other errors belong to a connection that broke in the queue (accept(2)). */
        if (error != EINTR && error != ECONNABORTED)
            return;
    }
}

static void name_listener(struct tcp_listener *listener)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    (void)getsockname(listener->descriptor, (struct sockaddr *)&address, &length);
    char host[HOST_SIZE], text[HOST_PORT_SIZE];
    listener->port = address_host((struct sockaddr *)&address, host);
    (void)text_copy(listener->address, sizeof listener->address, host);
    (void)text_copy(listener->text, sizeof listener->text,
                    host_port_format(host, listener->port, text));
}

static void on_close(uv_handle_t *handle)
{
    free(handle->data);
}

int tcp_listener_open(uv_loop_t *loop, const char *address, uint16_t port, bool v6_only,
                      tcp_accepted *accepted, void *owner, struct tcp_listener **out,
                      struct fault *fault)
{
    int descriptor = bind_literal(address, port, v6_only, fault);
    if (descriptor < 0)
        return -1;
    struct tcp_listener *listener = calloc(1, sizeof *listener);
    if (!listener || uv_poll_init(loop, &listener->poll, descriptor) != 0) {
        free(listener);
        (void)close(descriptor);
        return fault_set(fault, "cannot listen on %s port %u: out of memory", address,
                         (unsigned)port);
    }
    listener->poll.data = listener;
    listener->descriptor = descriptor;
    listener->accepted = accepted;
    listener->owner = owner;
    name_listener(listener);
    (void)uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
    *out = listener;
    return 0;
}

void tcp_listener_close(struct tcp_listener *listener)
{
    if (!listener || listener->descriptor < 0)
        return;
    timeout_clear(&listener->pause);
    uv_close((uv_handle_t *)&listener->poll, on_close);
    (void)close(listener->descriptor);
    listener->descriptor = -1;
}

const char *tcp_listener_text(const struct tcp_listener *listener)
{
    return listener->text;
}

const char *tcp_listener_address(const struct tcp_listener *listener)
{
    return listener->address;
}

uint16_t tcp_listener_port(const struct tcp_listener *listener)
{
    return listener->port;
}

int tcp_listener_try(const char *address, uint16_t port, struct fault *fault)
{
    char holder[PORT_HOLDER_SIZE], text[HOST_PORT_SIZE];
    int descriptor = bind_literal(address, port, false, fault);
    if (descriptor >= 0) {
        (void)close(descriptor);
        return 0;
    }
    if (!port_holder(address, port, holder))
        return -1;
    return fault_set(fault,
                     "cannot listen on %s: %s holds it; stop that program or choose another port",
                     host_port_format(address, port, text), holder);
}
