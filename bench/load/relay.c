/*
 * What relaying costs without a tunnel: bytes are read and written as they come, by one process
 * with one buffer.  No half-closed connections, no patience with errors: whichever end is over, so
 * is the other.
 *
 *   relay ADDRESS PORT TARGET-PORT      both ports at the same address
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_A_TURN 64

struct end {
    int socket; /* -1 once closed */
    struct end *other;
    uint32_t events;
    uint8_t *kept; /* what the socket did not take; meanwhile the other is not read */
    size_t kept_start, kept_end;
};

struct connection {
    struct end visitor, target;
    STAILQ_ENTRY(connection) next;
};

static uint8_t bytes[128 << 10];
static int set;
static struct sockaddr_in target;
/* Events for them may have been told already. */
static STAILQ_HEAD(, connection) gone = STAILQ_HEAD_INITIALIZER(gone);

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(struct end *end, uint32_t events, int how)
{
    struct epoll_event event = {.events = events, .data.ptr = end};

    end->events = events;
    if (epoll_ctl(set, how, end->socket, &event) < 0)
        die("watching");
}

static void finish(struct end *end)
{
    close(end->socket);
    close(end->other->socket);
    end->socket = end->other->socket = -1;
}

static void keep(struct end *end, const uint8_t *rest, size_t length)
{
    end->kept = malloc(length);
    if (!end->kept)
        die("memory");
    memcpy(end->kept, rest, length);
    end->kept_start = 0;
    end->kept_end = length;
    watch(end, end->events | EPOLLOUT, EPOLL_CTL_MOD);
    watch(end->other, end->other->events & ~(uint32_t)EPOLLIN, EPOLL_CTL_MOD);
}

/* What the kernel takes; -1: it is over. */
static ssize_t give(const struct end *end, const uint8_t *from, size_t length)
{
    ssize_t sent = send(end->socket, from, length, MSG_DONTWAIT | MSG_NOSIGNAL);

    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

static void pass(struct end *end)
{
    ssize_t got = recv(end->socket, bytes, sizeof bytes, MSG_DONTWAIT), sent;

    if (got < 0 && errno == EAGAIN)
        return;
    sent = got > 0 ? give(end->other, bytes, (size_t)got) : -1;
    if (sent < 0)
        finish(end);
    else if (sent < got)
        keep(end->other, bytes + sent, (size_t)(got - sent));
}

static void pass_kept(struct end *end)
{
    ssize_t sent = give(end, end->kept + end->kept_start, end->kept_end - end->kept_start);

    if (sent < 0) {
        finish(end);
        return;
    }
    end->kept_start += (size_t)sent;
    if (end->kept_start < end->kept_end)
        return;
    free(end->kept);
    end->kept = NULL;
    watch(end, end->events & ~(uint32_t)EPOLLOUT, EPOLL_CTL_MOD);
    watch(end->other, end->other->events | EPOLLIN, EPOLL_CTL_MOD);
}

static void begin(int visitor)
{
    struct connection *connection;
    int to = socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;

    if (connect(to, (struct sockaddr *)&target, sizeof target) < 0) { /* it is not there yet */
        close(to);
        close(visitor);
        return;
    }
    connection = calloc(1, sizeof *connection);
    if (!connection)
        die("memory");
    (void)setsockopt(visitor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection->visitor = (struct end){.socket = visitor, .other = &connection->target};
    connection->target = (struct end){.socket = to, .other = &connection->visitor};
    watch(&connection->visitor, EPOLLIN, EPOLL_CTL_ADD);
    watch(&connection->target, EPOLLIN, EPOLL_CTL_ADD);
}

static void attend(struct end *end, uint32_t events)
{
    struct connection *connection;

    if (end->socket < 0)
        return;
    if (events & (EPOLLERR | EPOLLHUP))
        finish(end);
    else if (events & EPOLLOUT)
        pass_kept(end);
    else if (end->events & EPOLLIN)
        pass(end);
    if (end->socket >= 0)
        return;
    connection = end->other < end ? (struct connection *)(void *)end->other
                                  : (struct connection *)(void *)end;
    STAILQ_INSERT_TAIL(&gone, connection, next);
}

static void forget_gone(void)
{
    struct connection *connection;

    while ((connection = STAILQ_FIRST(&gone))) {
        STAILQ_REMOVE_HEAD(&gone, next);
        free(connection->visitor.kept);
        free(connection->target.kept);
        free(connection);
    }
}

static void serve(int listener)
{
    struct epoll_event told[EVENTS_A_TURN], coming = {.events = EPOLLIN};

    set = epoll_create1(0);
    if (epoll_ctl(set, EPOLL_CTL_ADD, listener, &coming) < 0)
        die("watching");
    for (;;) {
        int count = epoll_wait(set, told, EVENTS_A_TURN, -1);
        for (int i = 0; i < count; i++) {
            if (told[i].data.ptr)
                attend(told[i].data.ptr, told[i].events);
            else
                begin(accept(listener, NULL, NULL));
        }
        forget_gone();
    }
}

/* A descriptor for each end. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int count, char **words)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    const int on = 1;
    int listener;

    if (count != 4 || inet_pton(AF_INET, words[1], &address.sin_addr) != 1) {
        fprintf(stderr, "usage: relay ADDRESS PORT TARGET-PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    raise_limit();
    target = address;
    target.sin_port = htons((uint16_t)atoi(words[3]));
    address.sin_port = htons((uint16_t)atoi(words[2]));
    listener = socket(AF_INET, SOCK_STREAM, 0);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, 1024) < 0)
        die("listening");
    serve(listener);
}
