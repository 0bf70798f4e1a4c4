/* Bandwidth caps: the bucket's arithmetic by table, and streams that share one. */
#define _GNU_SOURCE
#include "ssh/pace.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ssh/bucket.h"
#include "ssh_pair.h"
#include "suite.h"

#define S_NS  UINT64_C(1000000000)
#define MS_NS UINT64_C(1000000)
#define MB    UINT64_C(1000000)

/* --- the bucket --- */

START_TEST(a_bucket_holds_a_tenth_of_a_second)
{
    static const struct {
        uint64_t rate, quantum, capacity;
    } cases[] = {
        {1, 1, 4},
        {100, 100, 400},
        {256, 256, 1024},
        {1024, 256, 1024},
        {10240, 256, 1024},
        {MB, 10000, 100000},
        {50 * MB, 500000, 5 * MB},
        {BUCKET_RATE_MAX, BUCKET_RATE_MAX / 100, BUCKET_RATE_MAX / 10},
        {UINT64_MAX, BUCKET_RATE_MAX / 100, BUCKET_RATE_MAX / 10},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bucket bucket = {0};
        bucket_set_rate(&bucket, cases[i].rate, S_NS);
        ck_assert_uint_eq(bucket_quantum(&bucket), cases[i].quantum);
        ck_assert_uint_eq(bucket_capacity(&bucket), cases[i].capacity);
        ck_assert_uint_eq(bucket_count(&bucket, S_NS), cases[i].capacity);
        ck_assert_uint_eq(bucket_count(&bucket, UINT64_MAX), cases[i].capacity);
    }
}
END_TEST

START_TEST(tokens_come_with_time)
{
    static const struct {
        uint64_t rate, after_ns, tokens, wait_ns;
    } cases[] = {
        /* clang-format off */
        {MB, 0, 0, 10 * MS_NS},
        {MB, 999, 0, 10 * MS_NS - 999},
        {MB, 1000, 1, 10 * MS_NS - 1000},
        {MB, 10 * MS_NS - 1, 9999, 1},
        {MB, 10 * MS_NS, 10000, 0},
        {MB, 99 * MS_NS, 99000, 0},
        {MB, 200 * MS_NS, 100000, 0},
        {MB, UINT64_MAX - S_NS, 100000, 0},
        {1024, 0, 0, 250 * MS_NS},
        {1024, 100 * MS_NS, 102, 150 * MS_NS},
        {3, 0, 0, S_NS},
        {3, S_NS / 3, 0, 666666667},
        {3, S_NS / 3 + 1, 1, 666666666},
        {1, S_NS, 1, 0},
        {1, 3600 * S_NS, 4, 0},
        {BUCKET_RATE_MAX, MS_NS, 10 * MB, 9 * MS_NS},
        {BUCKET_RATE_MAX, UINT64_MAX - S_NS, 1000 * MB, 0},
        /* clang-format on */
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bucket bucket = {0};
        bucket_set_rate(&bucket, cases[i].rate, S_NS);
        bucket_take(&bucket, UINT64_MAX);
        ck_assert_uint_eq(bucket_count(&bucket, S_NS + cases[i].after_ns), cases[i].tokens);
        ck_assert_uint_eq(bucket_wait_ns(&bucket), cases[i].wait_ns);
    }
}
END_TEST

/* Many short looks lose nothing, and a clock that stands still or steps back gives nothing. */
START_TEST(fractions_of_tokens_add_up)
{
    struct bucket bucket = {0};
    uint64_t now = S_NS, taken = 0;

    bucket_set_rate(&bucket, 1024, now);
    bucket_take(&bucket, 1024);
    for (int i = 0; i < 100000; i++) {
        uint64_t tokens = bucket_count(&bucket, now += 100001);
        taken += tokens;
        bucket_take(&bucket, tokens);
    }
    ck_assert_uint_eq(taken, (now - S_NS) * 1024 / S_NS);
    ck_assert_uint_eq(bucket_count(&bucket, now), 0);
    ck_assert_uint_eq(bucket_count(&bucket, 0), 0);
    ck_assert_uint_eq(bucket_count(&bucket, now + 500 * MS_NS), 512);
}
END_TEST

START_TEST(a_change_of_rate_keeps_what_fits)
{
    static const struct {
        uint64_t before, taken, after_ns, rate, tokens;
    } cases[] = {
        {0, 0, 0, MB, 100000},                    /* a fresh one is full */
        {MB, 0, 0, MB, 100000},                   /* the same again fills nothing */
        {MB, 100000, 0, MB, 0},                   /* "  */
        {MB, 100000, 50 * MS_NS, MB, 50000},      /* time until the change counts at the old rate */
        {MB, 100000, 50 * MS_NS, 10 * MB, 50000}, /* "  */
        {10 * MB, 0, 0, MB, 100000},
        {MB, 0, 0, 1, 4},
        {1, 0, 0, MB, 4},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bucket bucket = {0};
        if (cases[i].before)
            bucket_set_rate(&bucket, cases[i].before, S_NS);
        bucket_take(&bucket, cases[i].taken);
        bucket_set_rate(&bucket, cases[i].rate, S_NS + cases[i].after_ns);
        ck_assert_uint_eq(bucket_count(&bucket, S_NS + cases[i].after_ns), cases[i].tokens);
    }
}
END_TEST

START_TEST(what_is_given_back_does_not_overflow)
{
    struct bucket bucket = {0};

    bucket_set_rate(&bucket, MB, S_NS);
    bucket_take(&bucket, 60000);
    bucket_give_back(&bucket, 20000);
    ck_assert_uint_eq(bucket_count(&bucket, S_NS), 60000);
    bucket_give_back(&bucket, 50000);
    ck_assert_uint_eq(bucket_count(&bucket, S_NS), 100000);
}
END_TEST

/* --- streams --- */

static struct ssh_pair pair;
static struct pace *pace;

static void setup(void)
{
    memset(&pair, 0, sizeof pair);
    ssh_pair_open(&pair);
    pace = pace_new(&pair.loop);
    ck_assert_ptr_nonnull(pace);
}

static void teardown(void)
{
    pace_close(pace);
    ssh_pair_close(&pair);
}

/* One that sends as fast as it can, and one that reads as fast as it can. */
struct pump {
    int from, to;
    uint64_t sent, received;
};

static void pump(struct pump *pumps, size_t count, uint64_t until_ns)
{
    static char bytes[262144];

    while (uv_hrtime() < until_ns) {
        bool moved = false;
        for (size_t i = 0; i < count; i++) {
            ssize_t sent = send(pumps[i].from, bytes, sizeof bytes, MSG_NOSIGNAL);
            ssize_t got = recv(pumps[i].to, bytes, sizeof bytes, 0);
            pumps[i].sent += sent > 0 ? (uint64_t)sent : 0;
            pumps[i].received += got > 0 ? (uint64_t)got : 0;
            moved = moved || sent > 0 || got > 0;
        }
        ck_assert_str_eq(pair.hub.down, "");
        ssh_pair_step(&pair, false);
        if (!moved)
            usleep(200);
    }
}

static void expect_bytes(uint64_t got, uint64_t wanted, unsigned percent)
{
    ck_assert_uint_ge(got, percent < 100 ? wanted - wanted * percent / 100 : 1);
    ck_assert_uint_le(got, wanted + wanted * percent / 100);
}

/* A bucket begins full: a tenth of a second, and 1 KiB at the lowest rate. */
static const struct {
    uint64_t rate;
    unsigned seconds, percent;
} RATES[] = {{MB, 3, 5}, {50 * MB, 3, 5}, {1024, 4, 35}, {20480, 2, 8}};

/* Both ways at once, each at its own pace. */
START_TEST(a_rate_is_kept)
{
    uint64_t rate = RATES[_i].rate;
    struct pace *other = pace_new(&pair.loop);

    ssh_pair_tunnels(&pair, 1, false);
    struct tunnel *tunnel = &pair.tunnels[0];
    struct pump both[] = {{.from = tunnel->visitor, .to = tunnel->target},
                          {.from = tunnel->target, .to = tunnel->visitor}};
    pace_set_rate(pace, rate);
    pace_set_rate(other, rate);
    stream_set_pace(tunnel->hub, pace, other);
    pace_close(other);
    pump(both, 2, uv_hrtime() + RATES[_i].seconds * S_NS);
    for (int i = 0; i < 2; i++) {
        expect_bytes(both[i].received, rate * RATES[_i].seconds, RATES[_i].percent);
        /* Backpressure: two windows, the kernel's buffers, and no more. */
        ck_assert_uint_le(both[i].sent - both[i].received, 30 * MB);
    }
}
END_TEST

START_TEST(streams_share_fairly)
{
    enum { COUNT = 8 };
    struct pump pumps[COUNT];
    uint64_t sum = 0;

    ssh_pair_tunnels(&pair, COUNT, false);
    pace_set_rate(pace, 4 * MB);
    for (size_t i = 0; i < COUNT; i++) {
        struct tunnel *tunnel = &pair.tunnels[i];
        bool up = i % 2;
        pumps[i] = (struct pump){.from = up ? tunnel->visitor : tunnel->target,
                                 .to = up ? tunnel->target : tunnel->visitor};
        stream_set_pace(tunnel->hub, up ? pace : NULL, up ? NULL : pace);
    }
    pump(pumps, COUNT, uv_hrtime() + 3 * S_NS);
    for (size_t i = 0; i < COUNT; i++) {
        expect_bytes(pumps[i].received, 3 * MB / 2, 20);
        sum += pumps[i].received;
    }
    expect_bytes(sum, 12 * MB, 5);
}
END_TEST

/* Those who have nothing to say cost the others nothing. */
START_TEST(idle_streams_take_no_share)
{
    enum { COUNT = 20 };
    struct pump one;

    ssh_pair_tunnels(&pair, COUNT, false);
    pace_set_rate(pace, 2 * MB);
    for (size_t i = 0; i < COUNT; i++)
        stream_set_pace(pair.tunnels[i].hub, pace, pace);
    one = (struct pump){.from = pair.tunnels[7].visitor, .to = pair.tunnels[7].target};
    pump(&one, 1, uv_hrtime() + 2 * S_NS);
    expect_bytes(one.received, 4 * MB, 8);
}
END_TEST

START_TEST(a_rate_changes_while_bytes_wait)
{
    static const uint64_t rates[] = {MB, 8 * MB, 1024, 4 * MB, 100000};
    struct pump one;

    ssh_pair_tunnels(&pair, 1, false);
    struct tunnel *tunnel = &pair.tunnels[0];
    pace_set_rate(pace, rates[0]);
    stream_set_pace(tunnel->hub, NULL, pace);
    one = (struct pump){.from = tunnel->target, .to = tunnel->visitor};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        pace_set_rate(pace, rates[i]);
        pump(&one, 1, uv_hrtime() + S_NS / 10); /* what is under way, and what the bucket held */
        one.received = 0;
        pump(&one, 1, uv_hrtime() + S_NS);
        expect_bytes(one.received, rates[i], rates[i] == 1024 ? 130 : 12);
    }
}
END_TEST

/* Takes the rest, far faster than the cap, which would need a year. */
static void expect_free(struct tunnel *tunnel, struct pump *up, struct pump *down)
{
    struct pump both[] = {*up, *down};

    for (int i = 0; i < 500 && (both[0].received < 8 * MB || both[1].received < 8 * MB); i++)
        pump(both, 2, uv_hrtime() + 10 * MS_NS);
    ck_assert_uint_ge(both[0].received, 8 * MB);
    ck_assert_uint_ge(both[1].received, 8 * MB);
    ck_assert_uint_eq(tunnel->ended, 0);
}

START_TEST(a_pace_can_be_lifted)
{
    ssh_pair_tunnels(&pair, 1, false);
    struct tunnel *tunnel = &pair.tunnels[0];
    struct pump up = {.from = tunnel->visitor, .to = tunnel->target};
    struct pump down = {.from = tunnel->target, .to = tunnel->visitor};
    struct pump both[] = {up, down};

    pace_set_rate(pace, 1);
    stream_set_pace(tunnel->hub, pace, pace);
    pump(both, 2, uv_hrtime() + S_NS / 2);
    ck_assert_uint_le(both[0].received + both[1].received, 5);
    if (_i == 0)
        pace_set_rate(pace, 0);
    else if (_i == 1)
        stream_set_pace(tunnel->hub, NULL, NULL);
    else
        pace_set_rate(pace, UINT64_MAX);
    expect_free(tunnel, &up, &down);
}
END_TEST

START_TEST(a_closed_pace_holds_for_those_who_have_it)
{
    ssh_pair_tunnels(&pair, 1, false);
    struct tunnel *tunnel = &pair.tunnels[0];
    struct pump one = {.from = tunnel->visitor, .to = tunnel->target};

    pace_set_rate(pace, MB);
    stream_set_pace(tunnel->hub, pace, NULL);
    pace_close(pace);
    pace = NULL;
    pump(&one, 1, uv_hrtime() + S_NS);
    expect_bytes(one.received, MB, 15);
}
END_TEST

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Both directions wait, both sockets are ready all the time, and the loop sleeps. */
START_TEST(who_waits_does_not_spin)
{
    static char bytes[65536];
    uint64_t end;
    double before;
    unsigned turns = 0;

    ssh_pair_tunnels(&pair, 1, false);
    struct tunnel *tunnel = &pair.tunnels[0];
    pace_set_rate(pace, 1024);
    stream_set_pace(tunnel->hub, pace, pace);
    ck_assert_int_gt(send(tunnel->visitor, bytes, sizeof bytes, 0), 0);
    ck_assert_int_gt(send(tunnel->target, bytes, sizeof bytes, 0), 0);
    for (int i = 0; i < 50; i++)
        ssh_pair_step(&pair, false);
    before = cpu_seconds();
    for (end = uv_hrtime() + 2 * S_NS; uv_hrtime() < end; turns++)
        ssh_pair_step(&pair, true);
    ck_assert_uint_le(turns, 200);
    ck_assert_uint_ge(turns, 4);
    ck_assert(cpu_seconds() - before < 0.5);
    /* Nobody waits: no timer, and nothing else that would keep the loop busy. */
    pace_set_rate(pace, 0);
    for (int i = 0; i < 100; i++)
        ssh_pair_step(&pair, false);
}
END_TEST

enum { HALF_CLOSED = 1, FROM_VISITOR = 2, RESET = 4 };

static const int KINDS[] = {
    0, HALF_CLOSED, FROM_VISITOR, HALF_CLOSED | FROM_VISITOR, RESET, RESET | FROM_VISITOR,
};
#define KIND_COUNT (sizeof KINDS / sizeof *KINDS)

/* One tunnel whose one side sent more than the pace lets through in ten seconds, and then ended. */
struct remainder {
    struct tunnel *tunnel;
    int *from, *to;
    size_t received;
    bool over;
};

static void reset(int *socket)
{
    const struct linger hard = {.l_onoff = 1};

    setsockopt(*socket, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(*socket);
    *socket = -1;
}

static void leave(struct remainder *left, struct tunnel *tunnel, int kind, struct pace *own)
{
    static char bytes[150000];
    bool from_visitor = kind & FROM_VISITOR;

    pace_set_rate(own, 11000);
    *left = (struct remainder){.tunnel = tunnel,
                               .from = from_visitor ? &tunnel->visitor : &tunnel->target,
                               .to = from_visitor ? &tunnel->target : &tunnel->visitor};
    stream_set_pace(tunnel->hub, from_visitor ? own : NULL, from_visitor ? NULL : own);
    pace_close(own);
    if (kind & HALF_CLOSED)
        ck_assert_int_eq(shutdown(*left->to, SHUT_WR), 0);
    ck_assert_int_eq(send(*left->from, bytes, sizeof bytes, 0), sizeof bytes);
    if (!(kind & RESET))
        ck_assert_int_eq(shutdown(*left->from, SHUT_WR), 0);
    for (int i = 0; i < 50; i++)
        ssh_pair_step(&pair, false);
    if (kind & RESET)
        reset(left->from);
}

static void take(struct remainder *left, int kind)
{
    char bytes[16384];
    ssize_t got = left->over ? 1 : recv(*left->to, bytes, sizeof bytes, 0);

    if (left->over || (got < 0 && errno == EAGAIN))
        return;
    left->received += got > 0 ? (size_t)got : 0;
    left->over = got <= 0;
    if (left->over && !(kind & HALF_CLOSED) && got == 0)
        ck_assert_int_eq(shutdown(*left->to, SHUT_WR), 0);
}

/* A slow remainder of an end in order takes longer than a reset would wait, and comes in full; with
 * one side half closed before, the peer's CLOSE comes long before the last byte. */
START_TEST(an_end_in_order_waits_for_all_bytes_and_a_reset_ten_seconds)
{
    struct remainder left[KIND_COUNT];
    uint64_t start = uv_hrtime();
    unsigned open = KIND_COUNT;

    ssh_pair_tunnels(&pair, KIND_COUNT, false);
    for (size_t i = 0; i < KIND_COUNT; i++)
        leave(&left[i], &pair.tunnels[i], KINDS[i], pace_new(&pair.loop));
    while (open > 0) {
        open = 0;
        for (size_t i = 0; i < KIND_COUNT; i++) {
            take(&left[i], KINDS[i]);
            open += pair.tunnels[i].ended < 2;
            if ((KINDS[i] & RESET) && uv_hrtime() - start > 12 * S_NS)
                ck_assert_uint_eq(pair.tunnels[i].ended, 2);
        }
        ssh_pair_step(&pair, true);
    }
    for (size_t i = 0; i < KIND_COUNT; i++) {
        enum stream_end broken = KINDS[i] & FROM_VISITOR ? STREAM_SOCKET_RESET : STREAM_PEER_RESET;
        ck_assert_int_eq(pair.tunnels[i].hub_result.end,
                         KINDS[i] & RESET ? broken : STREAM_FINISHED);
        if (!(KINDS[i] & RESET))
            ck_assert_uint_eq(left[i].received, 150000);
    }
}
END_TEST

START_TEST(a_paced_stream_can_be_aborted)
{
    static char bytes[65536];

    ssh_pair_tunnels(&pair, 2, false);
    pace_set_rate(pace, 1);
    for (size_t i = 0; i < 2; i++) {
        stream_set_pace(pair.tunnels[i].hub, pace, pace);
        ck_assert_int_gt(send(pair.tunnels[i].visitor, bytes, sizeof bytes, 0), 0);
        ck_assert_int_gt(send(pair.tunnels[i].target, bytes, sizeof bytes, 0), 0);
    }
    for (int i = 0; i < 100; i++)
        ssh_pair_step(&pair, false);
    stream_abort(pair.tunnels[0].hub, "closed by an operator");
    while (pair.tunnels[0].ended < 2)
        ssh_pair_step(&pair, true);
    ck_assert_int_eq(pair.tunnels[0].hub_result.end, STREAM_ABORTED);
    ck_assert_uint_eq(pair.tunnels[1].ended, 0);
}
END_TEST

static void add_streams(TCase *group)
{
    tcase_add_loop_test(group, a_rate_is_kept, 0, (int)(sizeof RATES / sizeof *RATES));
    tcase_add_test(group, streams_share_fairly);
    tcase_add_test(group, idle_streams_take_no_share);
    tcase_add_test(group, a_rate_changes_while_bytes_wait);
    tcase_add_loop_test(group, a_pace_can_be_lifted, 0, 3);
    tcase_add_test(group, a_closed_pace_holds_for_those_who_have_it);
    tcase_add_test(group, who_waits_does_not_spin);
    tcase_add_test(group, an_end_in_order_waits_for_all_bytes_and_a_reset_ten_seconds);
    tcase_add_test(group, a_paced_stream_can_be_aborted);
}

int main(void)
{
    Suite *suite = suite_create("pace");
    TCase *bucket = tcase_create("bucket"), *streams = tcase_create("streams");

    tcase_add_test(bucket, a_bucket_holds_a_tenth_of_a_second);
    tcase_add_test(bucket, tokens_come_with_time);
    tcase_add_test(bucket, fractions_of_tokens_add_up);
    tcase_add_test(bucket, a_change_of_rate_keeps_what_fits);
    tcase_add_test(bucket, what_is_given_back_does_not_overflow);
    suite_add_tcase(suite, bucket);
    tcase_add_checked_fixture(streams, setup, teardown);
    tcase_set_timeout(streams, 60);
    add_streams(streams);
    suite_add_tcase(suite, streams);
    return suite_run(suite);
}
