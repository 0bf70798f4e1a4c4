/* Backoff of the agent's uplink: bounds at both ends of the randomness. */
#include "suite.h"
#include "tunnel-agent/retry.h"

START_TEST(first_retry_comes_within_a_second)
{
    struct retry low = {0}, high = {0};
    ck_assert_uint_eq(retry_next_ms(&low, 0), 0);
    ck_assert_uint_eq(retry_next_ms(&high, 1000), 1000);
    for (uint32_t random = 0; random < 5000; random += 7) {
        struct retry retry = {0};
        ck_assert_uint_le(retry_next_ms(&retry, random), RETRY_FIRST_MS);
    }
}
END_TEST

START_TEST(later_retries_double_up_to_the_most)
{
    static const uint64_t ceilings[] = {2000, 4000, 8000, 8000, 8000, 8000};
    struct retry low = {0}, high = {0};
    (void)retry_next_ms(&low, 0);
    (void)retry_next_ms(&high, 0);
    for (size_t i = 0; i < sizeof ceilings / sizeof ceilings[0]; i++) {
        ck_assert_uint_eq(retry_next_ms(&low, 0), ceilings[i] / 2);
        ck_assert_uint_eq(retry_next_ms(&high, (uint32_t)ceilings[i] / 2), ceilings[i]);
    }
}
END_TEST

START_TEST(never_beyond_the_most_after_years)
{
    struct retry retry = {0};
    uint64_t delay = 0;
    for (unsigned i = 0; i < 100000; i++)
        delay = retry_next_ms(&retry, i * 2654435761u);
    ck_assert_uint_ge(delay, RETRY_MOST_MS / 2);
    ck_assert_uint_le(delay, RETRY_MOST_MS);
    retry_reset(&retry);
    ck_assert_uint_le(retry_next_ms(&retry, 4000000000u), RETRY_FIRST_MS);
}
END_TEST

START_TEST(jitter_is_a_fifth_either_way)
{
    ck_assert_uint_eq(retry_jitter_ms(60000, 0), 48000);
    ck_assert_uint_eq(retry_jitter_ms(60000, 24000), 72000);
    for (uint32_t i = 0; i < 1000; i++) {
        uint64_t delay = retry_jitter_ms(30000, retry_random());
        ck_assert_uint_ge(delay, 24000);
        ck_assert_uint_le(delay, 36000);
    }
}
END_TEST

static const struct {
    const char *reason;
    uint64_t ms; /* 0: no hint */
} hints[] = {
    {"closed by peer: the hub restarts, retry after 7 s", 7000},
    {"retry after 1 s", 1000},
    {"retry after 300 s", 300000},
    {"retry after 5 s, or retry after 9 s", 9000},
    {"no SSH key exchange: Received SSH_MSG_DISCONNECT: 11:too many logins, retry after 20 s",
     20000},
    {"retry after 301 s", 0},
    {"retry after 0 s", 0},
    {"retry after 07 s", 0},
    {"retry after -1 s", 0},
    {"retry after 99999999999999999999 s", 0},
    {"retry after 7 s.", 0},
    {"retry after 7 seconds", 0},
    {"retry after 7s", 0},
    {"retry after  s", 0},
    {"retry after ", 0},
    {"closed by peer", 0},
    {"", 0},
};

START_TEST(hints_of_the_hub)
{
    uint64_t ms = 0;
    ck_assert_int_eq(retry_hint_ms(hints[_i].reason, &ms), hints[_i].ms > 0);
    ck_assert_uint_eq(ms, hints[_i].ms);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agent_retry");
    TCase *tests = tcase_create("retry");
    tcase_add_test(tests, first_retry_comes_within_a_second);
    tcase_add_test(tests, later_retries_double_up_to_the_most);
    tcase_add_test(tests, never_beyond_the_most_after_years);
    tcase_add_test(tests, jitter_is_a_fifth_either_way);
    tcase_add_loop_test(tests, hints_of_the_hub, 0, sizeof hints / sizeof hints[0]);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
