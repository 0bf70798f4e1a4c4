/* Texts of their own size: empty is nothing, a text may be kept over itself. */
#include "base/kept_text.h"

#include "suite.h"

START_TEST(empty_is_nothing)
{
    char *kept = NULL;

    ck_assert_str_eq(kept_text(kept), "");
    kept_text_set(&kept, "");
    ck_assert_ptr_null(kept);
    kept_text_set(&kept, "something");
    ck_assert_str_eq(kept_text(kept), "something");
    kept_text_set(&kept, "");
    ck_assert_ptr_null(kept);
    kept_text_drop(&kept);
}
END_TEST

START_TEST(over_itself)
{
    char *kept = NULL;

    kept_text_set(&kept, "one and another");
    kept_text_set(&kept, kept_text(kept) + 8);
    ck_assert_str_eq(kept_text(kept), "another");
    kept_text_drop(&kept);
    ck_assert_ptr_null(kept);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kept_text");
    TCase *tests = tcase_create("kept_text");
    tcase_add_test(tests, empty_is_nothing);
    tcase_add_test(tests, over_itself);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
