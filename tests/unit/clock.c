/* Times as text, and two clocks that run forward. */
#include "base/clock.h"

#include "suite.h"

static const struct {
    int64_t wall_s;
    const char *text;
} times[] = {
    {0, "1970-01-01T00:00:00Z"},
    {1795207501, "2026-11-20T20:45:01Z"},
    {951782400, "2000-02-29T00:00:00Z"},
    {4102444799, "2099-12-31T23:59:59Z"},
    {-1, "1969-12-31T23:59:59Z"},
    {-62135596800, "0001-01-01T00:00:00Z"},
    {253402300799, "9999-12-31T23:59:59Z"},
};

static const char *const bad[] = {
    "",
    "2026-11-20",
    "2026-11-20T20:45:01",
    "2026-11-20T20:45:01z",
    "2026-11-20 20:45:01Z",
    "2026-11-20T20:45:01+00:00",
    "2026-11-20T20:45:01.5Z",
    "2026-11-20T20:45:01ZZ",
    " 2026-11-20T20:45:01Z",
    "2026-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-00-10T00:00:00Z",
    "2026-01-00T00:00:00Z",
    "2026-01-32T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:60:00Z",
    "2026-01-01T00:00:60Z",
    "0000-01-01T00:00:00Z",
    "2026-1a-01T00:00:00Z",
    "-026-01-01T00:00:00Z",
};

START_TEST(there_and_back)
{
    char text[CLOCK_TEXT_SIZE];
    int64_t wall_s = 42;
    ck_assert_str_eq(clock_format(times[_i].wall_s, text), times[_i].text);
    ck_assert(clock_parse(times[_i].text, &wall_s));
    ck_assert_int_eq(wall_s, times[_i].wall_s);
}
END_TEST

START_TEST(refuses_bad)
{
    int64_t wall_s = 42;
    ck_assert(!clock_parse(bad[_i], &wall_s));
    ck_assert_int_eq(wall_s, 42);
}
END_TEST

START_TEST(beyond_the_years)
{
    char text[CLOCK_TEXT_SIZE];
    ck_assert_str_eq(clock_format(INT64_MAX, text), "9999-12-31T23:59:59Z");
    ck_assert_str_eq(clock_format(INT64_MIN, text), "0001-01-01T00:00:00Z");
}
END_TEST

START_TEST(clocks_run)
{
    uint64_t before = clock_monotonic_ms();
    ck_assert_uint_ge(clock_monotonic_ms(), before);
    int64_t wall_s = clock_wall_s();
    ck_assert_int_gt(wall_s, 1600000000);
    ck_assert_int_le(wall_s, clock_wall_ms() / 1000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("clock");
    TCase *tests = tcase_create("clock");
    tcase_add_loop_test(tests, there_and_back, 0, sizeof times / sizeof times[0]);
    tcase_add_loop_test(tests, refuses_bad, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(tests, beyond_the_years);
    tcase_add_test(tests, clocks_run);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
