/* When a session has come to rest: once after each busy time, and not before its time. */
#include "ssh/rest.h"

#include "suite.h"

static struct rest rest;
static uint64_t now_ms, bytes;

static void setup(void)
{
    rest = (struct rest){0};
    now_ms = 5000;
    bytes = 0;
    ck_assert(!rest_is_due(&rest, bytes, now_ms));
}

static bool look(uint64_t after_ms, uint64_t moved)
{
    now_ms += after_ms;
    bytes += moved;
    return rest_is_due(&rest, bytes, now_ms);
}

START_TEST(after_the_login)
{
    ck_assert(!look(100, 5000));
    ck_assert(!look(REST_AFTER_MS - 101, 100));
    ck_assert(look(1, 100));
    for (int i = 0; i < 10; i++) /* keepalives */
        ck_assert(!look(REST_AFTER_MS * 3 / 2, 100));
}
END_TEST

START_TEST(after_each_busy_time)
{
    ck_assert(look(REST_AFTER_MS, 5000));
    for (int i = 0; i < 3; i++) {
        ck_assert(!look(1000, 10 * REST_BYTES));
        ck_assert(!look(REST_AFTER_MS - 1, 100));
        ck_assert(look(REST_AFTER_MS, 100));
        ck_assert(!look(REST_AFTER_MS, 100));
    }
}
END_TEST

START_TEST(what_a_turn_has_moved_is_no_later_traffic)
{
    struct ssh_counter_struct counter = {.in_bytes = 10 * REST_BYTES};

    ck_assert(look(REST_AFTER_MS, 5000));
    ck_assert(!look(1000, 100));
    bytes = counter.in_bytes;
    rest_note(&rest, &counter, now_ms);
    ck_assert(!look(REST_AFTER_MS - 1, 100));
    ck_assert(look(1, 100));
}
END_TEST

START_TEST(never_while_it_is_busy)
{
    for (int i = 0; i < 100; i++)
        ck_assert(!look(i % 2 ? 10 : REST_AFTER_MS, REST_BYTES));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rest");
    TCase *tests = tcase_create("rest");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, after_the_login);
    tcase_add_test(tests, after_each_busy_time);
    tcase_add_test(tests, what_a_turn_has_moved_is_no_later_traffic);
    tcase_add_test(tests, never_while_it_is_busy);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
