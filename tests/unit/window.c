/* How a channel's window grows: the rule, the budget, the account of what libssh announced. */
#define _GNU_SOURCE
#include "ssh/window.h"

#include "suite.h"

#define MIB (1u << 20)
#define MS  1000u

static const struct {
    const char *what;
    uint32_t target;
    uint32_t elapsed_ms, rtt_ms;
    size_t waited, allowed;
    uint32_t next;
} rule[] = {
    {"half in a round trip doubles", MIB * 2, 40, 40, 0, WINDOW_MAX, MIB * 4},
    {"libssh's own is doubled first", WINDOW_OWN, 50, 40, 0, WINDOW_MAX, 2 * WINDOW_OWN},
    {"one and a half round trips are still demand", MIB * 2, 60, 40, 0, WINDOW_MAX, MIB * 4},
    {"a slower peer has enough", MIB * 2, 61, 40, 0, WINDOW_MAX, MIB * 2},
    {"no round trip, no growth", MIB * 2, 1, 0, 0, WINDOW_MAX, MIB * 2},
    {"a short line needs none", WINDOW_OWN, 1, 0, 0, WINDOW_MAX, WINDOW_OWN},
    {"some bytes waited for a moment", MIB * 2, 40, 40, MIB / 4, WINDOW_MAX, MIB * 4},
    {"the socket is not much faster", MIB * 2, 40, 40, MIB / 2, WINDOW_MAX, MIB * 2},
    {"a peer that uses little needs less", MIB * 8, 481, 40, 0, WINDOW_MAX, MIB * 4},
    {"not knowing the round trip, it stays", MIB * 8, 481, 0, 0, WINDOW_MAX, MIB * 8},
    {"the socket is slower", MIB * 4, 40, 40, MIB * 3, WINDOW_MAX, MIB * 2},
    {"never below libssh's own", WINDOW_OWN, 40, 40, MIB, WINDOW_MAX, WINDOW_OWN},
    {"an idle one gives it back", MIB * 16, 10001, 40, 0, WINDOW_MAX, WINDOW_OWN},
    {"an idle one on a very long line, too", MIB * 16, 10001, 20000, 0, WINDOW_MAX, WINDOW_OWN},
    {"the budget bounds growth", MIB * 2, 40, 40, 0, MIB * 3, MIB * 3},
    {"the budget takes back", MIB * 16, 400, 40, 0, MIB * 3, MIB * 3},
    {"the most", WINDOW_MAX, 40, 40, 0, WINDOW_MAX, WINDOW_MAX},
};

START_TEST(the_rule)
{
    struct window_sight sight = {
        .target = rule[_i].target,
        .elapsed_us = (uint64_t)rule[_i].elapsed_ms * MS,
        .rtt_us = (uint64_t)rule[_i].rtt_ms * MS,
        .waited = rule[_i].waited,
        .allowed = rule[_i].allowed,
    };

    ck_assert_msg(window_next(&sight) == rule[_i].next, "%s: %u", rule[_i].what,
                  window_next(&sight));
}
END_TEST

START_TEST(the_budget_leaves_something_for_the_next)
{
    ck_assert_uint_eq(window_allowed(0, 0), WINDOW_MAX);
    ck_assert_uint_eq(window_allowed(WINDOW_MAX, WINDOW_MAX), WINDOW_MAX);
    ck_assert_uint_eq(window_allowed(WINDOW_BUDGET - 4 * MIB, 0), WINDOW_OWN + MIB);
    ck_assert_uint_eq(window_allowed(WINDOW_BUDGET, 0), WINDOW_OWN);
    ck_assert_uint_eq(window_allowed(WINDOW_BUDGET + MIB, 0), WINDOW_OWN);
}
END_TEST

/* Takes `bytes` in packets, with a credit whenever it is due, a packet each 100 microseconds. */
static void take(struct window *window, size_t bytes, uint64_t *now_us)
{
    uint32_t due;

    for (size_t taken = 0; taken < bytes; taken += 32768) {
        window_used(window, 32768);
        window_look(window, 0, 0, 40 * MS, *now_us += 100);
        if ((due = window_due(window)) > 0)
            window_announced(window, due);
    }
}

START_TEST(many_streams_get_equal_shares)
{
    static struct window windows[100];
    static uint64_t now_us[100];
    uint32_t least = WINDOW_MAX, most = 0;

    for (size_t i = 0; i < 100; i++)
        window_init(&windows[i]);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 100; i++)
            take(&windows[i], 2 * MIB, &now_us[i]);
        ck_assert_uint_le(window_total(), WINDOW_BUDGET);
    }
    for (size_t i = 0; i < 100; i++) {
        least = windows[i].target < least ? windows[i].target : least;
        most = windows[i].target > most ? windows[i].target : most;
    }
    ck_assert_uint_gt(least, WINDOW_OWN + 3 * MIB / 2);
    ck_assert_uint_lt(most, least + least / 2);
    for (size_t i = 0; i < 100; i++)
        window_release(&windows[i]);
    ck_assert_uint_eq(window_total(), 0);
}
END_TEST

START_TEST(what_was_announced_counts_until_it_is_used)
{
    struct window window;
    size_t waiting = 0, kept = 0;
    uint64_t now_us = 1000000;

    window_init(&window);
    window.since_us = now_us;
    take(&window, 40 * MIB, &now_us);
    ck_assert_uint_eq(window.target, WINDOW_MAX);
    ck_assert_uint_gt(window_total(), WINDOW_MAX / 4 * 3 - WINDOW_OWN);
    /* The socket stalls: no more is announced, and what comes is counted as before. */
    while (window.outstanding > 0) {
        window_used(&window, 32768);
        waiting += 32768;
        kept += window_is_grown(&window) ? 0 : 32768;
        window_look(&window, waiting, kept, 40 * MS, now_us += 100);
        ck_assert_uint_le(window_total(), WINDOW_MAX - WINDOW_OWN + 32768);
    }
    ck_assert_uint_le(window.target, WINDOW_MAX / 4);
    ck_assert_uint_gt(window_total(), 10 * MIB);
    window_drained(&window, 0, 0);
    ck_assert_uint_eq(window_total(), 0);
    window_release(&window);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("window");
    TCase *group = tcase_create("window");

    tcase_add_loop_test(group, the_rule, 0, sizeof rule / sizeof *rule);
    tcase_add_test(group, the_budget_leaves_something_for_the_next);
    if (window_can_grow()) {
        tcase_add_test(group, many_streams_get_equal_shares);
        tcase_add_test(group, what_was_announced_counts_until_it_is_used);
    }
    suite_add_tcase(suite, group);
    return suite_run(suite);
}
