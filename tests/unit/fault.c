/* One sentence, one line, always ended. */
#include "base/fault.h"

#include <string.h>

#include "suite.h"

START_TEST(says_and_returns)
{
    struct fault fault = {""};
    ck_assert_int_eq(fault_set(&fault, "port %d is taken", 22), -1);
    ck_assert_str_eq(fault.text, "port 22 is taken");
    ck_assert_int_eq(fault_prefix(&fault, "%s:%d", "file", 3), -1);
    ck_assert_str_eq(fault.text, "file:3: port 22 is taken");
}
END_TEST

START_TEST(null_is_fine)
{
    ck_assert_int_eq(fault_set(NULL, "x"), -1);
    ck_assert_int_eq(fault_prefix(NULL, "x"), -1);
}
END_TEST

START_TEST(may_quote_itself)
{
    struct fault fault = {""};
    (void)fault_set(&fault, "inner");
    (void)fault_set(&fault, "outer (%s)", fault.text);
    ck_assert_str_eq(fault.text, "outer (inner)");
}
END_TEST

START_TEST(is_cut)
{
    struct fault fault = {""};
    char text[2 * FAULT_TEXT_SIZE];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    (void)fault_set(&fault, "%s", text);
    ck_assert_uint_eq(strlen(fault.text), FAULT_TEXT_SIZE - 1);
    (void)fault_prefix(&fault, "where");
    ck_assert_uint_eq(strlen(fault.text), FAULT_TEXT_SIZE - 1);
    ck_assert_int_eq(strncmp(fault.text, "where: xxx", 10), 0);
}
END_TEST

START_TEST(is_one_line)
{
    struct fault fault = {""};
    (void)fault_set(&fault, "%s", "a\nb\x1b[2Jc\xff\xc3\xa4\xe2\x80\x8f!\xe2\x82");
    ck_assert_str_eq(fault.text, "a?b?[2Jc?\xc3\xa4?!??");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fault");
    TCase *tests = tcase_create("fault");
    tcase_add_test(tests, says_and_returns);
    tcase_add_test(tests, null_is_fine);
    tcase_add_test(tests, may_quote_itself);
    tcase_add_test(tests, is_cut);
    tcase_add_test(tests, is_one_line);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
