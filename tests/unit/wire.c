/* What libssh gets from its socket's calls: a wire's answers, without a loop in between. */
#define _GNU_SOURCE
#include "ssh/wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ssh/stream_internal.h"
#include "ssh_pair.h"
#include "suite.h"

#define MANY_PACKETS 10000

static struct ssh_pair pair;
static struct wire *wire;
static int number; /* libssh's */
static int far;    /* the site's end, without its wire */

static void setup(void)
{
    memset(&pair, 0, sizeof pair);
    ssh_pair_open(&pair);
    ck_assert_ptr_null(pair.hub.transport->wire);
    ssh_pair_tunnels(&pair, 1, false);
    wire = pair.hub.transport->wire;
    ck_assert_ptr_nonnull(wire);
    number = ssh_get_fd(pair.hub.session);
    far = pair.site.transport->descriptor;
    pair.hub.transport->in_turn = true; /* between turns nothing is gathered */
}

static void teardown(void)
{
    pair.hub.transport->in_turn = false;
    ssh_pair_close(&pair);
}

static short asked(short events)
{
    struct pollfd question = {.fd = number, .events = events};

    ck_assert_int_eq(poll(&question, 1, 0), question.revents != 0);
    return question.revents;
}

/* As on a socket, and as the loop would say. */
static void arrive(size_t bytes)
{
    static uint8_t zeroes[65536];
    struct pollfd real = {.fd = pair.hub.transport->descriptor, .events = POLLIN};

    ck_assert_int_eq(sendto(far, zeroes, bytes, 0, NULL, 0), (ssize_t)bytes);
    ck_assert_int_eq(poll(&real, 1, 5000), 1);
}

START_TEST(one_read_feeds_many)
{
    uint8_t bytes[4096];

    wire_note(wire, true, false);
    ck_assert_int_eq(asked(POLLIN), 0);
    arrive(10000);
    ck_assert_int_eq(asked(POLLIN), 0); /* the loop has not said so */
    wire_note(wire, true, false);
    ck_assert_int_eq(asked(POLLIN), POLLIN);
    ck_assert_uint_eq(wire_held(wire), 10000);
    ck_assert_int_eq(recv(number, bytes, sizeof bytes, 0), 4096);
    ck_assert_uint_eq(wire_held(wire), 10000 - 4096);
    ck_assert_int_eq(recv(number, bytes, sizeof bytes, 0), 4096);
    ck_assert_int_eq(asked(POLLIN), POLLIN);
    ck_assert_int_eq(recv(number, bytes, sizeof bytes, 0), 10000 - 8192);
    ck_assert_uint_eq(wire_held(wire), 0);
    ck_assert_int_eq(asked(POLLIN), 0);
    ck_assert_int_eq(recv(number, bytes, sizeof bytes, 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(the_end_comes_after_the_bytes)
{
    uint8_t bytes[4096];

    arrive(3);
    ck_assert_int_eq(shutdown(far, SHUT_WR), 0);
    wire_note(wire, true, false);
    ck_assert_int_eq(recv(number, bytes, sizeof bytes, 0), 3);
    wire_note(wire, true, false);
    ck_assert_int_eq(asked(POLLIN), POLLIN);
    ck_assert_int_eq(recv(number, bytes, sizeof bytes, 0), 0);
    ck_assert_int_eq(recv(number, bytes, sizeof bytes, 0), 0);
}
END_TEST

START_TEST(a_full_socket_is_no_error)
{
    static uint8_t zeroes[65536];
    ssize_t sent;

    ck_assert_int_eq(asked(POLLIN | POLLOUT) & POLLOUT, POLLOUT);
    do {
        sent = send(number, zeroes, sizeof zeroes, MSG_NOSIGNAL);
        ck_assert_int_ge(sent, 0);
    } while (sent == sizeof zeroes);
    ck_assert_int_eq(asked(POLLOUT), 0);
    ck_assert_int_eq(send(number, zeroes, sizeof zeroes, MSG_NOSIGNAL), 0);
    wire_note(wire, false, true);
    ck_assert_int_eq(asked(POLLOUT), POLLOUT);
}
END_TEST

START_TEST(what_libssh_closed_is_somebody_elses)
{
    uint8_t byte;
    int ends[2];

    arrive(10);
    ssh_disconnect(pair.hub.session); /* closes the number */
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert(ends[0] == number || ends[1] == number);
    wire_note(wire, true, false);
    ck_assert_int_eq(send(ends[0], "a", 1, MSG_NOSIGNAL), 1);
    ck_assert_int_eq(send(ends[1], "b", 1, MSG_NOSIGNAL), 1);
    ck_assert_int_eq(recv(ends[0], &byte, 1, MSG_DONTWAIT), 1);
    ck_assert_int_eq(byte, 'b');
    ck_assert_int_eq(recv(ends[1], &byte, 1, MSG_DONTWAIT), 1);
    ck_assert_int_eq(byte, 'a');
    close(ends[0]);
    close(ends[1]);
}
END_TEST

static bool comes(void)
{
    struct pollfd real = {.fd = far, .events = POLLIN};

    return poll(&real, 1, 20) == 1;
}

START_TEST(more_waits_for_the_push)
{
    static uint8_t bytes[8000]; /* less than a segment of the loopback's */

    wire_expect_more(wire, true);
    ck_assert_int_eq(send(number, bytes, sizeof bytes, MSG_NOSIGNAL), sizeof bytes);
    ck_assert(!comes()); /* the kernel waits 200 ms */
    ck_assert(wire_push(wire, false));
    ck_assert(comes());
}
END_TEST

/* Each of several streams ends its own chunk: that must not send what the others add to. */
START_TEST(what_is_gathered_waits_for_the_push)
{
    static uint8_t bytes[8000];

    wire_gather(wire);
    wire_expect_more(wire, false);
    ck_assert_int_eq(send(number, bytes, sizeof bytes, MSG_NOSIGNAL), sizeof bytes);
    ck_assert_int_eq(send(number, bytes, sizeof bytes, MSG_NOSIGNAL), sizeof bytes);
    ck_assert(!comes());
    ck_assert(wire_push(wire, false));
    ck_assert(comes());
}
END_TEST

START_TEST(small_ones_leave_together_and_in_order)
{
    static uint8_t large[8000], got[9000];
    size_t length = 0;

    ck_assert_int_eq(send(number, "a", 1, MSG_NOSIGNAL), 1);
    ck_assert_int_eq(send(number, "b", 1, MSG_NOSIGNAL), 1);
    ck_assert(!comes());
    ck_assert(wire_push(wire, false));
    ck_assert(comes());
    ck_assert_int_eq(recv(far, got, sizeof got, MSG_DONTWAIT), 2);
    ck_assert_int_eq(memcmp(got, "ab", 2), 0);
    ck_assert_int_eq(send(number, "c", 1, MSG_NOSIGNAL), 1);
    ck_assert_int_eq(send(number, large, sizeof large, MSG_NOSIGNAL), sizeof large);
    while (length < 1 + sizeof large) {
        ck_assert(comes());
        length += (size_t)recv(far, got + length, sizeof got - length, MSG_DONTWAIT);
    }
    ck_assert_int_eq(got[0], 'c');
}
END_TEST

START_TEST(what_may_wait_goes_along)
{
    uint8_t got[3];

    wire_may_wait(wire, true);
    ck_assert_int_eq(send(number, "a", 1, MSG_NOSIGNAL), 1);
    ck_assert(!wire_push(wire, false));
    ck_assert(!comes());
    ck_assert_int_eq(send(number, "b", 1, MSG_NOSIGNAL), 1); /* that was for one */
    ck_assert(wire_push(wire, false));
    ck_assert(comes());
    ck_assert_int_eq(recv(far, got, sizeof got, MSG_DONTWAIT), 2);
    wire_may_wait(wire, true);
    ck_assert_int_eq(send(number, "c", 1, MSG_NOSIGNAL), 1);
    ck_assert(wire_push(wire, true));
    ck_assert(comes());
}
END_TEST

START_TEST(what_a_full_socket_did_not_take_is_kept)
{
    static uint8_t zeroes[65536];
    uint8_t last = 0;
    ssize_t got;

    while (send(number, zeroes, sizeof zeroes, MSG_NOSIGNAL) == sizeof zeroes)
        ;
    ck_assert_int_eq(send(number, "z", 1, MSG_NOSIGNAL), 1);
    ck_assert(wire_push(wire, false));
    ck_assert(wire_is_full(wire));
    for (int i = 0; i < 1000 && last != 'z'; i++) {
        while ((got = recv(far, zeroes, sizeof zeroes, MSG_DONTWAIT)) > 0)
            last = zeroes[got - 1];
        wire_note(wire, false, true);
        (void)wire_push(wire, false);
        (void)comes();
    }
    ck_assert_int_eq(last, 'z');
    ck_assert(!wire_is_full(wire));
}
END_TEST

/* libssh goes through the packets of one read by calling itself. */
START_TEST(many_packets_of_one_read)
{
    struct tunnel *tunnel = &pair.tunnels[0];
    uint8_t bytes[1024];
    size_t come = 0;
    ssize_t got;

    ck_assert_int_eq(ssh_channel_write(tunnel->site->channel, "x", 1), 1);
    while (recv(tunnel->visitor, bytes, sizeof bytes, 0) < 0)
        ssh_pair_step(&pair, true);
    for (int i = 0; i < MANY_PACKETS; i++)
        ck_assert_int_eq(ssh_channel_write(tunnel->site->channel, "x", 1), 1);
    while (come < MANY_PACKETS) {
        ssh_pair_step(&pair, true);
        while ((got = recv(tunnel->visitor, bytes, sizeof bytes, 0)) > 0)
            come += (size_t)got;
    }
    ck_assert_uint_eq(come, MANY_PACKETS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire");
    TCase *group = tcase_create("wire");

    tcase_add_checked_fixture(group, setup, teardown);
    tcase_add_test(group, one_read_feeds_many);
    tcase_add_test(group, the_end_comes_after_the_bytes);
    tcase_add_test(group, a_full_socket_is_no_error);
    tcase_add_test(group, what_libssh_closed_is_somebody_elses);
    tcase_add_test(group, more_waits_for_the_push);
    tcase_add_test(group, what_is_gathered_waits_for_the_push);
    tcase_add_test(group, many_packets_of_one_read);
    tcase_add_test(group, small_ones_leave_together_and_in_order);
    tcase_add_test(group, what_may_wait_goes_along);
    tcase_add_test(group, what_a_full_socket_did_not_take_is_kept);
    suite_add_tcase(suite, group);
    return suite_run(suite);
}
