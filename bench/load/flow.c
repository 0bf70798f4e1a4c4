/*
 * What is sent through a tunnel, to measure it: visitors, and the target at its other end.  Buffers
 * are the kernel's defaults, but for very many streams; what lies between both ends (nothing, a
 * long line, a tunnel) it does not know.  Each form prints one line of figures.
 *
 *   flow serve ADDRESS PORT                      the target; answers any number of visitors
 *
 *   flow down|up ADDRESS PORT SECONDS [STREAMS]  MiB a second: all, the slowest, the fastest
 * stream; MiB
 *
 *   flow ping ADDRESS PORT COUNT                 1-byte exchange, microseconds: p50, p99, longest
 *
 *   flow short ADDRESS PORT SECONDS [AT-ONCE]    connections a second with one exchange each
 *
 *   flow hold|stall ADDRESS PORT COUNT           connections that do nothing, or that ask for bytes
 *                                                and read none, until standard input ends
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STREAMS_MAX      4000
#define MIB              1048576.0
#define REPORT_S         0.1
#define REPORT_OF_MANY_S 0.5 /* a thousand times ten a second would be a load of its own */
#define PATIENCE_US      100000
#define MANY             500 /* streams that would fill the machine's memory for TCP */
#define SMALL_BYTES      (64 << 10)
#define OPEN_SECONDS     60

static uint8_t bytes[1 << 20];
static pthread_barrier_t together; /* of very many streams */
static double begun;

struct visit {
    pthread_t thread;
    int socket;
    bool together; /* with all the others */
    double seconds, rate, mib;
    char **where; /* short ones only */
};

/* Of what came to the target. */
struct report {
    uint64_t bytes;
    double seconds; /* since the first of them */
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

static void set_patience(int socket)
{
    const struct timeval soon = {.tv_usec = PATIENCE_US};

    (void)setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
    (void)setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon);
}

static void set_small(int socket)
{
    const int small = SMALL_BYTES;

    (void)setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    (void)setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
}

/* False: there will be no more. */
static bool goes_on(ssize_t moved)
{
    return moved > 0 || (moved < 0 && errno == EAGAIN);
}

/* --- the target --- */

/* Tells the visitor now and then what has come, so that nobody has to wait for what is still
 * under way. */
static void drain(int socket, double report_s)
{
    struct report report = {0};
    uint8_t *room = malloc(sizeof bytes);
    double start = now(), told = start;
    ssize_t got = 0;

    set_patience(socket);
    while (room && goes_on(got = recv(socket, room, sizeof bytes, 0))) {
        report.bytes += got > 0 ? (uint64_t)got : 0;
        report.seconds = now() - start;
        if (start + report.seconds - told < report_s)
            continue;
        told = start + report.seconds;
        if (send(socket, &report, sizeof report, MSG_NOSIGNAL) < 0)
            break;
    }
    free(room);
}

/* One of very many: says that it is there, and waits until all are. */
static bool is_let_go(int socket)
{
    char byte = 0;

    set_small(socket);
    return send(socket, &byte, 1, MSG_NOSIGNAL) == 1 && recv(socket, &byte, 1, 0) == 1;
}

static void *answer(void *argument)
{
    int socket = (int)(intptr_t)argument;
    char what;

    if (recv(socket, &what, 1, 0) == 1 && (islower(what) || is_let_go(socket))) {
        if (what == 'd' || what == 'D') {
            while (send(socket, bytes, sizeof bytes, MSG_NOSIGNAL) > 0)
                ;
        } else if (what == 'u' || what == 'U') {
            drain(socket, what == 'u' ? REPORT_S : REPORT_OF_MANY_S);
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

/* To open very many and to start their threads takes longer than to measure them: the first would
 * have the machine for themselves.  One clock for all, as they share two cores. */
static double begin(const struct visit *self)
{
    if (!self->together)
        return now();
    (void)pthread_barrier_wait(&together);
    (void)pthread_barrier_wait(&together);
    if (send(self->socket, "g", 1, MSG_NOSIGNAL) != 1)
        die("sending");
    return begun;
}

static void *receive(void *argument)
{
    struct visit *self = argument;
    uint8_t *room = malloc(sizeof bytes);
    double start = begin(self), end = start + self->seconds;
    uint64_t total = 0;
    ssize_t got;

    while (room && now() < end && goes_on(got = recv(self->socket, room, sizeof bytes, 0)))
        total += got > 0 ? (uint64_t)got : 0;
    self->mib = (double)total / MIB;
    self->rate = self->mib / (now() - start);
    free(room);
    close(self->socket);
    return NULL;
}

/* By the target's last report; then without a goodbye, as what is under way would take its time. */
static void *feed(void *argument)
{
    const struct linger none = {.l_onoff = 1};
    struct visit *self = argument;
    struct report report, last = {0};
    double end = begin(self) + self->seconds;

    while (now() < end && goes_on(send(self->socket, bytes, sizeof bytes / 8, MSG_NOSIGNAL)))
        ;
    while (recv(self->socket, &report, sizeof report, MSG_DONTWAIT) == sizeof report)
        last = report;
    self->mib = (double)last.bytes / MIB;
    self->rate = last.seconds > 0 ? self->mib / last.seconds : 0;
    (void)setsockopt(self->socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(self->socket);
    return NULL;
}

static void exchange(int connection)
{
    char byte;

    if (recv(connection, &byte, 1, 0) != 1)
        die("the first exchange");
}

/* And what those before them have left under way takes its time. */
static void await_targets(struct visit *visits, int streams)
{
    const struct timeval long_enough = {.tv_sec = OPEN_SECONDS};

    if (pthread_barrier_init(&together, NULL, (unsigned)streams + 1) != 0)
        die("a barrier");
    for (int i = 0; i < streams; i++) {
        set_small(visits[i].socket);
        (void)setsockopt(visits[i].socket, SOL_SOCKET, SO_RCVTIMEO, &long_enough,
                         sizeof long_enough);
        exchange(visits[i].socket);
        visits[i].together = true;
    }
}

static void let_go(void)
{
    (void)pthread_barrier_wait(&together);
    begun = now();
    (void)pthread_barrier_wait(&together);
}

static int throughput(char **words, char what, double seconds, int streams)
{
    static struct visit visits[STREAMS_MAX];
    double sum = 0, slowest = 1e12, fastest = 0, mib = 0;

    for (int i = 0; i < streams; i++) {
        visits[i].socket = visit(words, (char)(streams < MANY ? what : toupper(what)));
        visits[i].seconds = seconds;
    }
    if (streams >= MANY)
        await_targets(visits, streams);
    for (int i = 0; i < streams; i++)
        set_patience(visits[i].socket);
    for (int i = 0; i < streams; i++) {
        if (pthread_create(&visits[i].thread, NULL, what == 'd' ? receive : feed, &visits[i]) != 0)
            die("a thread");
    }
    if (streams >= MANY)
        let_go();
    for (int i = 0; i < streams; i++) {
        pthread_join(visits[i].thread, NULL);
        sum += visits[i].rate;
        mib += visits[i].mib;
        slowest = visits[i].rate < slowest ? visits[i].rate : slowest;
        fastest = visits[i].rate > fastest ? visits[i].rate : fastest;
    }
    printf("%.2f %.2f %.2f %.2f\n", sum, slowest, fastest, mib);
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

/* --- short connections --- */

static void *come_and_go(void *argument)
{
    struct visit *self = argument;
    double start = now(), end = start + self->seconds;
    uint64_t total = 0;

    while (now() < end) {
        int connection = visit(self->where, 'p');
        exchange(connection);
        close(connection);
        total++;
    }
    self->rate = (double)total / (now() - start);
    return NULL;
}

static int come_often(char **words, double seconds, int at_once)
{
    static struct visit visits[STREAMS_MAX];
    double sum = 0;

    for (int i = 0; i < at_once; i++) {
        visits[i] = (struct visit){.seconds = seconds, .where = words};
        if (pthread_create(&visits[i].thread, NULL, come_and_go, &visits[i]) != 0)
            die("a thread");
    }
    for (int i = 0; i < at_once; i++) {
        pthread_join(visits[i].thread, NULL);
        sum += visits[i].rate;
    }
    printf("%.2f\n", sum);
    return 0;
}

/* --- those who are only there --- */

static int stay(char **words, char what, int count)
{
    char byte;

    for (int i = 0; i < count; i++) {
        int connection = visit(words, what);
        if (what == 'p')
            exchange(connection);
    }
    printf("%d\n", count);
    fflush(stdout);
    return read(STDIN_FILENO, &byte, 1) < 0;
}

/* A descriptor for each connection. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int wrong_usage(void)
{
    fprintf(stderr, "usage: flow serve ADDRESS PORT\n"
                    "       flow down|up ADDRESS PORT SECONDS [STREAMS]\n"
                    "       flow ping ADDRESS PORT COUNT\n"
                    "       flow short ADDRESS PORT SECONDS [AT-ONCE]\n"
                    "       flow hold|stall ADDRESS PORT COUNT\n");
    return 2;
}

int main(int count, char **words)
{
    int at_once = count > 5 ? atoi(words[5]) : 1;
    double amount = count > 4 ? atof(words[4]) : 0;
    const char *what = count > 1 ? words[1] : "";

    signal(SIGPIPE, SIG_IGN);
    raise_limit();
    if (count == 4 && strcmp(what, "serve") == 0)
        return serve(words + 2);
    if (count < 5 || at_once < 1 || at_once > STREAMS_MAX || amount <= 0)
        return wrong_usage();
    if (strcmp(what, "down") == 0 || strcmp(what, "up") == 0)
        return throughput(words + 2, what[0], amount, at_once);
    if (strcmp(what, "ping") == 0)
        return ping(words + 2, (size_t)amount);
    if (strcmp(what, "short") == 0)
        return come_often(words + 2, amount, at_once);
    if (strcmp(what, "hold") == 0 || strcmp(what, "stall") == 0)
        return stay(words + 2, what[0] == 'h' ? 'p' : 'd', (int)amount);
    return wrong_usage();
}
