/* What the kernel's counters tell of a visitor's socket. */
#define _GNU_SOURCE
#include "parent/untouched.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "suite.h"

static int visitor, ours;

static void setup(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    visitor = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    ck_assert_int_eq(connect(visitor, (struct sockaddr *)&address, length), 0);
    ours = accept(listener, NULL, NULL);
    ck_assert_int_ge(ours, 0);
    close(listener);
}

static void teardown(void)
{
    close(visitor);
    close(ours);
}

static void await(short events)
{
    struct pollfd poller = {.fd = ours, .events = events};

    ck_assert_int_eq(poll(&poller, 1, 5000), 1);
}

START_TEST(waiting_bytes_are_no_touch)
{
    ck_assert(tcp_is_untouched(ours));
    ck_assert_int_eq(send(visitor, "hello", 5, 0), 5);
    await(POLLIN);
    ck_assert(tcp_is_untouched(ours));
    ck_assert_int_eq(shutdown(visitor, SHUT_WR), 0);
    await(POLLRDHUP);
    ck_assert(tcp_is_untouched(ours));
}
END_TEST

START_TEST(an_end_without_bytes_is_none_either)
{
    ck_assert_int_eq(shutdown(visitor, SHUT_WR), 0);
    await(POLLRDHUP);
    ck_assert(tcp_is_untouched(ours));
}
END_TEST

START_TEST(reading_is)
{
    char byte;

    ck_assert_int_eq(send(visitor, "hello", 5, 0), 5);
    await(POLLIN);
    ck_assert_int_eq(recv(ours, &byte, 1, 0), 1);
    ck_assert(!tcp_is_untouched(ours));
    ck_assert_int_eq(shutdown(visitor, SHUT_WR), 0);
    await(POLLRDHUP);
    ck_assert(!tcp_is_untouched(ours));
}
END_TEST

START_TEST(writing_is)
{
    ck_assert_int_eq(send(ours, "a", 1, 0), 1);
    ck_assert(!tcp_is_untouched(ours));
}
END_TEST

START_TEST(shutting_is)
{
    ck_assert_int_eq(shutdown(ours, SHUT_WR), 0);
    ck_assert(!tcp_is_untouched(ours));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("untouched");
    TCase *group = tcase_create("untouched");

    tcase_add_checked_fixture(group, setup, teardown);
    tcase_add_test(group, waiting_bytes_are_no_touch);
    tcase_add_test(group, an_end_without_bytes_is_none_either);
    tcase_add_test(group, reading_is);
    tcase_add_test(group, writing_is);
    tcase_add_test(group, shutting_is);
    suite_add_tcase(suite, group);
    return suite_run(suite);
}
