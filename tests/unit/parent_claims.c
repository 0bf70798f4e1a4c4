/* Claims: one publisher for each site, whatever the order of events.  Time is ours. */
#define _GNU_SOURCE
#include "parent/claims.h"
#include "suite.h"

#define CHECK(outcome, g, e, r, p)                                                                 \
    do {                                                                                           \
        struct claim_outcome o = (outcome);                                                        \
        ck_assert_uint_eq(o.granted, g);                                                           \
        ck_assert_uint_eq(o.evicted, e);                                                           \
        ck_assert_uint_eq(o.refused, r);                                                           \
        ck_assert_uint_eq(o.probe, p);                                                             \
    } while (0)

START_TEST(first_comer_publishes)
{
    struct claim claim = {0};
    CHECK(claim_ask(&claim, 1, false, 0, 0), 1, 0, 0, 0);
    CHECK(claim_ask(&claim, 1, false, 0, 5), 1, 0, 0, 0);
    ck_assert_int_eq(claim.state, CLAIM_HELD);
    CHECK(claim_gone(&claim, 1), 0, 0, 0, 0);
    ck_assert_int_eq(claim.state, CLAIM_FREE);
    CHECK(claim_ask(&claim, 2, false, 0, 9), 2, 0, 0, 0);
}
END_TEST

START_TEST(silent_holder_is_evicted)
{
    struct claim claim = {0};
    (void)claim_ask(&claim, 1, false, 0, 0);
    CHECK(claim_ask(&claim, 2, false, 200000, 1000), 0, 0, 0, 1);
    ck_assert_uint_eq(claim.deadline_ms, 1800);
    CHECK(claim_ask(&claim, 2, false, 200000, 1100), 0, 0, 0, 0);
    ck_assert_uint_eq(claim.deadline_ms, 1800);
    CHECK(claim_expire(&claim, 1799), 0, 0, 0, 0);
    CHECK(claim_expire(&claim, 1800), 2, 1, 0, 0);
    ck_assert_uint_eq(claim.holder, 2);
    CHECK(claim_gone(&claim, 1), 0, 0, 0, 0);
    ck_assert_uint_eq(claim.holder, 2);
    CHECK(claim_expire(&claim, 99999), 0, 0, 0, 0);
}
END_TEST

START_TEST(living_holder_stays)
{
    struct claim claim = {0};
    (void)claim_ask(&claim, 1, false, 0, 0);
    (void)claim_ask(&claim, 2, false, 0, 1000);
    CHECK(claim_alive(&claim, 2), 0, 0, 0, 0);
    CHECK(claim_alive(&claim, 1), 0, 0, 2, 0);
    ck_assert_int_eq(claim.state, CLAIM_HELD);
    CHECK(claim_alive(&claim, 1), 0, 0, 0, 0);
    CHECK(claim_expire(&claim, 99999), 0, 0, 0, 0);
    ck_assert_uint_eq(claim.holder, 1);
}
END_TEST

/* What is heard gives it more time, an answer or the longest time keeps it, silence does not. */
START_TEST(heard_holder_gets_more_time)
{
    struct claim claim = {0};
    (void)claim_ask(&claim, 1, false, 0, 0);
    claim_heard(&claim, 1); /* before anybody asked */
    (void)claim_ask(&claim, 2, false, 200000, 1000);
    CHECK(claim_expire(&claim, 1800), 2, 1, 0, 0);
    (void)claim_ask(&claim, 3, false, 200000, 2000);
    claim_heard(&claim, 3);
    claim_heard(&claim, 2);
    ck_assert(claim_expire(&claim, 2800).longer);
    ck_assert_uint_eq(claim.deadline_ms, 3600);
    CHECK(claim_expire(&claim, 3600), 3, 2, 0, 0);
    (void)claim_ask(&claim, 4, false, 0, 10000);
    for (uint64_t at = 13000; at <= 19000; at += 3000) {
        ck_assert_int_eq(claim.state, CLAIM_CONTESTED);
        ck_assert_uint_eq(claim.deadline_ms, at);
        claim_heard(&claim, 3);
        ck_assert(claim_expire(&claim, at).longer);
    }
    claim_heard(&claim, 3);
    CHECK(claim_expire(&claim, 22000), 0, 0, 4, 0);
    ck_assert_uint_eq(claim.holder, 3);
}
END_TEST

START_TEST(third_is_refused_during_a_contest)
{
    struct claim claim = {0};
    (void)claim_ask(&claim, 1, false, 0, 0);
    (void)claim_ask(&claim, 2, false, 0, 0);
    CHECK(claim_ask(&claim, 3, false, 0, 1), 0, 0, 3, 0);
    CHECK(claim_gone(&claim, 3), 0, 0, 0, 0);
    ck_assert_int_eq(claim.state, CLAIM_CONTESTED);
}
END_TEST

START_TEST(either_side_may_die_in_a_contest)
{
    struct claim claim = {0};
    (void)claim_ask(&claim, 1, false, 0, 0);
    (void)claim_ask(&claim, 2, false, 0, 0);
    CHECK(claim_gone(&claim, 1), 2, 0, 0, 0);
    ck_assert_uint_eq(claim.holder, 2);
    (void)claim_ask(&claim, 3, false, 0, 0);
    CHECK(claim_gone(&claim, 3), 0, 0, 0, 0);
    ck_assert_int_eq(claim.state, CLAIM_HELD);
    ck_assert_uint_eq(claim.holder, 2);
    CHECK(claim_expire(&claim, 99999), 0, 0, 0, 0);
}
END_TEST

START_TEST(pending_key_supersedes)
{
    struct claim claim = {0};
    (void)claim_ask(&claim, 1, false, 0, 0);
    CHECK(claim_ask(&claim, 2, true, 0, 0), 2, 1, 0, 0);
    (void)claim_ask(&claim, 3, false, 0, 0);
    CHECK(claim_ask(&claim, 4, true, 0, 0), 4, 2, 3, 0);
    (void)claim_ask(&claim, 5, false, 0, 0);
    CHECK(claim_ask(&claim, 5, true, 0, 0), 5, 4, 0, 0);
    ck_assert_int_eq(claim.state, CLAIM_HELD);
}
END_TEST

START_TEST(probe_time_is_bounded)
{
    static const struct {
        uint64_t rtt_us, wait_ms;
    } table[] = {{0, 3000},      {100, 500},     {125000, 500},
                 {300000, 1200}, {750000, 3000}, {9000000, 3000}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct claim claim = {0};
        (void)claim_ask(&claim, 1, false, 0, 0);
        (void)claim_ask(&claim, 2, false, table[i].rtt_us, 7);
        ck_assert_uint_eq(claim.deadline_ms, 7 + table[i].wait_ms);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parent_claims");
    TCase *cases = tcase_create("claims");
    tcase_add_test(cases, first_comer_publishes);
    tcase_add_test(cases, silent_holder_is_evicted);
    tcase_add_test(cases, living_holder_stays);
    tcase_add_test(cases, heard_holder_gets_more_time);
    tcase_add_test(cases, third_is_refused_during_a_contest);
    tcase_add_test(cases, either_side_may_die_in_a_contest);
    tcase_add_test(cases, pending_key_supersedes);
    tcase_add_test(cases, probe_time_is_bounded);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
