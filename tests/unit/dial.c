/* Dialling: literals, names, refusals, time limits, cancelling. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/dial.h"
#include "suite.h"

static uv_loop_t loop;
static struct dial *dial;
static struct fault fault;
static int connected, failures, resolved, listener;
static char reason[1024];

static void on_resolved(void *owner)
{
    ck_assert_ptr_eq(owner, &loop);
    resolved++;
}

static void on_connected(void *owner, int socket)
{
    ck_assert_ptr_eq(owner, &loop);
    connected++;
    close(socket);
}

static void on_failed(void *owner, const char *why)
{
    ck_assert_ptr_eq(owner, &loop);
    failures++;
    strncpy(reason, why, sizeof reason - 1);
}

static const struct dial_handlers HANDLERS = {on_resolved, on_connected, on_failed, NULL};

/* Of the addresses that a name has, and how often it was asked for them. */
static int lookups, judged;
static const char *rebound; /* what the name resolves to the second time */

int __real_uv_getaddrinfo(uv_loop_t *of, uv_getaddrinfo_t *request, uv_getaddrinfo_cb done,
                          const char *node, const char *service, const struct addrinfo *hints);
int __wrap_uv_getaddrinfo(uv_loop_t *of, uv_getaddrinfo_t *request, uv_getaddrinfo_cb done,
                          const char *node, const char *service, const struct addrinfo *hints);

int __wrap_uv_getaddrinfo(uv_loop_t *of, uv_getaddrinfo_t *request, uv_getaddrinfo_cb done,
                          const char *node, const char *service, const struct addrinfo *hints)
{
    if (lookups++ > 0 && rebound != NULL)
        node = rebound;
    return __real_uv_getaddrinfo(of, request, done, node, service, hints);
}

static int watched; /* sockets that the loop was asked about */

int __real_uv_poll_init(uv_loop_t *of, uv_poll_t *poll, int fd);
int __wrap_uv_poll_init(uv_loop_t *of, uv_poll_t *poll, int fd);

int __wrap_uv_poll_init(uv_loop_t *of, uv_poll_t *poll, int fd)
{
    watched++;
    return __real_uv_poll_init(of, poll, fd);
}

static const char *judge_no_v6(void *owner, const struct sockaddr *address)
{
    ck_assert_ptr_eq(owner, &loop);
    judged++;
    return address->sa_family == AF_INET6 ? "not this one" : NULL;
}

static const char *judge_none(void *owner, const struct sockaddr *address)
{
    (void)address;
    ck_assert_ptr_eq(owner, &loop);
    judged++;
    return "none of them";
}

static const struct dial_handlers NO_V6 = {on_resolved, on_connected, on_failed, judge_no_v6};
static const struct dial_handlers NONE = {on_resolved, on_connected, on_failed, judge_none};

static void setup(void)
{
    connected = failures = resolved = lookups = judged = 0;
    rebound = NULL;
    listener = -1;
    uv_loop_init(&loop);
}

static void teardown(void)
{
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    if (listener >= 0)
        close(listener);
}

/* A port on 127.0.0.1, listening or (as good as) closed. */
static uint16_t port_on_loopback(bool listening, int backlog)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    if (listening)
        ck_assert_int_eq(listen(listener, backlog), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    return ntohs(address.sin_port);
}

static void start_judged(const char *host, uint16_t port, uint64_t timeout_ms,
                         const struct dial_handlers *handlers)
{
    struct host_port to = {.port = port};
    snprintf(to.host, sizeof to.host, "%s", host);
    ck_assert_int_eq(dial_start(&loop, &to, timeout_ms, handlers, &loop, &dial, &fault), 0);
    ck_assert_int_eq(connected + failures + resolved, 0);
}

static void start(const char *host, uint16_t port, uint64_t timeout_ms)
{
    start_judged(host, port, timeout_ms, &HANDLERS);
}

START_TEST(connects_to_a_literal)
{
    start("127.0.0.1", port_on_loopback(true, 8), 5000);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(connected, 1);
    ck_assert_int_eq(resolved, 1);
    ck_assert_int_eq(failures, 0);
}
END_TEST

/* A nearby target: connect() has its answer when it is back. */
START_TEST(asks_the_loop_about_no_answer_that_is_there)
{
    watched = 0;
    start("127.0.0.1", port_on_loopback(true, 8), 5000);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(connected, 1);
    ck_assert_int_eq(watched, 0);
}
END_TEST

START_TEST(connects_to_a_name)
{
    start("localhost", port_on_loopback(true, 8), 5000);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(connected, 1);
    ck_assert_int_eq(failures, 0);
}
END_TEST

START_TEST(says_who_refused)
{
    start("127.0.0.1", port_on_loopback(false, 0), 5000);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(failures, 1);
    ck_assert_int_eq(strncmp(reason, "connect to 127.0.0.1:", 21), 0);
    ck_assert_ptr_nonnull(strstr(reason, "Connection refused"));
}
END_TEST

START_TEST(says_what_does_not_resolve)
{
    start("no-such-host.invalid", 80, 60000);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(failures, 1);
    ck_assert_int_eq(resolved, 0);
    ck_assert_int_eq(strncmp(reason, "resolve no-such-host.invalid: ", 30), 0);
}
END_TEST

START_TEST(gives_up_in_time)
{
    uint16_t port = port_on_loopback(true, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fillers[4];
    /* A full queue of unaccepted connections: the kernel drops further attempts. */
    for (size_t i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    start("127.0.0.1", port, 300);
    uv_run(&loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < 4; i++)
        close(fillers[i]);
    ck_assert_int_eq(failures, 1);
    ck_assert_ptr_nonnull(strstr(reason, "no answer within 300ms"));
}
END_TEST

START_TEST(cancelled_ones_are_silent)
{
    start("127.0.0.1", port_on_loopback(true, 8), 5000);
    dial_cancel(dial);
    start("localhost", 9, 5000);
    dial_cancel(dial);
    dial_cancel(NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(connected + failures + resolved, 0);
}
END_TEST

START_TEST(dials_the_address_that_was_judged)
{
    rebound = "::1";
    start_judged("localhost", port_on_loopback(true, 8), 5000, &NO_V6);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(connected, 1);
    ck_assert_int_eq(lookups, 1);
    ck_assert_int_ge(judged, 1);
}
END_TEST

START_TEST(dials_nothing_that_the_judge_refuses)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1"};
    start_judged(hosts[_i], port_on_loopback(true, 8), 5000, &NONE);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(failures, 1);
    ck_assert_int_eq(connected + resolved, 0);
    ck_assert_int_ge(judged, 1);
    ck_assert_ptr_nonnull(strstr(reason, "none of them"));
    ck_assert_int_eq(accept4(listener, NULL, NULL, SOCK_NONBLOCK), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dial");
    TCase *tests = tcase_create("dial");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, connects_to_a_literal);
    tcase_add_test(tests, asks_the_loop_about_no_answer_that_is_there);
    tcase_add_test(tests, connects_to_a_name);
    tcase_add_test(tests, says_who_refused);
    tcase_add_test(tests, says_what_does_not_resolve);
    tcase_add_test(tests, gives_up_in_time);
    tcase_add_test(tests, cancelled_ones_are_silent);
    tcase_add_test(tests, dials_the_address_that_was_judged);
    tcase_add_loop_test(tests, dials_nothing_that_the_judge_refuses, 0, 2);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
