/* The watchdog's judgement, the order of hub addresses, and the hub's hint: tables and times. */
#include <string.h>

#include "suite.h"
#include "tunnel-agent/round.h"
#include "tunnel-agent/watchdog.h"

static struct watchdog watchdog;
static struct fault why;
static uint64_t now_ms, lost;

static enum watchdog_verdict look(size_t wanted, size_t published, size_t refused, size_t leaving,
                                  uint64_t answers)
{
    const struct forward_tally tally = {wanted, published, refused, leaving, answers, lost};
    why.text[0] = '\0';
    return watchdog_judge(&watchdog, &tally, now_ms, &why);
}

static void fresh(void)
{
    watchdog = (struct watchdog){0};
    now_ms = 1000;
}

START_TEST(all_is_well_for_ever)
{
    for (fresh(); now_ms < 1000000000; now_ms += 10000000) {
        ck_assert_int_eq(look(3, 3, 0, 0, 3), WATCHDOG_FINE);
        ck_assert_int_eq(look(0, 0, 0, 0, 3), WATCHDOG_FINE);
        ck_assert_int_eq(look(3, 2, 1, 0, 3), WATCHDOG_FINE); /* repeated by the list itself */
    }
}
END_TEST

START_TEST(no_answer)
{
    for (size_t leaving = 0; leaving < 2; leaving++) {
        fresh();
        size_t published = leaving > 0 ? 3 : 1;
        ck_assert_int_eq(look(3, published, 0, leaving, 1), WATCHDOG_FINE);
        now_ms += WATCHDOG_REPAIR_MS - 1;
        ck_assert_int_eq(look(3, published, 0, leaving, 1), WATCHDOG_FINE);
        now_ms += 1;
        ck_assert_int_eq(look(3, published, 0, leaving, 1), WATCHDOG_ASK_AGAIN);
        ck_assert_ptr_nonnull(strstr(why.text, "asking again"));
        now_ms += 1;
        ck_assert_int_eq(look(3, published, 0, leaving, 1), WATCHDOG_FINE);
        now_ms += WATCHDOG_RESTART_MS - WATCHDOG_REPAIR_MS - 1;
        ck_assert_int_eq(look(3, published, 0, leaving, 1), WATCHDOG_RESTART);
        ck_assert_ptr_nonnull(strstr(why.text, "new session"));
    }
}
END_TEST

START_TEST(slow_answers_are_progress)
{
    fresh();
    for (uint64_t answers = 0; answers < 100; answers++) {
        ck_assert_int_eq(look(4096, answers, 0, 0, answers), WATCHDOG_FINE);
        now_ms += WATCHDOG_REPAIR_MS - 1;
    }
}
END_TEST

START_TEST(the_hub_lost_some)
{
    fresh();
    ck_assert_int_eq(look(3, 3, 0, 0, 3), WATCHDOG_FINE);
    lost = 2;
    ck_assert_int_eq(look(3, 1, 0, 0, 3), WATCHDOG_ASK_AGAIN);
    ck_assert_ptr_nonnull(strstr(why.text, "did not publish 2 of the forwards"));
    ck_assert_int_eq(look(3, 3, 0, 0, 5), WATCHDOG_FINE);
    watchdog_reset(&watchdog);
    ck_assert_int_eq(look(3, 3, 0, 0, 5), WATCHDOG_FINE);
    lost = 0;
}
END_TEST

START_TEST(a_new_session_begins_anew)
{
    fresh();
    ck_assert_int_eq(look(3, 0, 0, 0, 7), WATCHDOG_FINE);
    watchdog_reset(&watchdog);
    now_ms += WATCHDOG_RESTART_MS;
    ck_assert_int_eq(look(3, 0, 0, 0, 7), WATCHDOG_FINE);
}
END_TEST

/* Asked for again every half a minute, and refused each time: a new session, ever more rarely. */
START_TEST(all_refused)
{
    uint64_t last = 0, gap = 0;
    unsigned restarts = 0, answers = 0;
    for (fresh(); now_ms < 24 * 3600000; now_ms += 5000) {
        bool asking = now_ms / 5000 % 6 == 0;
        answers += asking;
        enum watchdog_verdict verdict = look(2, 0, asking ? 1 : 2, 0, answers);
        ck_assert_int_ne(verdict, WATCHDOG_ASK_AGAIN);
        if (verdict == WATCHDOG_FINE)
            continue;
        ck_assert_ptr_nonnull(strstr(why.text, "refused all 2"));
        ck_assert_uint_ge(now_ms - last, WATCHDOG_REFUSED_MS);
        ck_assert_uint_ge(now_ms - last + 30000, gap);
        gap = now_ms - last;
        last = now_ms;
        restarts++;
    }
    ck_assert_uint_ge(restarts, 20);
    ck_assert_uint_le(restarts, 40);
}
END_TEST

START_TEST(patience_starts_over_after_success)
{
    fresh();
    ck_assert_int_eq(look(1, 0, 1, 0, 1), WATCHDOG_FINE);
    now_ms += WATCHDOG_REFUSED_MS;
    ck_assert_int_eq(look(1, 0, 1, 0, 2), WATCHDOG_RESTART);
    ck_assert_int_eq(look(1, 1, 0, 0, 3), WATCHDOG_FINE);
    ck_assert_int_eq(look(1, 0, 1, 0, 4), WATCHDOG_FINE);
    now_ms += WATCHDOG_REFUSED_MS;
    ck_assert_int_eq(look(1, 0, 1, 0, 5), WATCHDOG_RESTART);
}
END_TEST

/* --- rounds ----------------------------------------------------------------------------------- */

START_TEST(every_address_once)
{
    struct round round;
    ck_assert_int_eq(round_init(&round, 3), 0);
    round.at = 1; /* worked last */
    ck_assert(round_find(&round, 0));
    ck_assert_uint_eq(round.at, 1);
    ck_assert(round_advance(&round));
    ck_assert_uint_eq(round.at, 2);
    ck_assert(round_advance(&round));
    ck_assert_uint_eq(round.at, 0);
    ck_assert(!round_advance(&round));
    ck_assert_uint_eq(round.at, 1);
    round_end(&round);
    ck_assert_uint_eq(round.in_vain, 1);
    ck_assert(round_find(&round, 0));
    round_release(&round);
}
END_TEST

START_TEST(addresses_rest)
{
    struct round round;
    ck_assert_int_eq(round_init(&round, 3), 0);
    round_rest(&round, 500);
    ck_assert_uint_eq(round_shortest_rest_ms(&round, 100), 0);
    ck_assert(round_find(&round, 100));
    ck_assert_uint_eq(round.at, 1);
    round_rest(&round, 300);
    ck_assert(round_find(&round, 100));
    ck_assert_uint_eq(round.at, 2);
    round_rest(&round, 400);
    ck_assert(!round_find(&round, 100));
    ck_assert_uint_eq(round_shortest_rest_ms(&round, 100), 200);
    round_end(&round);
    ck_assert(round_find(&round, 300));
    ck_assert_uint_eq(round.at, 1);
    round_release(&round);
}
END_TEST

START_TEST(reasons_are_bounded)
{
    struct round round;
    ck_assert_int_eq(round_init(&round, 1), 0);
    round_note(&round, "a:1", "no");
    round_note(&round, "b:2", "never");
    ck_assert_str_eq(round.reasons, "a:1: no; b:2: never");
    for (int i = 0; i < 1000; i++)
        round_note(&round, "a:1", "no");
    ck_assert_uint_lt(strlen(round.reasons), sizeof round.reasons);
    round_forget(&round);
    ck_assert_str_eq(round.reasons, "");
    round_release(&round);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agent_watchdog");
    TCase *tests = tcase_create("watchdog");
    tcase_add_test(tests, all_is_well_for_ever);
    tcase_add_test(tests, no_answer);
    tcase_add_test(tests, slow_answers_are_progress);
    tcase_add_test(tests, the_hub_lost_some);
    tcase_add_test(tests, a_new_session_begins_anew);
    tcase_add_test(tests, all_refused);
    tcase_add_test(tests, patience_starts_over_after_success);
    tcase_add_test(tests, every_address_once);
    tcase_add_test(tests, addresses_rest);
    tcase_add_test(tests, reasons_are_bounded);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
