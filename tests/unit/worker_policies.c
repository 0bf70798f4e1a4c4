/* What a worker does to the connections of a forward with a policy.  See worker_rig.h. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "suite.h"
#include "worker_rig.h"

#define PORT 8443

static struct rig rig;
static int listener;
static pid_t ssh;

static int listen_target(int backlog, int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    ck_assert_int_eq(bind(made, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(made, backlog), 0);
    ck_assert_int_eq(getsockname(made, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return made;
}

/* Stock ssh publishes a port that leads to our listener. */
static void setup_with(int backlog, int *port)
{
    rig_open(&rig, NULL);
    listener = listen_target(backlog, port);
    ssh = rig_ssh(&rig, "-N -R %d:127.0.0.1:%d hannover@127.0.0.1", PORT, *port);
    rig_wait(&rig, MESSAGE_PUBLISH);
}

static void setup(void)
{
    int port;
    setup_with(16, &port);
}

static void teardown(void)
{
    close(listener);
    kill(ssh, SIGTERM);
    rig_wait_exit(&rig, ssh);
    rig_close(&rig);
}

static void say_policy(uint64_t rate_in, uint64_t rate_out, uint64_t idle_ms)
{
    struct message message;

    message_init(&message, MESSAGE_POLICY);
    message.sid = rig.last_sid;
    message.port = PORT;
    message.rate_in = rate_in;
    message.rate_out = rate_out;
    message.timeout_ms = idle_ms;
    pipe_send(rig.pipe, &message);
}

/* The visitor's end. */
static int connect_visitor(uint64_t cid, uint64_t timeout_ms, const char *header)
{
    struct message message;
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    message_init(&message, MESSAGE_CONNECT);
    message.cid = cid;
    message.sid = rig.last_sid;
    message.port = PORT;
    strcpy(message.address, "localhost");
    strcpy(message.peer, "192.0.2.1:50122");
    message.timeout_ms = timeout_ms;
    message.data = (const uint8_t *)header;
    message.data_length = strlen(header);
    message.descriptor = ends[1];
    pipe_send(rig.pipe, &message);
    close(ends[1]);
    return ends[0];
}

static int accept_target(void)
{
    int target;

    ck_assert_uint_eq(rig_wait(&rig, MESSAGE_OPENED)->code, VERDICT_GRANTED);
    while ((target = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
        rig_run(&rig, 1);
    return target;
}

/* What arrives within so long, or until so much has. */
static size_t receive(int socket, uint64_t within_ms, size_t enough)
{
    static char data[65536];
    uint64_t end = clock_monotonic_ms() + within_ms;
    size_t total = 0;

    while (clock_monotonic_ms() < end && total < enough) {
        ssize_t got = recv(socket, data, sizeof data, MSG_DONTWAIT);
        if (got > 0)
            total += (size_t)got;
        else if (got == 0 || errno != EAGAIN)
            break;
        else
            rig_run(&rig, 1);
    }
    return total;
}

START_TEST(a_header_goes_before_the_visitors_bytes)
{
    char text[32] = "";
    int visitor = connect_visitor(1, 30000, "HEADER"), target = accept_target();

    while (recv(target, text, sizeof text - 1, MSG_PEEK) < 6)
        rig_run(&rig, 1);
    ck_assert_str_eq(text, "HEADER"); /* although the visitor has said nothing */
    ck_assert_int_eq(send(visitor, "word", 4, 0), 4);
    while (recv(target, text, sizeof text - 1, MSG_PEEK) < 10)
        rig_run(&rig, 1);
    ck_assert_str_eq(text, "HEADERword");
    close(visitor);
    close(target);
    ck_assert_uint_eq(rig_wait(&rig, MESSAGE_CLOSED)->bytes_in, 4);
}
END_TEST

START_TEST(a_silent_connection_ends)
{
    say_policy(0, 0, 2000);
    int silent = connect_visitor(1, 30000, ""), silent_target = accept_target();
    int talking = connect_visitor(2, 30000, ""), target = accept_target();
    uint64_t begin = clock_monotonic_ms();

    while (!rig_has(&rig, MESSAGE_CLOSED)) {
        ck_assert_uint_lt(clock_monotonic_ms() - begin, 8000);
        ck_assert_int_eq(send(target, "x", 1, 0), 1);
        rig_run(&rig, 300);
    }
    struct heard *closed = rig_wait(&rig, MESSAGE_CLOSED);
    ck_assert_uint_eq(closed->cid, 1);
    ck_assert_str_eq(closed->text, "idle for 2 s");
    ck_assert_uint_ge(clock_monotonic_ms() - begin, 1900);
    ck_assert_uint_eq(receive(silent, 1000, 1), 0);
    say_policy(0, 0, 0); /* and from now on for ever */
    rig_run(&rig, 3500);
    ck_assert(!rig_has(&rig, MESSAGE_CLOSED));
    say_policy(0, 0, 1000); /* also those that are there */
    ck_assert_str_eq(rig_wait(&rig, MESSAGE_CLOSED)->text, "idle for 1 s");
    close(silent);
    close(silent_target);
    close(talking);
    close(target);
}
END_TEST

#define MEGABYTE 1000000

START_TEST(connections_share_a_bucket_that_changes_live)
{
    static char data[MEGABYTE];

    say_policy(0, 200000, 0);
    int one = connect_visitor(1, 30000, ""), one_target = accept_target();
    int two = connect_visitor(2, 30000, ""), two_target = accept_target();
    ck_assert_int_gt(send(one_target, data, sizeof data, MSG_DONTWAIT), MEGABYTE / 2);
    ck_assert_int_gt(send(two_target, data, sizeof data, MSG_DONTWAIT), MEGABYTE / 2);
    size_t got = receive(one, 1000, MEGABYTE) + receive(two, 1000, MEGABYTE);
    /* Of two seconds; some lies in the kernel's buffers. */
    ck_assert_uint_gt(got, 150000);
    ck_assert_uint_lt(got, 500000);
    say_policy(0, 0, 0);
    got = receive(one, 5000, MEGABYTE / 2 - 300000);
    ck_assert_uint_eq(got >= MEGABYTE / 2 - 300000, 1);
    close(one);
    close(two);
    close(one_target);
    close(two_target);
}
END_TEST

START_TEST(a_target_that_does_not_answer_is_given_up)
{
    int port, fillers[3], visitor;
    uint64_t begin;

    setup_with(0, &port);
    for (int i = 0; i < 3; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    begin = clock_monotonic_ms();
    visitor = connect_visitor(1, 1000, "");
    struct heard *opened = rig_wait(&rig, MESSAGE_OPENED);
    ck_assert_uint_eq(opened->code, VERDICT_REFUSED);
    ck_assert_str_eq(opened->text, "the site did not answer in time");
    ck_assert_uint_ge(clock_monotonic_ms() - begin, 1000);
    ck_assert_uint_lt(clock_monotonic_ms() - begin, 4000);
    close(visitor);
    for (int i = 0; i < 3; i++)
        close(fillers[i]);
    teardown();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_policies");
    TCase *cases = tcase_create("policies"), *slow = tcase_create("deadline");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 30);
    tcase_add_test(cases, a_header_goes_before_the_visitors_bytes);
    tcase_add_test(cases, a_silent_connection_ends);
    tcase_add_test(cases, connections_share_a_bucket_that_changes_live);
    suite_add_tcase(suite, cases);
    tcase_set_timeout(slow, 30);
    tcase_add_test(slow, a_target_that_does_not_answer_is_given_up);
    suite_add_tcase(suite, slow);
    return suite_run(suite);
}
