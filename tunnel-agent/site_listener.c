/*
 * Accepting at the site.  libuv accepts and copes with a shortage of descriptors; what it accepted
 * is taken out of its hands as a plain descriptor, since that is what a stream wants.
 */
#define _GNU_SOURCE
#include "site_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

#define BACKLOG 512

struct site_listener {
    uv_tcp_t tcp;
    site_listener_accepted *accepted;
    void *owner;
};

void site_listener_reset(int socket)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(socket);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* A descriptor of our own, or -1. */
static int take_out(uv_tcp_t *client)
{
    uv_os_fd_t descriptor;
    return uv_fileno((uv_handle_t *)client, &descriptor) == 0
               ? fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
               : -1;
}

static void on_connection(uv_stream_t *server, int status)
{
    struct site_listener *listener = server->data;
    uv_tcp_t *client = status == 0 ? malloc(sizeof *client) : NULL;
    if (client == NULL)
        return;
    uv_tcp_init(server->loop, client);
    client->data = client;
    int socket = uv_accept(server, (uv_stream_t *)client) == 0 ? take_out(client) : -1;
    uv_close((uv_handle_t *)client, on_closed);
    if (socket >= 0)
        listener->accepted(listener->owner, socket);
}

static int start(struct site_listener *listener, const struct sockaddr *address)
{
    unsigned flags = address->sa_family == AF_INET6 ? UV_TCP_IPV6ONLY : 0;
    int rc = uv_tcp_bind(&listener->tcp, address, flags);
    return rc == 0 ? uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_connection) : rc;
}

int site_listener_open(uv_loop_t *loop, const struct host_port *at,
                       site_listener_accepted *accepted, void *owner, struct site_listener **out,
                       struct fault *fault)
{
    struct sockaddr_storage address;
    socklen_t length;
    if (address_from_literal(at->host, at->port, &address, &length, fault) != 0)
        return -1;
    struct site_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return fault_set(fault, "out of memory");
    uv_tcp_init(loop, &listener->tcp);
    listener->tcp.data = listener;
    listener->accepted = accepted;
    listener->owner = owner;
    int rc = start(listener, (const struct sockaddr *)&address);
    if (rc == 0) {
        *out = listener;
        return 0;
    }
    site_listener_close(listener);
    return fault_set(fault, "cannot listen: %s",
                     rc == UV_EADDRINUSE ? "another program at the site holds the port"
                                         : uv_strerror(rc));
}

void site_listener_close(struct site_listener *listener)
{
    if (listener != NULL)
        uv_close((uv_handle_t *)&listener->tcp, on_closed);
}
