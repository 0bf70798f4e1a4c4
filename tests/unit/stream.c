/* Transport and streams, between two libssh sessions: bytes, ends, resets, backpressure, rekey. */
#define _GNU_SOURCE
#include "ssh/stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ssh_pair.h"
#include "suite.h"

#define MIB (1u << 20)

static struct ssh_pair pair;

static void setup(void)
{
    memset(&pair, 0, sizeof pair);
    ssh_pair_open(&pair);
}

static void setup_rekey(void)
{
    memset(&pair, 0, sizeof pair);
    pair.rekey_bytes = 2 * MIB;
    ssh_pair_open(&pair);
}

static void teardown(void)
{
    ssh_pair_close(&pair);
}

/* A run of bytes that differs from number to number and does not repeat at any power of two. */
static uint8_t pattern(size_t number, size_t offset)
{
    return (uint8_t)((offset * 167 + offset / 251 + number * 31) & 0xff);
}

struct half {
    int from, to; /* test's ends */
    size_t number, size, sent, received;
    bool shut, eof;
};

static void half_send(struct half *half)
{
    uint8_t bytes[16384];
    size_t length = half->size - half->sent;

    if (length > sizeof bytes)
        length = sizeof bytes;
    for (size_t i = 0; i < length; i++)
        bytes[i] = pattern(half->number, half->sent + i);
    ssize_t sent = length > 0 ? send(half->from, bytes, length, MSG_NOSIGNAL) : 0;
    if (sent > 0)
        half->sent += (size_t)sent;
    if (half->sent == half->size && !half->shut) {
        half->shut = true;
        ck_assert_int_eq(shutdown(half->from, SHUT_WR), 0);
    }
}

static void half_receive(struct half *half)
{
    uint8_t bytes[65536];
    ssize_t got = recv(half->to, bytes, sizeof bytes, 0);
    size_t wrong = 0;

    if (got < 0)
        ck_assert_int_eq(errno, EAGAIN);
    if (got == 0)
        half->eof = true;
    for (ssize_t i = 0; i < got; i++)
        wrong += bytes[i] != pattern(half->number, half->received + (size_t)i);
    ck_assert_uint_eq(wrong, 0);
    half->received += got > 0 ? (size_t)got : 0;
}

/* Sends both ways at once through every tunnel, half-closes, checks every byte and both ends. */
static void exchange(size_t size)
{
    size_t halves = 2 * pair.count, open = halves;
    struct half *all = calloc(halves, sizeof *all);

    for (size_t i = 0; i < halves; i++) {
        struct tunnel *tunnel = &pair.tunnels[i / 2];
        all[i].number = i;
        all[i].size = size;
        all[i].from = i % 2 ? tunnel->target : tunnel->visitor;
        all[i].to = i % 2 ? tunnel->visitor : tunnel->target;
    }
    while (open > 0) {
        open = 0;
        for (size_t i = 0; i < halves; i++) {
            half_send(&all[i]);
            if (!all[i].eof)
                half_receive(&all[i]);
            open += !all[i].eof;
        }
        ck_assert_str_eq(pair.hub.down, "");
        ssh_pair_step(&pair, false);
    }
    for (size_t i = 0; i < halves; i++)
        ck_assert_uint_eq(all[i].received, size);
    free(all);
}

static void wait_ended(struct tunnel *tunnel)
{
    while (tunnel->ended < 2)
        ssh_pair_step(&pair, true);
}

static void finished(size_t size)
{
    for (size_t i = 0; i < pair.count; i++) {
        struct tunnel *tunnel = &pair.tunnels[i];
        wait_ended(tunnel);
        ck_assert_int_eq(tunnel->hub_result.end, STREAM_FINISHED);
        ck_assert_int_eq(tunnel->site_result.end, STREAM_FINISHED);
        ck_assert_str_eq(tunnel->hub_result.reason, "finished");
        ck_assert_uint_eq(tunnel->hub_result.from_socket_bytes, size);
        ck_assert_uint_eq(tunnel->hub_result.from_channel_bytes, size);
        ck_assert_uint_eq(tunnel->site_result.from_socket_bytes, size);
        ck_assert_uint_eq(tunnel->site_result.from_channel_bytes, size);
    }
}

START_TEST(bytes_pass_both_ways)
{
    ssh_pair_tunnels(&pair, 1, false);
    exchange(20 * MIB);
    finished(20 * MIB);
}
END_TEST

START_TEST(nothing_is_an_exchange_too)
{
    ssh_pair_tunnels(&pair, 1, false);
    exchange(0);
    finished(0);
}
END_TEST

START_TEST(many_streams_share_a_session)
{
    ssh_pair_tunnels(&pair, 200, false);
    exchange(100000);
    finished(100000);
}
END_TEST

START_TEST(bytes_survive_key_exchanges)
{
    ssh_pair_tunnels(&pair, 3, false);
    exchange(20 * MIB);
    finished(20 * MIB);
}
END_TEST

static ssize_t receive(int socket, void *bytes, size_t size)
{
    ssize_t got;

    while ((got = recv(socket, bytes, size, 0)) < 0 && errno == EAGAIN)
        ssh_pair_step(&pair, false);
    return got;
}

START_TEST(a_half_closed_visitor_gets_its_answer)
{
    char text[32];

    ssh_pair_tunnels(&pair, 1, false);
    struct tunnel *tunnel = &pair.tunnels[0];
    ck_assert_int_eq(send(tunnel->visitor, "question", 8, 0), 8);
    shutdown(tunnel->visitor, SHUT_WR);
    ck_assert_int_eq(receive(tunnel->target, text, sizeof text), 8);
    ck_assert_int_eq(receive(tunnel->target, text, sizeof text), 0);
    for (int i = 0; i < 50; i++)
        ssh_pair_step(&pair, false);
    ck_assert_uint_eq(tunnel->ended, 0);
    ck_assert_int_eq(send(tunnel->target, "answer", 6, 0), 6);
    shutdown(tunnel->target, SHUT_WR);
    ck_assert_int_eq(receive(tunnel->visitor, text, sizeof text), 6);
    ck_assert_int_eq(receive(tunnel->visitor, text, sizeof text), 0);
    wait_ended(tunnel);
    ck_assert_int_eq(tunnel->hub_result.end, STREAM_FINISHED);
}
END_TEST

START_TEST(what_comes_before_the_stream_is_not_lost)
{
    char text[32];

    ssh_pair_tunnels(&pair, 1, true);
    struct tunnel *tunnel = &pair.tunnels[0];
    ck_assert_int_eq(receive(tunnel->visitor, text, sizeof text), 5);
    ck_assert_mem_eq(text, "hello", 5);
    ck_assert_int_eq(receive(tunnel->visitor, text, sizeof text), 0);
}
END_TEST

/* What came before the stream still waits for a slow visitor when more comes. */
START_TEST(what_comes_before_the_stream_may_wait)
{
    static char bytes[65536];
    const size_t early = 60000, late = 400000;
    size_t sent = 0, got = 0, all;

    pair.site_zeroes = early;
    ssh_pair_tunnels(&pair, 1, false);
    struct tunnel *tunnel = &pair.tunnels[0];
    all = tunnel->filled + early + late;
    while (got < all) {
        if (sent < late) {
            ssize_t taken = send(tunnel->target, bytes,
                                 sizeof bytes < late - sent ? sizeof bytes : late - sent, 0);
            sent += taken > 0 ? (size_t)taken : 0;
        }
        ssh_pair_step(&pair, false);
        ck_assert_str_eq(pair.hub.down, "");
        if (sent < late)
            continue; /* it reads late */
        ssize_t taken = recv(tunnel->visitor, bytes, sizeof bytes, 0);
        got += taken > 0 ? (size_t)taken : 0;
    }
    ck_assert_uint_eq(got, all);
}
END_TEST

static void reset(int *socket)
{
    const struct linger hard = {.l_onoff = 1};

    setsockopt(*socket, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(*socket);
    *socket = -1;
}

static void expect_reset(int socket)
{
    char text[32];

    ck_assert_int_eq(receive(socket, text, sizeof text), -1);
    ck_assert_int_eq(errno, ECONNRESET);
}

START_TEST(a_reset_by_the_visitor_resets_the_target)
{
    ssh_pair_tunnels(&pair, 2, false);
    struct tunnel *tunnel = &pair.tunnels[0];
    reset(&tunnel->visitor);
    expect_reset(tunnel->target);
    wait_ended(tunnel);
    ck_assert_int_eq(tunnel->hub_result.end, STREAM_SOCKET_RESET);
    ck_assert_int_eq(tunnel->site_result.end, STREAM_PEER_RESET);
    ck_assert_uint_eq(pair.tunnels[1].ended, 0);
}
END_TEST

START_TEST(a_reset_by_the_target_resets_the_visitor_after_its_bytes)
{
    static char large[300000];
    size_t received = 0;
    ssize_t got;

    ssh_pair_tunnels(&pair, 1, false);
    struct tunnel *tunnel = &pair.tunnels[0];
    ck_assert_int_eq(send(tunnel->target, large, sizeof large, 0), sizeof large);
    while (stream_from_socket_bytes(tunnel->site) < sizeof large)
        ssh_pair_step(&pair, true);
    reset(&tunnel->target);
    while (received < sizeof large) {
        for (int i = 0; i < 20; i++)
            ssh_pair_step(&pair, false);
        got = receive(tunnel->visitor, large, 30000);
        ck_assert_int_gt(got, 0);
        received += (size_t)got;
    }
    expect_reset(tunnel->visitor);
    wait_ended(tunnel);
    ck_assert_int_eq(tunnel->site_result.end, STREAM_SOCKET_RESET);
    ck_assert_int_eq(tunnel->hub_result.end, STREAM_PEER_RESET);
    ck_assert_uint_eq(tunnel->hub_result.from_channel_bytes, sizeof large);
}
END_TEST

START_TEST(a_reset_after_half_close_is_noticed)
{
    char text[32];

    ssh_pair_tunnels(&pair, 1, false);
    struct tunnel *tunnel = &pair.tunnels[0];
    shutdown(tunnel->visitor, SHUT_WR);
    ck_assert_int_eq(receive(tunnel->target, text, sizeof text), 0);
    reset(&tunnel->visitor);
    wait_ended(tunnel);
    ck_assert_int_eq(tunnel->hub_result.end, STREAM_SOCKET_RESET);
}
END_TEST

/* Fills a direction until nothing moves any more; returns the bytes that fitted. */
static size_t stuff(int from)
{
    static char zeroes[65536];
    size_t total = 0;

    for (int idle = 0; idle < 200;) {
        ssize_t sent = send(from, zeroes, sizeof zeroes, MSG_NOSIGNAL);
        idle = sent > 0 ? 0 : idle + 1;
        total += sent > 0 ? (size_t)sent : 0;
        ssh_pair_step(&pair, false);
    }
    return total;
}

START_TEST(a_stalled_side_stops_its_own_stream_only)
{
    static char sink[65536];
    char text[8];
    size_t total, received = 0;

    ssh_pair_tunnels(&pair, 2, false);
    total = stuff(pair.tunnels[0].visitor);
    ck_assert_uint_lt(total, 40 * MIB);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(send(pair.tunnels[1].visitor, "ping", 4, 0), 4);
        ck_assert_int_eq(receive(pair.tunnels[1].target, text, sizeof text), 4);
        ck_assert_int_eq(send(pair.tunnels[1].target, "pong", 4, 0), 4);
        ck_assert_int_eq(receive(pair.tunnels[1].visitor, text, sizeof text), 4);
    }
    while (received < total) {
        ssize_t got = receive(pair.tunnels[0].target, sink, sizeof sink);
        ck_assert_int_gt(got, 0);
        received += (size_t)got;
    }
}
END_TEST

START_TEST(a_reset_is_noticed_while_the_other_side_stalls)
{
    ssh_pair_tunnels(&pair, 1, false);
    struct tunnel *tunnel = &pair.tunnels[0];
    stuff(tunnel->target);
    reset(&tunnel->visitor);
    wait_ended(tunnel);
    ck_assert_int_eq(tunnel->hub_result.end, STREAM_SOCKET_RESET);
    ck_assert_int_eq(tunnel->site_result.end, STREAM_PEER_RESET);
}
END_TEST

START_TEST(an_aborted_stream_resets_both_sides)
{
    ssh_pair_tunnels(&pair, 1, false);
    struct tunnel *tunnel = &pair.tunnels[0];
    stream_abort(tunnel->hub, "closed by an operator");
    ck_assert_uint_eq(tunnel->ended, 0);
    stream_abort(tunnel->hub, "again");
    expect_reset(tunnel->target);
    expect_reset(tunnel->visitor);
    wait_ended(tunnel);
    ck_assert_int_eq(tunnel->hub_result.end, STREAM_ABORTED);
    ck_assert_int_eq(tunnel->site_result.end, STREAM_PEER_RESET);
}
END_TEST

START_TEST(a_closed_transport_ends_its_streams_and_tells_the_peer)
{
    ssh_pair_tunnels(&pair, 5, false);
    transport_close(pair.hub.transport, "site disabled");
    while (pair.site.transport || pair.hub.transport)
        ssh_pair_step(&pair, true);
    ck_assert_str_eq(pair.hub.down, "site disabled");
    ck_assert_str_eq(pair.site.down, "closed by peer: site disabled");
    for (size_t i = 0; i < pair.count; i++) {
        ck_assert_int_eq(pair.tunnels[i].hub_result.end, STREAM_ABORTED);
        ck_assert_int_eq(pair.tunnels[i].site_result.end, STREAM_ABORTED);
        expect_reset(pair.tunnels[i].visitor);
    }
}
END_TEST

START_TEST(streams_can_come_and_go_for_long)
{
    for (int i = 0; i < 300; i++) {
        ssh_pair_tunnels(&pair, 1, false);
        exchange(1000);
        finished(1000);
        close(pair.tunnels[0].visitor);
        close(pair.tunnels[0].target);
        free(pair.tunnels);
        pair.tunnels = NULL;
        pair.count = 0;
    }
}
END_TEST

START_TEST(a_probe_measures_the_round_trip)
{
    ck_assert_uint_eq(transport_rtt_us(pair.hub.transport), 0);
    transport_probe(pair.hub.transport);
    transport_probe(pair.hub.transport);
    transport_probe(pair.site.transport);
    while (!transport_rtt_us(pair.hub.transport) || !transport_rtt_us(pair.site.transport))
        ssh_pair_step(&pair, true);
    ck_assert(!transport_probe_pending(pair.hub.transport));
    ck_assert(transport_global_begin(pair.hub.transport));
    transport_probe(pair.hub.transport);
    ck_assert(!transport_global_begin(pair.hub.transport));
    transport_global_end(pair.hub.transport);
    ck_assert_uint_eq(pair.hub.messages, 2); /* service request and login: no message of ours */
}
END_TEST

START_TEST(a_held_transport_hands_out_nothing)
{
    unsigned before = pair.hub.messages;
    int bound;

    transport_hold(pair.hub.transport);
    ck_assert_int_eq(ssh_channel_listen_forward(pair.site.session, "", 8443, &bound), SSH_AGAIN);
    transport_kick(pair.site.transport);
    for (int i = 0; i < 50; i++)
        ssh_pair_step(&pair, false);
    ck_assert_uint_eq(pair.hub.messages, before);
    transport_release(pair.hub.transport);
    while (pair.hub.messages == before)
        ssh_pair_step(&pair, true);
    while (ssh_channel_listen_forward(pair.site.session, "", 8443, &bound) == SSH_AGAIN)
        ssh_pair_step(&pair, false);
}
END_TEST

START_TEST(a_message_that_holds_is_the_last_one_handed_out)
{
    unsigned before = pair.hub.messages;
    ssh_channel first = ssh_channel_new(pair.site.session);
    ssh_channel second = ssh_channel_new(pair.site.session);

    pair.hub.hold_each = true;
    /* Both requests are on their way before the hub looks. */
    ck_assert_int_eq(ssh_channel_open_session(first), SSH_AGAIN);
    ck_assert_int_eq(ssh_channel_open_session(second), SSH_AGAIN);
    for (int i = 0; i < 50; i++)
        ssh_pair_step(&pair, false);
    ck_assert_uint_eq(pair.hub.messages, before + 1);
    transport_release(pair.hub.transport);
    for (int i = 0; i < 50; i++)
        ssh_pair_step(&pair, false);
    ck_assert_uint_eq(pair.hub.messages, before + 2);
    transport_release(pair.hub.transport);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream");
    TCase *group = tcase_create("stream"), *rekey = tcase_create("rekey");

    tcase_add_checked_fixture(group, setup, teardown);
    tcase_set_timeout(group, 60);
    tcase_add_test(group, bytes_pass_both_ways);
    tcase_add_test(group, nothing_is_an_exchange_too);
    tcase_add_test(group, many_streams_share_a_session);
    tcase_add_test(group, a_half_closed_visitor_gets_its_answer);
    tcase_add_test(group, what_comes_before_the_stream_is_not_lost);
    tcase_add_test(group, what_comes_before_the_stream_may_wait);
    tcase_add_test(group, a_reset_by_the_visitor_resets_the_target);
    tcase_add_test(group, a_reset_by_the_target_resets_the_visitor_after_its_bytes);
    tcase_add_test(group, a_reset_after_half_close_is_noticed);
    tcase_add_test(group, a_stalled_side_stops_its_own_stream_only);
    tcase_add_test(group, a_reset_is_noticed_while_the_other_side_stalls);
    tcase_add_test(group, an_aborted_stream_resets_both_sides);
    tcase_add_test(group, a_closed_transport_ends_its_streams_and_tells_the_peer);
    tcase_add_test(group, streams_can_come_and_go_for_long);
    tcase_add_test(group, a_probe_measures_the_round_trip);
    tcase_add_test(group, a_held_transport_hands_out_nothing);
    tcase_add_test(group, a_message_that_holds_is_the_last_one_handed_out);
    suite_add_tcase(suite, group);
    tcase_add_checked_fixture(rekey, setup_rekey, teardown);
    tcase_set_timeout(rekey, 60);
    tcase_add_test(rekey, bytes_survive_key_exchanges);
    suite_add_tcase(suite, rekey);
    return suite_run(suite);
}
