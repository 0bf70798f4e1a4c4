/* The dialling of net/dial.h for a program that may wait: on a loop of its own. */
#define _GNU_SOURCE
#include "tunnelctl/dial.h"

#include <netinet/tcp.h>

#include "net/dial.h"

struct attempt {
    int socket; /* -1: failed */
    struct fault *fault;
};

static void on_connected(void *owner, int socket)
{
    struct attempt *attempt = owner;
    attempt->socket = socket;
}

static void on_failed(void *owner, const char *reason)
{
    const struct attempt *attempt = owner;
    fault_set(attempt->fault, "%s", reason);
}

static int connect_on(uv_loop_t *loop, const struct host_port *to, unsigned timeout_ms,
                      struct attempt *attempt)
{
    static const struct dial_handlers handlers = {.on_connected = on_connected,
                                                  .on_failed = on_failed};
    struct dial *ignored;
    int result = dial_start(loop, to, timeout_ms, &handlers, attempt, &ignored, attempt->fault);
    (void)uv_run(loop, UV_RUN_DEFAULT);
    return result;
}

int dial(const struct host_port *to, unsigned timeout_ms, int *out, char *peer, struct fault *fault)
{
    struct attempt attempt = {-1, fault};
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    const int on = 1;
    uv_loop_t loop;
    if (uv_loop_init(&loop) != 0)
        return fault_set(fault, "cannot make an event loop");
    int result = connect_on(&loop, to, timeout_ms, &attempt);
    (void)uv_loop_close(&loop);
    if (result < 0 || attempt.socket < 0)
        return -1;
    (void)setsockopt(attempt.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)getpeername(attempt.socket, (struct sockaddr *)&address, &length);
    address_format((struct sockaddr *)&address, peer);
    *out = attempt.socket;
    return 0;
}
