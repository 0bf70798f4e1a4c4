/* Resolving and connecting for a program that may wait.  Knows nothing of what is spoken then. */
#define _GNU_SOURCE
#include "tunnelctl/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* While there are more addresses to try. */
#define IMPATIENCE_MS 3000

/* 0 or an errno. */
static int await(int descriptor, unsigned timeout_ms)
{
    struct pollfd polled = {.fd = descriptor, .events = POLLOUT};
    int error = 0, ready;
    socklen_t length = sizeof(error);
    do
        ready = poll(&polled, 1, (int)timeout_ms);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        return ETIMEDOUT;
    if (ready < 0 || getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return errno;
    return error;
}

static int try_address(const struct addrinfo *address, unsigned timeout_ms, int *out)
{
    const int on = 1;
    int descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return errno;
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    int error = 0;
    if (connect(descriptor, address->ai_addr, address->ai_addrlen) < 0)
        error = errno == EINPROGRESS ? await(descriptor, timeout_ms) : errno;
    if (error) {
        close(descriptor);
        return error;
    }
    *out = descriptor;
    return 0;
}

int dial(const struct host_port *to, unsigned timeout_ms, int *out, char *peer, struct fault *fault)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    char port[8], where[HOST_PORT_SIZE];
    snprintf(port, sizeof(port), "%u", to->port);
    host_port_format(to->host, to->port, where);
    int error = getaddrinfo(to->host, port, &hints, &list);
    if (error)
        return fault_set(fault, "cannot look up %s: %s", to->host, gai_strerror(error));
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        unsigned wait_ms = a->ai_next && timeout_ms > IMPATIENCE_MS ? IMPATIENCE_MS : timeout_ms;
        error = try_address(a, wait_ms, out);
        if (!error) {
            address_format(a->ai_addr, peer);
            break;
        }
    }
    freeaddrinfo(list);
    return error ? fault_set(fault, "cannot connect to %s: %s", where, strerror(error)) : 0;
}
