/* How much is too much, of a session and of a worker. */
#define _GNU_SOURCE
#include "parent/flood.h"
#include "suite.h"

static enum flood_verdict many(struct flood_count *count, unsigned messages, unsigned units,
                               uint64_t now_ms)
{
    enum flood_verdict verdict = FLOOD_NONE;
    for (unsigned i = 0; i < messages; i++)
        verdict = flood_message(count, units, now_ms);
    return verdict;
}

START_TEST(a_session_has_its_units_each_second)
{
    struct flood_count count = {0};
    ck_assert_int_eq(many(&count, FLOOD_UNITS, 1, 5000), FLOOD_NONE);
    ck_assert_int_eq(many(&count, FLOOD_UNITS, 1, 6000), FLOOD_NONE);
    ck_assert_int_eq(many(&count, 1, 1, 6999), FLOOD_OF_SESSION);
    ck_assert_int_eq(many(&count, 1, 1, 7000), FLOOD_NONE);
}
END_TEST

START_TEST(costly_messages_count_more)
{
    struct flood_count count = {0};
    ck_assert_int_eq(many(&count, FLOOD_UNITS / 40, 40, 5000), FLOOD_NONE);
    ck_assert_int_eq(many(&count, 1, 40, 5000), FLOOD_OF_SESSION);
}
END_TEST

START_TEST(who_goes_on_all_the_same_is_hostile)
{
    struct flood_count count = {0};
    ck_assert_int_eq(many(&count, FLOOD_MESSAGES, 1, 5000), FLOOD_OF_SESSION);
    ck_assert_int_eq(many(&count, 1, 1, 5000), FLOOD_OF_WORKER);
}
END_TEST

/* So many rounds of a second, with this share of it. */
static bool rounds(struct flood_share *share, unsigned count, unsigned percent)
{
    bool flood = false;
    for (unsigned i = 0; i < count; i++)
        flood = flood_round(share, share->busy_us + 10000u * percent, share->since_ms + 1000);
    return flood;
}

START_TEST(a_worker_may_be_busy_for_a_while)
{
    struct flood_share share = {0};
    ck_assert(!flood_round(&share, 900000, 123456)); /* the first tells nothing */
    ck_assert(!rounds(&share, FLOOD_ROUNDS - 1, 90));
    ck_assert(!rounds(&share, 1, FLOOD_PERCENT - 1));
    ck_assert(!rounds(&share, FLOOD_ROUNDS - 1, 90));
    ck_assert(rounds(&share, 1, FLOOD_PERCENT));
}
END_TEST

START_TEST(a_late_round_is_judged_by_its_length)
{
    struct flood_share share = {0};
    (void)rounds(&share, 1, 0);
    for (int i = 0; i < 2 * FLOOD_ROUNDS; i++)
        ck_assert(!flood_round(&share, share.busy_us + 900000, share.since_ms + 2000));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parent_flood");
    TCase *tests = tcase_create("flood");
    tcase_add_test(tests, a_session_has_its_units_each_second);
    tcase_add_test(tests, costly_messages_count_more);
    tcase_add_test(tests, who_goes_on_all_the_same_is_hostile);
    tcase_add_test(tests, a_worker_may_be_busy_for_a_while);
    tcase_add_test(tests, a_late_round_is_judged_by_its_length);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
