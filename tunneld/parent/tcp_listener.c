/*
 * A listening TCP socket on the loop, which may be lent to a process that accepts on it in this
 * one's place.  Whoever has it may keep it, so what is taken back is a new socket at the same
 * address, and the old one is ended for all who have it.
 */
#define _GNU_SOURCE
#include "parent/tcp_listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "parent/port_holder.h"

#define BACKLOG      4096
#define LITERAL_SIZE 64 /* an address literal, perhaps with its scope */

struct tcp_listener {
    uv_loop_t *loop;
    struct acceptor *acceptor; /* NULL: lent */
    int descriptor;
    acceptor_accepted *accepted;
    void *owner;
    char address[LITERAL_SIZE];
    uint16_t port;
    char text[LITERAL_SIZE + 10];
};

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
static int bound_socket(const struct sockaddr_storage *address, socklen_t length, bool v6_only,
                        bool beside)
{
    int descriptor = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0)
        return -1;
    int yes = 1, only = v6_only;
    (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (beside)
        (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
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
    int descriptor = bound_socket(&storage, length, v6_only, false);
    bool no_v6 = descriptor < 0 && storage.ss_family == AF_INET6 && !v6_only &&
                 strcmp(address, "::") == 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
    if (no_v6)
        return bind_literal("0.0.0.0", port, false, fault);
    if (descriptor < 0)
        return bind_fault(address, port, errno, fault);
    return descriptor;
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

static int start_accepting(struct tcp_listener *listener)
{
    return acceptor_open(listener->loop, listener->descriptor, listener->text, listener->accepted,
                         NULL, listener->owner, &listener->acceptor);
}

int tcp_listener_open(uv_loop_t *loop, const char *address, uint16_t port, bool v6_only,
                      acceptor_accepted *accepted, void *owner, struct tcp_listener **out,
                      struct fault *fault)
{
    int descriptor = bind_literal(address, port, v6_only, fault);
    if (descriptor < 0)
        return -1;
    struct tcp_listener *listener = calloc(1, sizeof *listener);
    if (listener)
        *listener = (struct tcp_listener){
            .loop = loop, .descriptor = descriptor, .accepted = accepted, .owner = owner};
    if (!listener || start_accepting(listener) != 0) {
        free(listener);
        (void)close(descriptor);
        return fault_set(fault, "cannot listen on %s port %u: out of memory", address,
                         (unsigned)port);
    }
    name_listener(listener);
    *out = listener;
    return 0;
}

void tcp_listener_close(struct tcp_listener *listener)
{
    if (!listener)
        return;
    acceptor_close(listener->acceptor);
    (void)shutdown(listener->descriptor, SHUT_RDWR); /* for whom it was lent to, too */
    (void)close(listener->descriptor);
    free(listener);
}

int tcp_listener_lend(struct tcp_listener *listener)
{
    acceptor_close(listener->acceptor);
    listener->acceptor = NULL;
    return listener->descriptor;
}

/* A second socket where the first still listens. */
static int bind_beside(int old)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address, size = sizeof(int);
    int only = 0, no = 0, yes = 1;
    if (getsockname(old, (struct sockaddr *)&address, &length) != 0)
        return -1;
    (void)getsockopt(old, IPPROTO_IPV6, IPV6_V6ONLY, &only, &size); /* or not IPv6 */
    (void)setsockopt(old, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    int fresh = bound_socket(&address, length, only != 0, true);
    (void)setsockopt(fresh >= 0 ? fresh : old, SOL_SOCKET, SO_REUSEPORT, &no, sizeof no);
    return fresh;
}

/* Whoever has come to the old socket is taken; who comes between the last look and its end is
 * reset.  The listener may be closed in the handler. */
static void empty_and_end(int old, acceptor_accepted *accepted, void *owner)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    int descriptor;
    while ((descriptor = accept4(old, (struct sockaddr *)&peer, &length,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        accepted(owner, descriptor, (struct sockaddr *)&peer);
        length = sizeof peer;
    }
    (void)shutdown(old, SHUT_RDWR); /* of all its duplicates */
    (void)close(old);
}

int tcp_listener_take_back(struct tcp_listener *listener, bool renew)
{
    acceptor_accepted *accepted = listener->accepted;
    void *owner = listener->owner;
    int old = listener->descriptor, fresh = -1;
    if (listener->acceptor)
        return 0;
    if (renew)
        fresh = bind_beside(old);
    if (fresh >= 0)
        listener->descriptor = fresh;
    if (start_accepting(listener) != 0) {
        if (fresh >= 0) {
            (void)shutdown(old, SHUT_RDWR);
            (void)close(old);
        }
        return -1;
    }
    if (fresh >= 0)
        empty_and_end(old, accepted, owner);
    return renew && fresh < 0 ? -1 : 0;
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
