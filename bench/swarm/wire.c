/*
 * An agent's socket: connecting without waiting, and the callbacks by which libssh2 reads and
 * writes.  What is sent there is of no interest here.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "swarm.h"

#define OUT_FULL_BYTES (256u << 10) /* no more is echoed until it is less */
#define SOURCES        60000        /* 127.1.0.1 and on */

static ssize_t on_receive(libssh2_socket_t socket, void *buffer, size_t length, int flags,
                          void **abstract)
{
    (void)flags;
    struct agent *agent = *abstract;
    if (agent->cut)
        return -ECONNRESET;
    ssize_t count = recv(socket, buffer, length, 0);
    if (count > 0) {
        agent->heard_ms = clock_monotonic_ms();
        agent->moved += (uint64_t)count;
    }
    return count >= 0 ? count : -errno;
}

static bool grow(struct outgoing *out, size_t wanted)
{
    if (wanted <= out->size)
        return true;
    size_t size = out->size > 0 ? out->size : 4096;
    while (size < wanted)
        size *= 2;
    char *data = realloc(out->data, size);
    if (data == NULL)
        return false;
    out->data = data;
    out->size = size;
    return true;
}

static ssize_t on_send(libssh2_socket_t socket, const void *buffer, size_t length, int flags,
                       void **abstract)
{
    (void)socket;
    (void)flags;
    struct agent *agent = *abstract;
    struct outgoing *out = &agent->out;
    if (agent->cut)
        return -ECONNRESET;
    if (!grow(out, out->length + length))
        return -ENOMEM;
    memcpy(out->data + out->length, buffer, length);
    out->length += length;
    return (ssize_t)length;
}

static void set_callback(LIBSSH2_SESSION *ssh, int which, void (*function)(void))
{
#if LIBSSH2_VERSION_NUM >= 0x010b01
    (void)libssh2_session_callback_set2(ssh, which, function);
#else
    void *pointer;
    memcpy(&pointer, &function, sizeof pointer);
    (void)libssh2_session_callback_set(ssh, which, pointer);
#endif
}

bool wire_open_ssh(struct agent *agent)
{
    agent->ssh = libssh2_session_init_ex(NULL, NULL, NULL, agent);
    if (agent->ssh == NULL)
        return false;
    set_callback(agent->ssh, LIBSSH2_CALLBACK_RECV, (void (*)(void))on_receive);
    set_callback(agent->ssh, LIBSSH2_CALLBACK_SEND, (void (*)(void))on_send);
    libssh2_session_set_blocking(agent->ssh, 0);
    return true;
}

/* Each agent has an address of its own, as sites have; many of them may share a port. */
static bool bind_source(const struct agent *agent, int descriptor, uint32_t hub)
{
    const int on = 1;
    if (ntohl(hub) >> 24 != 127 || agent->swarm->options.one_source)
        return true;
    const struct sockaddr_in from = {
        .sin_family = AF_INET,
        .sin_addr = {htonl((127u << 24) + (1u << 16) + 1 + agent->number % SOURCES)}};
    (void)setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind(descriptor, (const struct sockaddr *)&from, sizeof from) == 0;
}

bool wire_connect(struct agent *agent)
{
    const int on = 1;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)agent->swarm->options.port)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = agent};
    agent->cut = false;
    agent->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (agent->socket < 0)
        return false;
    (void)setsockopt(agent->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    agent->watching_out = true;
    return inet_pton(AF_INET, agent->swarm->options.address, &to.sin_addr) == 1 &&
           bind_source(agent, agent->socket, to.sin_addr.s_addr) &&
           (connect(agent->socket, (const struct sockaddr *)&to, sizeof to) == 0 ||
            errno == EINPROGRESS) &&
           epoll_ctl(agent->swarm->epoll, EPOLL_CTL_ADD, agent->socket, &event) == 0;
}

static void watch(struct agent *agent, bool out)
{
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0u), .data.ptr = agent};
    if (agent->watching_out == out)
        return;
    agent->watching_out = out;
    (void)epoll_ctl(agent->swarm->epoll, EPOLL_CTL_MOD, agent->socket, &event);
}

bool wire_flush(struct agent *agent)
{
    struct outgoing *out = &agent->out;
    while (out->sent < out->length) {
        ssize_t count =
            send(agent->socket, out->data + out->sent, out->length - out->sent, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN)
            return false;
        if (count < 0) {
            watch(agent, true);
            return true;
        }
        out->sent += (size_t)count;
        agent->moved += (uint64_t)count;
    }
    free(out->data); /* most agents are idle most of the time */
    *out = (struct outgoing){.data = NULL};
    watch(agent, false);
    return true;
}

bool wire_is_full(const struct agent *agent)
{
    return agent->out.length - agent->out.sent > OUT_FULL_BYTES;
}

void wire_close(struct agent *agent)
{
    agent->cut = true;
    if (agent->ssh != NULL)
        (void)libssh2_session_free(agent->ssh);
    if (agent->socket >= 0)
        (void)close(agent->socket);
    agent->ssh = NULL;
    agent->socket = -1;
    free(agent->out.data);
    agent->out = (struct outgoing){.data = NULL};
}
