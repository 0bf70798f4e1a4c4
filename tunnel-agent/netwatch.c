/*
 * The rtnetlink socket.  It asks for nothing and changes nothing; what the messages say in detail
 * does not matter, because the kernel is asked afterwards what is the case (netwatch_same_way).
 */
#define _GNU_SOURCE
#include "netwatch.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"

#define READ_BYTES   16384
#define READS_A_TURN 16

struct netwatch {
    uv_poll_t poll;
    uv_timer_t timer; /* runs: a change is to be reported */
    int socket;
    unsigned held; /* handles that libuv still knows */
    uint64_t not_before_ms;
    void (*on_changed)(void *owner);
    void *owner;
};

static void on_settled(uv_timer_t *timer)
{
    struct netwatch *netwatch = timer->data;
    netwatch->not_before_ms = clock_monotonic_ms() + NETWATCH_PAUSE_MS;
    netwatch->on_changed(netwatch->owner);
}

static void note_change(struct netwatch *netwatch)
{
    uint64_t now = clock_monotonic_ms(), delay = NETWATCH_SETTLE_MS;
    if (uv_is_active((uv_handle_t *)&netwatch->timer))
        return;
    if (netwatch->not_before_ms > now + delay)
        delay = netwatch->not_before_ms - now;
    uv_timer_start(&netwatch->timer, on_settled, delay, 0);
}

static bool is_change(const struct nlmsghdr *header)
{
    switch (header->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
    case RTM_NEWADDR:
    case RTM_DELADDR:
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        return true;
    default:
        return false;
    }
}

static bool holds_change(void *bytes, size_t length)
{
    unsigned left = (unsigned)length;
    for (struct nlmsghdr *header = bytes; NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
        if (is_change(header))
            return true;
    }
    return false;
}

static void on_messages(uv_poll_t *poll, int status, int events)
{
    struct netwatch *netwatch = poll->data;
    _Alignas(struct nlmsghdr) char bytes[READ_BYTES];
    (void)events;
    (void)status;
    for (int i = 0; i < READS_A_TURN; i++) {
        ssize_t got = recv(netwatch->socket, bytes, sizeof bytes, MSG_DONTWAIT);
        /* ENOBUFS: messages were lost, so there were some. */
        bool lost = got < 0 && errno == ENOBUFS;
        if (got < 0 && !lost)
            return;
        if (lost || holds_change(bytes, (size_t)got))
            note_change(netwatch);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct netwatch *netwatch = handle->data;
    if (--netwatch->held > 0)
        return;
    close(netwatch->socket);
    free(netwatch);
}

static int subscribe(struct fault *fault)
{
    const struct sockaddr_nl address = {
        .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
                     RTMGRP_IPV6_ROUTE,
    };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    (void)fault_set(fault, "changes of this machine's network cannot be watched: %s",
                    strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

int netwatch_open(uv_loop_t *loop, void (*on_changed)(void *owner), void *owner,
                  struct netwatch **out, struct fault *fault)
{
    struct netwatch *netwatch = calloc(1, sizeof *netwatch);
    if (netwatch == NULL)
        return fault_set(fault, "out of memory");
    netwatch->socket = subscribe(fault);
    if (netwatch->socket < 0) {
        free(netwatch);
        return -1;
    }
    int rc = uv_poll_init(loop, &netwatch->poll, netwatch->socket);
    if (rc != 0) {
        close(netwatch->socket);
        free(netwatch);
        return fault_set(fault, "changes of this machine's network cannot be watched: %s",
                         uv_strerror(rc));
    }
    netwatch->on_changed = on_changed;
    netwatch->owner = owner;
    uv_timer_init(loop, &netwatch->timer);
    netwatch->poll.data = netwatch->timer.data = netwatch;
    netwatch->held = 2;
    uv_poll_start(&netwatch->poll, UV_READABLE, on_messages);
    *out = netwatch;
    return 0;
}

void netwatch_close(struct netwatch *netwatch)
{
    if (netwatch == NULL)
        return;
    uv_close((uv_handle_t *)&netwatch->poll, on_handle_closed);
    uv_close((uv_handle_t *)&netwatch->timer, on_handle_closed);
}

/* --- the way of one connection ---------------------------------------------------------------- */

/* The address that a connection to `far` would start at now.  Nothing is sent for that. */
static bool starts_at(const struct sockaddr_storage *far, socklen_t length,
                      struct sockaddr_storage *near)
{
    socklen_t near_length = sizeof *near;
    int fd = socket(far->ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool known = connect(fd, (const struct sockaddr *)far, length) == 0 &&
                 getsockname(fd, (struct sockaddr *)near, &near_length) == 0;
    close(fd);
    return known;
}

bool netwatch_same_way(int socket)
{
    struct sockaddr_storage near = {0}, far = {0}, now = {0};
    socklen_t near_length = sizeof near, far_length = sizeof far;
    char before[HOST_SIZE], after[HOST_SIZE];
    if (getsockname(socket, (struct sockaddr *)&near, &near_length) != 0 ||
        getpeername(socket, (struct sockaddr *)&far, &far_length) != 0)
        return false;
    if (!starts_at(&far, far_length, &now))
        return false;
    (void)address_host((const struct sockaddr *)&near, before);
    (void)address_host((const struct sockaddr *)&now, after);
    return strcmp(before, after) == 0;
}
