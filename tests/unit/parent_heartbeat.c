/* Heartbeats of workers: who is stuck, counted in rounds. */
#define _GNU_SOURCE
#include "parent/heartbeat.h"
#include "suite.h"

static void rounds(struct heartbeat *heartbeat, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        ck_assert_int_eq(heartbeat_round(heartbeat), HEARTBEAT_WAIT);
}

START_TEST(an_answer_in_time_keeps_it)
{
    struct heartbeat heartbeat = {0};
    for (uint64_t number = 1; number < 5; number++) {
        ck_assert_int_eq(heartbeat_round(&heartbeat), HEARTBEAT_ASK);
        ck_assert_uint_eq(heartbeat.asked, number);
        rounds(&heartbeat, HEARTBEAT_ROUNDS - 1);
        ck_assert_int_eq(heartbeat_answer(&heartbeat, number), 0);
    }
}
END_TEST

START_TEST(silence_is_being_stuck)
{
    struct heartbeat heartbeat = {0};
    ck_assert_int_eq(heartbeat_round(&heartbeat), HEARTBEAT_ASK);
    rounds(&heartbeat, HEARTBEAT_ROUNDS - 1);
    ck_assert_int_eq(heartbeat_round(&heartbeat), HEARTBEAT_STUCK);
}
END_TEST

START_TEST(answers_that_nobody_asked_for)
{
    struct heartbeat heartbeat = {0};
    ck_assert_int_eq(heartbeat_answer(&heartbeat, 0), -1);
    ck_assert_int_eq(heartbeat_answer(&heartbeat, 1), -1);
    ck_assert_int_eq(heartbeat_round(&heartbeat), HEARTBEAT_ASK);
    ck_assert_int_eq(heartbeat_answer(&heartbeat, 2), -1);
    ck_assert_int_eq(heartbeat_answer(&heartbeat, 1), 0);
    ck_assert_int_eq(heartbeat_answer(&heartbeat, 1), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parent_heartbeat");
    TCase *cases = tcase_create("heartbeat");
    tcase_add_test(cases, an_answer_in_time_keeps_it);
    tcase_add_test(cases, silence_is_being_stuck);
    tcase_add_test(cases, answers_that_nobody_asked_for);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
