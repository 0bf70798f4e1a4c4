/* Randomness, comparison, wiping. */
#include "base/secret.h"

#include <string.h>

#include "suite.h"

START_TEST(random_differs)
{
    unsigned char a[64] = {0};
    unsigned char b[64] = {0};
    secret_random(a, sizeof a);
    secret_random(b, sizeof b);
    ck_assert(memcmp(a, b, sizeof a) != 0);
    secret_random(a, 0);
}
END_TEST

START_TEST(equal)
{
    ck_assert(secret_equal("abc", "abc", 3));
    ck_assert(secret_equal("abc", "abd", 2));
    ck_assert(!secret_equal("abc", "abd", 3));
    ck_assert(!secret_equal("xbc", "abc", 3));
    ck_assert(secret_equal("", "", 0));
}
END_TEST

START_TEST(wipe)
{
    char text[8] = "secret!";
    secret_wipe(text, 6);
    ck_assert_mem_eq(text, "\0\0\0\0\0\0!", 8);
    secret_wipe(NULL, 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("secret");
    TCase *tests = tcase_create("secret");
    tcase_add_test(tests, random_differs);
    tcase_add_test(tests, equal);
    tcase_add_test(tests, wipe);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
