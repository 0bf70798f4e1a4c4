/* Streams of unusual ends: bytes before the first, AF_UNIX pairs, sockets that take bytes slowly.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ssh_pair.h"
#include "suite.h"

static struct ssh_pair pair;
static char large[2000000];

static void setup(void)
{
    memset(&pair, 0, sizeof pair);
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)(i * 7 + i / 1009);
}

static void teardown(void)
{
    ssh_pair_close(&pair);
}

static ssize_t receive(int socket, void *bytes, size_t size)
{
    ssize_t got;

    while ((got = recv(socket, bytes, size, 0)) < 0 && errno == EAGAIN)
        ssh_pair_step(&pair, false);
    return got;
}

static void expect_text(int socket, const char *text)
{
    char bytes[1024];
    size_t length = strlen(text), received = 0;

    while (received < length) {
        ssize_t got = receive(socket, bytes + received, length - received);
        ck_assert_int_gt(got, 0);
        received += (size_t)got;
    }
    ck_assert_mem_eq(bytes, text, length);
}

static void expect_end(int socket)
{
    char byte;

    ck_assert_int_eq(receive(socket, &byte, 1), 0);
}

static void expect_reset(int socket)
{
    char byte;

    ck_assert_int_eq(receive(socket, &byte, 1), -1);
    ck_assert_int_eq(errno, ECONNRESET);
}

/* Sends all of `large` and checks it at the other end. */
static void expect_large(int from, int to)
{
    static char bytes[65536];
    size_t sent = 0, received = 0;

    while (received < sizeof large) {
        ssize_t put = send(from, large + sent, sizeof large - sent, MSG_NOSIGNAL);
        ssize_t got = recv(to, bytes, sizeof bytes, 0);
        sent += put > 0 ? (size_t)put : 0;
        ck_assert(got > 0 || (got < 0 && errno == EAGAIN));
        if (got > 0)
            ck_assert_mem_eq(bytes, large + received, (size_t)got);
        received += got > 0 ? (size_t)got : 0;
        ssh_pair_step(&pair, false);
    }
}

static void reset(int *socket)
{
    const struct linger hard = {.l_onoff = 1};

    setsockopt(*socket, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(*socket);
    *socket = -1;
}

static void steps(void)
{
    for (int i = 0; i < 100; i++)
        ssh_pair_step(&pair, false);
}

static void wait_all_ended(void)
{
    for (size_t i = 0; i < pair.count; i++) {
        while (pair.tunnels[i].ended < 2)
            ssh_pair_step(&pair, true);
    }
}

/* --- the prefix --- */

#define HEADER "PROXY TCP4 192.0.2.7 192.0.2.1 50122 8443\r\n"

START_TEST(a_prefix_comes_before_all_other_bytes)
{
    ssh_pair_open(&pair);
    pair.prefix = HEADER;
    ssh_pair_tunnels(&pair, 2, false);
    struct tunnel *tunnel = &pair.tunnels[0];
    ck_assert_int_eq(send(tunnel->visitor, "hello", 5, 0), 5);
    expect_text(tunnel->target, HEADER "hello");
    expect_text(pair.tunnels[1].target, HEADER); /* before its visitor says anything */
    expect_large(tunnel->visitor, tunnel->target);
    expect_large(tunnel->target, tunnel->visitor);
    shutdown(tunnel->visitor, SHUT_WR);
    expect_end(tunnel->target);
    shutdown(tunnel->target, SHUT_WR);
    while (tunnel->ended < 2)
        ssh_pair_step(&pair, true);
    ck_assert_uint_eq(tunnel->hub_result.from_socket_bytes, sizeof large + 5);
    ck_assert_uint_eq(tunnel->site_result.from_channel_bytes, sizeof large + 5 + sizeof HEADER - 1);
    ck_assert_int_eq(tunnel->hub_result.end, STREAM_FINISHED);
}
END_TEST

START_TEST(a_prefix_waits_for_the_window)
{
    size_t zeroes = 0;
    char byte;

    ssh_pair_open(&pair);
    pair.prefix = HEADER;
    pair.window_spent = true;
    ssh_pair_tunnels(&pair, 1, false);
    struct tunnel *tunnel = &pair.tunnels[0];
    ck_assert_int_eq(send(tunnel->visitor, "hello", 5, 0), 5);
    shutdown(tunnel->visitor, SHUT_WR);
    while (receive(tunnel->target, &byte, 1) == 1 && byte == 0)
        zeroes++;
    ck_assert_uint_ge(zeroes, 32000);
    ck_assert_int_eq(byte, 'P');
    expect_text(tunnel->target, &(HEADER "hello")[1]);
    expect_end(tunnel->target);
}
END_TEST

START_TEST(a_prefix_survives_key_exchanges)
{
    pair.rekey_bytes = 1u << 20;
    ssh_pair_open(&pair);
    pair.prefix = HEADER;
    for (int i = 0; i < 20; i++) {
        ssh_pair_tunnels(&pair, 1, false);
        struct tunnel *tunnel = &pair.tunnels[0];
        expect_text(tunnel->target, HEADER);
        expect_large(tunnel->visitor, tunnel->target);
        shutdown(tunnel->visitor, SHUT_WR);
        shutdown(tunnel->target, SHUT_WR);
        wait_all_ended();
        close(tunnel->visitor);
        close(tunnel->target);
        free(pair.tunnels);
        pair.tunnels = NULL;
        pair.count = 0;
    }
}
END_TEST

START_TEST(a_prefix_has_its_bounds)
{
    ssh_pair_open(&pair);
    ssh_pair_tunnels(&pair, 1, false);
    struct tunnel *tunnel = &pair.tunnels[0];
    ck_assert_int_eq(stream_prefix(tunnel->hub, large, 513), -1);
    ck_assert_int_eq(stream_prefix(tunnel->hub, large, 0), 0);
    ck_assert_int_eq(stream_prefix(tunnel->hub, large, 512), 0);
    ck_assert_int_eq(stream_prefix(tunnel->hub, large, 512), -1);
    ck_assert_int_eq(send(tunnel->visitor, "x", 1, 0), 1);
    while (stream_from_socket_bytes(tunnel->hub) == 0)
        ssh_pair_step(&pair, true);
    ck_assert_int_eq(stream_prefix(tunnel->hub, large, 1), -1);
}
END_TEST

/* --- AF_UNIX pairs between two streams --- */

static int near_end, far_end;
static bool turned;

/* visitor | hub = SSH = site | AF_UNIX | hub = SSH = site | target */
static void open_chain(void)
{
    ssh_pair_open(&pair);
    pair.chained = true;
    turned = false;
    ssh_pair_tunnels(&pair, 2, false);
    near_end = pair.tunnels[0].visitor;
    far_end = pair.tunnels[1].target;
}

static void turn_round(void)
{
    int end = near_end;

    near_end = far_end;
    far_end = end;
    turned = true;
}

static void expect_ends(enum stream_end how)
{
    wait_all_ended();
    for (size_t i = 0; i < pair.count; i++) {
        ck_assert_int_eq(pair.tunnels[i].hub_result.end, how);
        ck_assert_int_eq(pair.tunnels[i].site_result.end, how);
    }
}

START_TEST(a_chain_carries_bytes_and_half_closes_each_way)
{
    open_chain();
    if (_i)
        turn_round();
    expect_large(near_end, far_end);
    expect_large(far_end, near_end);
    shutdown(near_end, SHUT_WR);
    expect_end(far_end);
    steps();
    ck_assert_uint_eq(pair.tunnels[0].ended + pair.tunnels[1].ended, 0);
    expect_large(far_end, near_end);
    shutdown(far_end, SHUT_WR);
    expect_end(near_end);
    expect_ends(STREAM_FINISHED);
}
END_TEST

static void expect_far_reset(void)
{
    expect_reset(far_end);
    wait_all_ended();
}

static int *near_place(void)
{
    return turned ? &pair.tunnels[1].target : &pair.tunnels[0].visitor;
}

START_TEST(a_reset_passes_through_a_chain)
{
    open_chain();
    if (_i)
        turn_round();
    expect_large(near_end, far_end);
    reset(near_place());
    expect_far_reset();
}
END_TEST

START_TEST(a_reset_comes_after_the_bytes)
{
    static char bytes[65536];
    size_t received = 0;

    open_chain();
    if (_i)
        turn_round();
    struct stream *first = turned ? pair.tunnels[1].site : pair.tunnels[0].hub;
    ck_assert_int_eq(send(near_end, large, 300000, 0), 300000);
    while (stream_from_socket_bytes(first) < 300000)
        ssh_pair_step(&pair, true);
    reset(near_place());
    while (received < 300000) {
        ssize_t got;
        steps();
        got = receive(far_end, bytes, 30000);
        ck_assert_int_gt(got, 0);
        received += (size_t)got;
    }
    expect_far_reset();
}
END_TEST

/* In the order of the way: who saw the TCP side break, and who heard it from the SSH side. */
static void expect_resets(void)
{
    struct tunnel *one = &pair.tunnels[turned ? 1 : 0], *other = &pair.tunnels[turned ? 0 : 1];

    wait_all_ended();
    ck_assert_int_eq((turned ? one->site_result : one->hub_result).end, STREAM_SOCKET_RESET);
    ck_assert_int_eq((turned ? one->hub_result : one->site_result).end, STREAM_PEER_RESET);
    ck_assert_int_eq((turned ? other->site_result : other->hub_result).end, STREAM_SOCKET_RESET);
    ck_assert_int_eq((turned ? other->hub_result : other->site_result).end, STREAM_PEER_RESET);
}

/* The pair has passed on the near end's EOF before, and nothing is read from it any more. */
START_TEST(a_reset_after_half_close_passes_through_a_chain)
{
    open_chain();
    if (_i)
        turn_round();
    shutdown(near_end, SHUT_WR);
    expect_end(far_end);
    steps();
    reset(near_place());
    expect_resets();
}
END_TEST

/* The near end has not read what the far end sends: all the way is full when it breaks. */
START_TEST(a_reset_by_one_who_stalled_passes_through_a_chain)
{
    open_chain();
    if (_i)
        turn_round();
    for (int idle = 0; idle < 200;) {
        idle = send(far_end, large, sizeof large, MSG_NOSIGNAL) > 0 ? 0 : idle + 1;
        ssh_pair_step(&pair, false);
    }
    reset(near_place());
    expect_resets();
}
END_TEST

START_TEST(an_abort_passes_through_a_chain)
{
    open_chain();
    stream_abort(pair.tunnels[0].site, "closed by an operator");
    expect_reset(near_end);
    expect_reset(far_end);
    wait_all_ended();
    ck_assert_int_eq(pair.tunnels[0].site_result.end, STREAM_ABORTED);
    ck_assert_int_eq(pair.tunnels[1].hub_result.end, STREAM_SOCKET_RESET);
}
END_TEST

static bool rung;

static void on_alarm(uv_timer_t *timer)
{
    (void)timer;
    rung = true;
}

/* The far end goes on sending after it saw our end, and nobody spins. */
START_TEST(an_end_that_is_ignored_costs_nothing)
{
    static uv_timer_t alarm_clock;
    unsigned turns = 0;

    open_chain();
    if (_i)
        turn_round();
    shutdown(near_end, SHUT_WR);
    expect_end(far_end);
    for (int i = 0; i < 20; i++)
        expect_large(far_end, near_end);
    steps();
    uv_timer_init(&pair.loop, &alarm_clock);
    uv_timer_start(&alarm_clock, on_alarm, 500, 0);
    for (rung = false; !rung; turns++)
        ssh_pair_step(&pair, true);
    uv_close((uv_handle_t *)&alarm_clock, NULL);
    ck_assert_uint_le(turns, 20);
    ck_assert_uint_eq(pair.tunnels[0].ended + pair.tunnels[1].ended, 0);
    close(far_end);
    *(turned ? &pair.tunnels[0].visitor : &pair.tunnels[1].target) = -1;
    expect_end(near_end);
    expect_ends(STREAM_FINISHED);
}
END_TEST

/* --- slow sockets --- */

/* A visitor that takes a little at a time while the target sends all it can: what waits for the
 * visitor stays within two windows and the kernel's buffers, and the session lives. */
START_TEST(a_slow_visitor_does_not_widen_the_window)
{
    static char bytes[20000];
    const int small = 65536;
    size_t received = 0;

    ssh_pair_open(&pair);
    ssh_pair_tunnels(&pair, 1, false);
    struct tunnel *tunnel = &pair.tunnels[0];
    setsockopt(tunnel->hub_socket, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(tunnel->visitor, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    while (received < 8000000) {
        (void)send(tunnel->target, large, sizeof large, MSG_NOSIGNAL);
        ssize_t got = recv(tunnel->visitor, bytes, sizeof bytes, 0);
        received += got > 0 ? (size_t)got : 0;
        ssh_pair_step(&pair, false);
        ck_assert_str_eq(pair.hub.down, "");
        ck_assert_uint_le(stream_from_socket_bytes(tunnel->site) - received, 4000000);
    }
}
END_TEST

static void add_chains(TCase *group)
{
    tcase_add_loop_test(group, a_chain_carries_bytes_and_half_closes_each_way, 0, 2);
    tcase_add_loop_test(group, a_reset_passes_through_a_chain, 0, 2);
    tcase_add_loop_test(group, a_reset_comes_after_the_bytes, 0, 2);
    tcase_add_loop_test(group, a_reset_after_half_close_passes_through_a_chain, 0, 2);
    tcase_add_loop_test(group, a_reset_by_one_who_stalled_passes_through_a_chain, 0, 2);
    tcase_add_test(group, an_abort_passes_through_a_chain);
    tcase_add_loop_test(group, an_end_that_is_ignored_costs_nothing, 0, 2);
}

static size_t count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    size_t count = 0;

    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* Whichever side ends the session: libssh closes a descriptor that it accepted or lost by itself,
 * but not one that it was told to use. */
START_TEST(an_ended_session_leaves_no_descriptor)
{
    size_t before;

    setup();
    /* libuv's first loop leaves two for signals. */
    ck_assert_int_eq(uv_loop_init(&pair.loop), 0);
    ck_assert_int_eq(uv_loop_close(&pair.loop), 0);
    before = count_descriptors();
    ssh_pair_open(&pair);
    transport_close(_i == 0 ? pair.site.transport : pair.hub.transport, "test is over");
    while (pair.site.transport || pair.hub.transport)
        ssh_pair_step(&pair, true);
    teardown();
    ck_assert_uint_eq(count_descriptors(), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream_ends");
    TCase *group = tcase_create("ends");

    tcase_add_checked_fixture(group, setup, teardown);
    tcase_set_timeout(group, 30);
    tcase_add_test(group, a_prefix_comes_before_all_other_bytes);
    tcase_add_test(group, a_prefix_waits_for_the_window);
    tcase_add_test(group, a_prefix_survives_key_exchanges);
    tcase_add_test(group, a_prefix_has_its_bounds);
    add_chains(group);
    tcase_add_test(group, a_slow_visitor_does_not_widen_the_window);
    suite_add_tcase(suite, group);
    group = tcase_create("descriptors");
    tcase_add_loop_test(group, an_ended_session_leaves_no_descriptor, 0, 2);
    suite_add_tcase(suite, group);
    return suite_run(suite);
}
