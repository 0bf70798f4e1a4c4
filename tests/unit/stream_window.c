/* A stream's window on a long line, between two libssh sessions.  The line is loopback; that it is
 * long is what both transports are told. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "ssh/stream_internal.h"
#include "ssh_pair.h"
#include "suite.h"

#define MIB ((size_t)1 << 20)

static struct ssh_pair pair;
static struct tunnel *tunnel;
static size_t sent, received, most;

static void setup(void)
{
    const int small = 131072;

    memset(&pair, 0, sizeof pair);
    ssh_pair_open(&pair);
    ssh_pair_tunnels(&pair, 1, false);
    tunnel = &pair.tunnels[0];
    /* So that a stall is one of the stream's, and not of megabytes in the kernel. */
    ck_assert_int_eq(setsockopt(tunnel->site_socket, SOL_SOCKET, SO_SNDBUF, &small, sizeof small),
                     0);
    ck_assert_int_eq(setsockopt(tunnel->target, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    sent = received = most = 0;
}

static void teardown(void)
{
    ssh_pair_close(&pair);
    ck_assert_uint_eq(window_total(), 0);
}

static void make_long(uint64_t rtt_us)
{
    pair.hub.transport->rtt_floor_us = rtt_us;
    pair.site.transport->rtt_floor_us = rtt_us;
}

static uint8_t pattern(size_t offset)
{
    return (uint8_t)((offset * 167 + offset / 251) & 0xff);
}

static void give(void)
{
    uint8_t bytes[32768];
    ssize_t taken;

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = pattern(sent + i);
    taken = send(tunnel->visitor, bytes, sizeof bytes, MSG_NOSIGNAL);
    if (taken < 0)
        ck_assert_int_eq(errno, EAGAIN);
    sent += taken > 0 ? (size_t)taken : 0;
}

static void take(void)
{
    uint8_t bytes[65536];
    ssize_t got = recv(tunnel->target, bytes, sizeof bytes, 0);
    size_t wrong = 0;

    for (ssize_t i = 0; i < got; i++)
        wrong += bytes[i] != pattern(received + (size_t)i);
    ck_assert_uint_eq(wrong, 0);
    received += got > 0 ? (size_t)got : 0;
}

static void step(void)
{
    ssh_pair_step(&pair, false);
    if (window_total() > most)
        most = window_total();
}

static void pass(size_t bytes)
{
    while (received < bytes) {
        if (sent < bytes)
            give();
        step();
        take();
    }
}

/* Until nothing moves any more, nobody reads at the target. */
static size_t stall(void)
{
    size_t before = sent, last = sent;

    for (int idle = 0; idle < 500; idle++) {
        give();
        step();
        if (sent > last)
            idle = 0;
        last = sent;
    }
    return sent - before;
}

static void drain(void)
{
    while (received < sent) {
        step();
        take();
    }
}

START_TEST(a_long_line_gets_a_larger_window)
{
    make_long(2000000);
    pass(64 * MIB);
    ck_assert_uint_eq(most, window_can_grow() ? WINDOW_MAX - WINDOW_OWN : 0);
}
END_TEST

START_TEST(a_short_line_does_not)
{
    make_long(1);
    pass(16 * MIB);
    ck_assert_uint_eq(most, 0);
}
END_TEST

START_TEST(a_stalled_target_bounds_what_is_kept)
{
    size_t kept;

    make_long(2000000);
    pass(64 * MIB);
    kept = stall();
    if (window_can_grow())
        ck_assert_uint_gt(kept, 8 * MIB);
    /* The window, and what the kernel holds in three pairs of sockets. */
    ck_assert_uint_lt(kept, WINDOW_MAX + 16 * MIB);
    ck_assert_uint_le(tunnel->site->buffered, 2 * MIB);
    ck_assert_uint_le(tunnel->site->buffered + tunnel->site->unwritten.bytes, WINDOW_MAX);
    ck_assert_uint_le(window_total(), WINDOW_MAX - WINDOW_OWN);
    make_long(1);
    drain();
    pass(sent + 32 * MIB);
    ck_assert_uint_eq(received, sent);
    ck_assert_uint_eq(tunnel->site->unwritten.bytes, 0);
    ck_assert_uint_eq(window_total(), 0);
}
END_TEST

START_TEST(a_slow_target_gets_no_more_than_it_takes)
{
    uint8_t bytes[32768];

    make_long(2000000);
    pass(16 * MIB);
    for (int i = 0; i < 8000; i++) {
        give();
        step();
        if (i % 4 == 0)
            (void)!recv(tunnel->target, bytes, sizeof bytes, 0);
    }
    ck_assert_uint_le(tunnel->site->window.target, 2 * WINDOW_OWN);
    ck_assert_uint_le(window_total(), 2 * MIB);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream_window");
    TCase *group = tcase_create("stream_window");

    tcase_add_checked_fixture(group, setup, teardown);
    tcase_set_timeout(group, 120);
    tcase_add_test(group, a_long_line_gets_a_larger_window);
    tcase_add_test(group, a_short_line_does_not);
    tcase_add_test(group, a_stalled_target_bounds_what_is_kept);
    tcase_add_test(group, a_slow_target_gets_no_more_than_it_takes);
    suite_add_tcase(suite, group);
    return suite_run(suite);
}
