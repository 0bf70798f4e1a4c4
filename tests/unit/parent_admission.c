/* Who of the strangers gets a slot, who goes for whom, when the others come back. */
#define _GNU_SOURCE
#include "parent/admission.h"
#include "suite.h"

static const struct source_facts stranger = {0, false, false}, known = {0, true, false};

static enum admission judge(uint64_t logins, bool is_known, bool owes, size_t taken)
{
    const struct source_facts facts = {logins, is_known, owes};
    return admission_judge(&facts, taken, 100);
}

START_TEST(slots_and_shares)
{
    ck_assert_int_eq(judge(0, false, false, 0), ADMIT);
    ck_assert_int_eq(judge(24, false, false, 99), ADMIT);
    ck_assert_int_eq(judge(25, false, false, 25), REFUSE_SHARE);
    ck_assert_int_eq(judge(99, true, false, 99), ADMIT);
    ck_assert_int_eq(judge(0, false, false, 100), ADMIT_FOR_ANOTHER);
    ck_assert_int_eq(judge(100, true, false, 100), ADMIT_FOR_ANOTHER);
    ck_assert_int_eq(judge(0, false, true, 0), REFUSE_OWING);
    ck_assert_int_eq(judge(0, true, true, 0), ADMIT);
    ck_assert_int_eq(admission_judge(&stranger, 0, 1), ADMIT);
}
END_TEST

START_TEST(strangers_yield_to_known_sources)
{
    const struct slot_holder fresh = {stranger, 0}, site = {known, 99999};
    ck_assert(admission_yields(&fresh, &known));
    ck_assert(!admission_yields(&fresh, &stranger));
    ck_assert(!admission_yields(&site, &known));
    ck_assert(!admission_yields(&site, &stranger));
    ck_assert(admission_goes_first(&fresh, &site));
    ck_assert(!admission_goes_first(&site, &fresh));
}
END_TEST

START_TEST(the_larger_source_and_the_slower_login_yield)
{
    struct slot_holder one = {{2, false, false}, 10}, many = {{9, false, false}, 0};
    const struct source_facts newcomer = {1, false, false};
    ck_assert(!admission_yields(&one, &newcomer));
    ck_assert(admission_yields(&many, &newcomer));
    ck_assert(admission_goes_first(&many, &one));
    one.held_ms = ADMISSION_SLOW_MS;
    ck_assert(admission_yields(&one, &newcomer));
    many.source.logins = 2;
    ck_assert(admission_goes_first(&one, &many));
    ck_assert(!admission_goes_first(&many, &one));
}
END_TEST

START_TEST(capacity_is_the_best_second)
{
    struct capacity capacity = {0};
    ck_assert_uint_eq(capacity_per_s(&capacity, 200), 200);
    for (uint64_t i = 0; i < 640; i++)
        capacity_count(&capacity, 5000 + i);
    ck_assert_uint_eq(capacity_per_s(&capacity, 200), 640);
    capacity_count(&capacity, 6000);
    ck_assert_uint_eq(capacity_per_s(&capacity, 200), 640);
    capacity_count(&capacity, 7000);
    ck_assert_uint_eq(capacity_per_s(&capacity, 200), 630);
    for (uint64_t i = 0; i < 500; i++)
        capacity_count(&capacity, 10000 + 1000 * i);
    ck_assert_uint_eq(capacity_per_s(&capacity, 200), 200);
}
END_TEST

START_TEST(logins_are_spread_over_what_the_hub_can_do)
{
    ck_assert_uint_eq(spread_s(0, 200), 1);
    ck_assert_uint_eq(spread_s(199, 200), 1);
    ck_assert_uint_eq(spread_s(1000, 200), 6);
    ck_assert_uint_eq(spread_s(1000000, 200), SPREAD_MAX_S);
    ck_assert_uint_eq(spread_s(10, 0), 11);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parent_admission");
    TCase *cases = tcase_create("admission");
    tcase_add_test(cases, slots_and_shares);
    tcase_add_test(cases, strangers_yield_to_known_sources);
    tcase_add_test(cases, the_larger_source_and_the_slower_login_yield);
    tcase_add_test(cases, capacity_is_the_best_second);
    tcase_add_test(cases, logins_are_spread_over_what_the_hub_can_do);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
