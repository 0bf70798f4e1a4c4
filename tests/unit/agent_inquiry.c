/* Reading the newest refusal out of the hub's `status` text. */
#include <string.h>

#include "suite.h"
#include "tunnel-agent/inquiry.h"

static char reason[INQUIRY_REASON_SIZE];

START_TEST(newest_refusal_without_its_time)
{
    ck_assert(inquiry_reason("site              hannover\npublisher         none\n\nforwards:\n"
                             "  127.0.0.1:8443 -> a:1  offline\n\nrefused lately:\n"
                             "  2026-11-20T20:45:01Z  port 22 is not granted\n"
                             "  2026-11-20T20:45:02Z  published by session 4\n",
                             reason));
    ck_assert_str_eq(reason, "published by session 4");
    ck_assert(inquiry_reason("x\n\nrefused lately:\n  T  one\n\nmore:\n  T  two\n", reason));
    ck_assert_str_eq(reason, "one");
}
END_TEST

START_TEST(nothing_is_made_up)
{
    static const char *const texts[] = {
        "",
        "site hannover\n\nforwards:\n  a -> b  published\n",
        "site\n\nrefused lately:\n",
        "site\n\nrefused lately:\n  2026-11-20T20:45:01Z  cut off",
        "site\n\nrefused lately:\n  2026-11-20T20:45:01Z\n",
        "site\n\nrefused lately:\n  \n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        ck_assert_msg(!inquiry_reason(texts[i], reason), "%zu: %s", i, reason);
}
END_TEST

START_TEST(long_and_unprintable_ones_are_tamed)
{
    char text[1024] = "\nrefused lately:\n  T  ";
    size_t used = strlen(text);
    memset(text + used, '\x1b', sizeof text - used);
    text[sizeof text - 2] = '\n';
    text[sizeof text - 1] = '\0';
    ck_assert(inquiry_reason(text, reason));
    ck_assert_uint_eq(strlen(reason), INQUIRY_REASON_SIZE - 1);
    ck_assert_uint_eq(strspn(reason, "?"), INQUIRY_REASON_SIZE - 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agent_inquiry");
    TCase *tests = tcase_create("inquiry");
    tcase_add_test(tests, newest_refusal_without_its_time);
    tcase_add_test(tests, nothing_is_made_up);
    tcase_add_test(tests, long_and_unprintable_ones_are_tamed);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
