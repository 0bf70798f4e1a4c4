/*
 * What is sent over a line, to measure it: one TCP connection that carries bytes one way as fast as
 * it can, or one byte to and fro.  It sets no socket option that a program with the kernel's
 * defaults would not set; what lies between both ends (nothing, or a tunnel) it does not know.
 *
 *   flow serve ADDRESS PORT                      the target; answers any number of visitors
 *   flow down|up ADDRESS PORT SECONDS [STREAMS]  MiB a second: of all, of the slowest, of the
 * fastest flow ping ADDRESS PORT COUNT                 microseconds of an exchange: p50, p99, the
 * longest
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STREAMS_MAX 1000
#define MIB         1048576.0

static uint8_t bytes[1 << 20];

struct visit {
    pthread_t thread;
    int socket;
    double seconds, rate;
};

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_in address_of(char **words)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(words[1]))};

    if (inet_pton(AF_INET, words[0], &address.sin_addr) != 1)
        die(words[0]);
    return address;
}

/* --- the target --- */

static uint64_t drain(int socket)
{
    uint64_t total = 0;
    uint8_t *room = malloc(sizeof bytes);
    ssize_t got;

    while (room && (got = recv(socket, room, sizeof bytes, 0)) > 0)
        total += (uint64_t)got;
    free(room);
    return total;
}

static void *answer(void *argument)
{
    int socket = (int)(intptr_t)argument;
    uint64_t total;
    char what;

    if (recv(socket, &what, 1, 0) == 1) {
        if (what == 'd') {
            while (send(socket, bytes, sizeof bytes, MSG_NOSIGNAL) > 0)
                ;
        } else if (what == 'u') {
            total = drain(socket);
            (void)!send(socket, &total, sizeof total, MSG_NOSIGNAL);
        } else {
            while (send(socket, &what, 1, MSG_NOSIGNAL) == 1 && recv(socket, &what, 1, 0) == 1)
                ;
        }
    }
    close(socket);
    return NULL;
}

static int serve(char **words)
{
    struct sockaddr_in address = address_of(words);
    const int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0), socket;
    pthread_t thread;

    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, 1024) < 0)
        die("listening");
    while ((socket = accept(listener, NULL, NULL)) >= 0) {
        (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (pthread_create(&thread, NULL, answer, (void *)(intptr_t)socket) != 0)
            die("a thread");
        pthread_detach(thread);
    }
    die("accepting");
    return 1;
}

/* --- the visitor --- */

static int visit(char **words, char what)
{
    struct sockaddr_in address = address_of(words);
    const int on = 1;
    int connection = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(connection, (struct sockaddr *)&address, sizeof address) < 0)
        die("connecting");
    (void)setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (send(connection, &what, 1, MSG_NOSIGNAL) != 1)
        die("sending");
    return connection;
}

static void *receive(void *argument)
{
    struct visit *self = argument;
    uint8_t *room = malloc(sizeof bytes);
    double start = now(), end = start + self->seconds;
    uint64_t total = 0;
    ssize_t got;

    while (room && now() < end && (got = recv(self->socket, room, sizeof bytes, 0)) > 0)
        total += (uint64_t)got;
    self->rate = (double)total / MIB / (now() - start);
    free(room);
    close(self->socket);
    return NULL;
}

/* Until the target has told how much of it came. */
static void *feed(void *argument)
{
    struct visit *self = argument;
    double start = now(), end = start + self->seconds;
    uint64_t total = 0;

    while (now() < end && send(self->socket, bytes, sizeof bytes / 8, MSG_NOSIGNAL) > 0)
        ;
    shutdown(self->socket, SHUT_WR);
    if (recv(self->socket, &total, sizeof total, MSG_WAITALL) != sizeof total)
        die("no answer from the target");
    self->rate = (double)total / MIB / (now() - start);
    close(self->socket);
    return NULL;
}

static int throughput(char **words, char what, double seconds, int streams)
{
    static struct visit visits[STREAMS_MAX];
    double sum = 0, slowest = 1e12, fastest = 0;

    for (int i = 0; i < streams; i++) {
        visits[i].socket = visit(words, what);
        visits[i].seconds = seconds;
    }
    for (int i = 0; i < streams; i++) {
        if (pthread_create(&visits[i].thread, NULL, what == 'd' ? receive : feed, &visits[i]) != 0)
            die("a thread");
    }
    for (int i = 0; i < streams; i++) {
        pthread_join(visits[i].thread, NULL);
        sum += visits[i].rate;
        slowest = visits[i].rate < slowest ? visits[i].rate : slowest;
        fastest = visits[i].rate > fastest ? visits[i].rate : fastest;
    }
    printf("%.2f %.2f %.2f\n", sum, slowest, fastest);
    return 0;
}

static int ascending(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;

    return (a > b) - (a < b);
}

static int ping(char **words, size_t count)
{
    int socket = visit(words, 'p');
    double *times = calloc(count, sizeof *times), start;
    char byte;

    if (!times || recv(socket, &byte, 1, 0) != 1)
        die("the first exchange");
    for (size_t i = 0; i < count; i++) {
        start = now();
        if (send(socket, &byte, 1, MSG_NOSIGNAL) != 1 || recv(socket, &byte, 1, 0) != 1)
            die("an exchange");
        times[i] = (now() - start) * 1e6;
    }
    qsort(times, count, sizeof *times, ascending);
    printf("%.0f %.0f %.0f\n", times[count / 2], times[count * 99 / 100], times[count - 1]);
    free(times);
    close(socket);
    return 0;
}

int main(int count, char **words)
{
    int streams = count > 5 ? atoi(words[5]) : 1;

    signal(SIGPIPE, SIG_IGN);
    if (count == 4 && strcmp(words[1], "serve") == 0)
        return serve(words + 2);
    if (count < 5 || streams < 1 || streams > STREAMS_MAX || atof(words[4]) <= 0) {
        fprintf(stderr, "usage: flow serve ADDRESS PORT\n"
                        "       flow down|up ADDRESS PORT SECONDS [STREAMS]\n"
                        "       flow ping ADDRESS PORT COUNT\n");
        return 2;
    }
    if (strcmp(words[1], "ping") == 0)
        return ping(words + 2, (size_t)atoi(words[4]));
    return throughput(words + 2, words[1][0], atof(words[4]), streams);
}
