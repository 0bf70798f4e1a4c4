/*
 * Resolving and connecting without blocking the loop.  One dial owns its timers, its resolver
 * request and its sockets; it counts them, and the last that closes frees it.  It does not know
 * what the connection is for, and retries nothing.
 */
#define _GNU_SOURCE
#include "net/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

#define REASON_SIZE (2 * HOST_PORT_SIZE + 256)

struct attempt {
    struct dial *dial;
    uv_poll_t poll;
    int socket; /* -1: not going on */
};

struct dial {
    uv_loop_t *loop;
    struct host_port to;
    uint64_t timeout_ms;
    const struct dial_handlers *handlers;
    void *owner;
    uv_getaddrinfo_t resolver;
    uv_timer_t deadline, stagger;
    unsigned held; /* handles and requests that libuv still knows */
    bool resolving, over;
    unsigned count, started, going;
    struct sockaddr_storage addresses[DIAL_ADDRESSES_MAX];
    struct attempt attempts[DIAL_ADDRESSES_MAX];
    char reason[REASON_SIZE];
};

static void drop(struct dial *dial)
{
    if (--dial->held == 0)
        free(dial);
}

static void on_timer_closed(uv_handle_t *handle)
{
    drop(handle->data);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct attempt *attempt = handle->data;
    drop(attempt->dial);
}

/* Ends one attempt and gives its socket back. */
static int take_socket(struct attempt *attempt)
{
    int socket = attempt->socket;
    attempt->socket = -1;
    attempt->dial->going--;
    uv_poll_stop(&attempt->poll);
    uv_close((uv_handle_t *)&attempt->poll, on_poll_closed);
    return socket;
}

static void end(struct dial *dial)
{
    dial->over = true;
    for (unsigned i = 0; i < dial->started; i++) {
        if (dial->attempts[i].socket >= 0)
            close(take_socket(&dial->attempts[i]));
    }
    uv_close((uv_handle_t *)&dial->deadline, on_timer_closed);
    uv_close((uv_handle_t *)&dial->stagger, on_timer_closed);
    if (dial->resolving)
        (void)uv_cancel((uv_req_t *)&dial->resolver); /* its callback drops its own count */
}

/* `end` only asks libuv to close: the dial lives until the loop's next turn. */
static void fail(struct dial *dial)
{
    end(dial);
    dial->handlers->on_failed(dial->owner, dial->reason);
}

static void note(struct dial *dial, const struct sockaddr *address, const char *why)
{
    char to[HOST_PORT_SIZE], text[HOST_PORT_SIZE];
    host_port_format(dial->to.host, dial->to.port, to);
    address_format(address, text);
    if (strcmp(to, text) == 0)
        snprintf(dial->reason, sizeof dial->reason, "connect to %s: %s", to, why);
    else
        snprintf(dial->reason, sizeof dial->reason, "connect to %s (%s): %s", to, text, why);
}

static void note_attempt(struct dial *dial, unsigned number, const char *why)
{
    note(dial, (const struct sockaddr *)&dial->addresses[number], why);
}

/* The owner's word on an address; the one that is judged here is the one that is dialled. */
static bool may_be_dialled(struct dial *dial, const struct sockaddr *address)
{
    const char *why =
        dial->handlers->judge != NULL ? dial->handlers->judge(dial->owner, address) : NULL;
    if (why != NULL)
        note(dial, address, why);
    return why == NULL;
}

/* Linux lets a socket connect to itself when the port it dials is in the ephemeral range and nobody
 * listens: that is no answer. */
static bool connected_to_itself(int socket, uint16_t port)
{
    struct sockaddr_in6 near = {0}, far = {0}; /* IPv4 has its port at the same place */
    socklen_t near_length = sizeof near, far_length = sizeof far;
    if (getsockname(socket, (struct sockaddr *)&near, &near_length) != 0 ||
        ntohs(near.sin6_port) != port ||
        getpeername(socket, (struct sockaddr *)&far, &far_length) != 0)
        return false;
    return near_length == far_length && memcmp(&near, &far, near_length) == 0;
}

static int socket_error(int socket, uint16_t port)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        return errno;
    if (error == 0 && connected_to_itself(socket, port))
        return ECONNREFUSED;
    return error;
}

/* A target nearby has often answered before connect() is back: then the loop need not be asked. */
static bool answered_at_once(int socket, uint16_t port)
{
    struct pollfd look = {.fd = socket, .events = POLLOUT};
    return poll(&look, 1, 0) == 1 && look.revents == POLLOUT && !connected_to_itself(socket, port);
}

static void start_next(struct dial *dial);

static void succeed(struct dial *dial, int socket)
{
    end(dial);
    dial->handlers->on_connected(dial->owner, socket);
}

static void on_answer(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct attempt *attempt = poll->data;
    struct dial *dial = attempt->dial;
    int error = socket_error(attempt->socket, dial->to.port);
    if (error == 0 && status < 0) /* libuv says EBADF for any error of the socket's */
        error = -status;
    int socket = take_socket(attempt);
    if (error == 0) {
        succeed(dial, socket);
        return;
    }
    close(socket);
    note_attempt(dial, (unsigned)(attempt - dial->attempts), strerror(error));
    start_next(dial);
}

/* 0 with the socket, which connects now, or an errno. */
static int connect_to(const struct sockaddr_storage *address, int *out)
{
    socklen_t length =
        address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    if (connect(fd, (const struct sockaddr *)address, length) != 0 && errno != EINPROGRESS) {
        int error = errno;
        close(fd);
        return error;
    }
    *out = fd;
    return 0;
}

/* 0 when the attempt goes on, or the dial is over; else an errno. */
static int start_attempt(struct dial *dial, unsigned number)
{
    struct attempt *attempt = &dial->attempts[number];
    int fd = -1;
    int error = connect_to(&dial->addresses[number], &fd);
    if (error != 0)
        return error;
    if (answered_at_once(fd, dial->to.port)) {
        succeed(dial, fd);
        return 0;
    }
    error = -uv_poll_init(dial->loop, &attempt->poll, fd);
    if (error != 0) {
        close(fd);
        return error;
    }
    attempt->socket = fd;
    attempt->poll.data = attempt;
    dial->held++;
    dial->going++;
    error = -uv_poll_start(&attempt->poll, UV_WRITABLE, on_answer);
    if (error != 0)
        close(take_socket(attempt));
    return error;
}

static void on_stagger(uv_timer_t *timer)
{
    start_next(timer->data);
}

/* Starts attempts until one goes on; with none left and none going, the dial has failed. */
static void start_next(struct dial *dial)
{
    while (dial->started < dial->count) {
        unsigned number = dial->started++;
        int error = start_attempt(dial, number);
        if (error == 0 && dial->over)
            return;
        if (error == 0) {
            uv_timer_start(&dial->stagger, on_stagger, DIAL_STAGGER_MS, 0);
            return;
        }
        note_attempt(dial, number, strerror(error));
    }
    if (dial->going == 0)
        fail(dial);
}

static void on_deadline(uv_timer_t *timer)
{
    struct dial *dial = timer->data;
    char to[HOST_PORT_SIZE], within[32];
    host_port_format(dial->to.host, dial->to.port, to);
    text_format_duration_ms(dial->timeout_ms, within, sizeof within);
    snprintf(dial->reason, sizeof dial->reason, "%s %s: no answer within %s",
             dial->resolving ? "resolve" : "connect to", dial->resolving ? dial->to.host : to,
             within);
    fail(dial);
}

/* Copies the resolver's addresses, the families alternating, beginning with its first. */
static void take_addresses(struct dial *dial, const struct addrinfo *list)
{
    const struct addrinfo *next[2] = {list, list};
    int families[2] = {list->ai_family, list->ai_family == AF_INET6 ? AF_INET : AF_INET6};
    for (unsigned turn = 0; next[0] != NULL || next[1] != NULL; turn ^= 1) {
        const struct addrinfo *entry = next[turn];
        while (entry != NULL && entry->ai_family != families[turn])
            entry = entry->ai_next;
        next[turn] = entry != NULL ? entry->ai_next : NULL;
        if (entry == NULL || entry->ai_addrlen > sizeof dial->addresses[0])
            continue;
        if (dial->count == DIAL_ADDRESSES_MAX)
            return;
        if (may_be_dialled(dial, entry->ai_addr))
            memcpy(&dial->addresses[dial->count++], entry->ai_addr, entry->ai_addrlen);
    }
}

static void connect_phase(struct dial *dial)
{
    uv_timer_start(&dial->deadline, on_deadline, dial->timeout_ms, 0);
    if (dial->handlers->on_resolved != NULL)
        dial->handlers->on_resolved(dial->owner);
    if (!dial->over)
        start_next(dial);
}

static void on_addresses(uv_getaddrinfo_t *resolver, int status, struct addrinfo *list)
{
    struct dial *dial = resolver->data;
    bool over = dial->over;
    dial->resolving = false;
    if (!over && status == 0 && list != NULL)
        take_addresses(dial, list);
    if (list != NULL)
        uv_freeaddrinfo(list);
    if (!over && dial->count > 0) {
        connect_phase(dial);
    } else if (!over) {
        if (dial->reason[0] == '\0')
            snprintf(dial->reason, sizeof dial->reason, "resolve %s: %s", dial->to.host,
                     status != 0 ? uv_strerror(status) : "no address");
        fail(dial);
    }
    drop(dial);
}

static void on_literal(uv_timer_t *timer)
{
    struct dial *dial = timer->data;
    if (may_be_dialled(dial, (const struct sockaddr *)&dial->addresses[0]))
        connect_phase(dial);
    else
        fail(dial);
}

static int resolve(struct dial *dial, struct fault *fault)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char port[8];
    snprintf(port, sizeof port, "%u", dial->to.port);
    dial->resolver.data = dial;
    int rc = uv_getaddrinfo(dial->loop, &dial->resolver, on_addresses, dial->to.host, port, &hints);
    if (rc != 0)
        return fault_set(fault, "resolve %s: %s", dial->to.host, uv_strerror(rc));
    dial->resolving = true;
    dial->held++;
    uv_timer_start(&dial->deadline, on_deadline, dial->timeout_ms, 0);
    return 0;
}

static int begin(struct dial *dial, struct fault *fault)
{
    if (!address_is_literal(dial->to.host))
        return resolve(dial, fault);
    socklen_t length;
    if (address_from_literal(dial->to.host, dial->to.port, &dial->addresses[0], &length, fault) !=
        0)
        return -1;
    dial->count = 1;
    if (dial->handlers->at_once)
        on_literal(&dial->stagger);
    else
        uv_timer_start(&dial->stagger, on_literal, 0, 0);
    return 0;
}

int dial_start(uv_loop_t *loop, const struct host_port *to, uint64_t timeout_ms,
               const struct dial_handlers *handlers, void *owner, struct dial **out,
               struct fault *fault)
{
    struct dial *dial = calloc(1, sizeof *dial);
    if (dial == NULL)
        return fault_set(fault, "out of memory");
    dial->loop = loop;
    dial->to = *to;
    dial->timeout_ms = timeout_ms;
    dial->handlers = handlers;
    dial->owner = owner;
    for (unsigned i = 0; i < DIAL_ADDRESSES_MAX; i++)
        dial->attempts[i] = (struct attempt){.dial = dial, .socket = -1};
    uv_timer_init(loop, &dial->deadline);
    uv_timer_init(loop, &dial->stagger);
    dial->deadline.data = dial->stagger.data = dial;
    dial->held = 2;
    *out = dial;
    if (begin(dial, fault) == 0)
        return 0;
    *out = NULL;
    end(dial);
    return -1;
}

void dial_cancel(struct dial *dial)
{
    if (dial != NULL && !dial->over)
        end(dial);
}
