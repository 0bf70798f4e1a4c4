/* JSON lines: cut anywhere, bounded, and nothing of a damaged line is quoted. */
#define _GNU_SOURCE
#include "control/frames.h"

#include <string.h>

#include "suite.h"

#define MAX 64

static struct frames frames;
static struct fault fault;

static void setup(void)
{
    frames_init(&frames, MAX);
    fault.text[0] = '\0';
}

static void teardown(void)
{
    frames_release(&frames);
}

static void feed(const char *text)
{
    ck_assert_int_eq(frames_feed(&frames, text, strlen(text), &fault), 0);
}

static void expect_verb(const char *verb)
{
    json_t *object = NULL;
    ck_assert_int_eq(frames_next(&frames, &object, &fault), 1);
    ck_assert_str_eq(json_string_value(json_object_get(object, "verb")), verb);
    json_decref(object);
}

static void expect_nothing(void)
{
    json_t *object = NULL;
    ck_assert_int_eq(frames_next(&frames, &object, &fault), 0);
    ck_assert_ptr_null(object);
}

START_TEST(lines_may_come_byte_by_byte)
{
    static const char text[] = "{\"verb\":\"status\"}\n";
    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        expect_nothing();
        ck_assert_int_eq(frames_feed(&frames, text + i, 1, &fault), 0);
    }
    expect_verb("status");
    expect_nothing();
}
END_TEST

START_TEST(several_lines_may_come_at_once)
{
    feed("{\"verb\":\"a\"}\n{\"verb\":\"b\"}\n{\"ve");
    expect_verb("a");
    expect_verb("b");
    expect_nothing();
    feed("rb\":\"c\"}\n");
    expect_verb("c");
    ck_assert_uint_eq(frames.used, 0);
}
END_TEST

START_TEST(a_line_of_the_maximum_passes)
{
    char line[MAX + 1];
    memset(line, ' ', sizeof(line));
    memcpy(line, "{\"verb\":\"a\"}", 12);
    line[MAX] = '\n';
    ck_assert_int_eq(frames_feed(&frames, line, sizeof(line), &fault), 0);
    expect_verb("a");
}
END_TEST

START_TEST(a_longer_line_is_a_fault_without_its_end)
{
    char line[MAX + 1];
    memset(line, ' ', sizeof(line));
    ck_assert_int_eq(frames_feed(&frames, line, sizeof(line), &fault), -1);
    ck_assert_str_eq(fault.text, "a line is longer than 64 bytes");
}
END_TEST

START_TEST(a_longer_line_is_a_fault_with_its_end)
{
    char line[MAX + 2];
    json_t *object = NULL;
    memset(line, ' ', sizeof(line));
    line[MAX + 1] = '\n';
    ck_assert_int_eq(frames_feed(&frames, line, sizeof(line), &fault), 0);
    ck_assert_int_eq(frames_next(&frames, &object, &fault), -1);
}
END_TEST

START_TEST(lines_never_taken_are_bounded_too)
{
    int result = 0;
    for (unsigned i = 0; i < 100 && result == 0; i++)
        result = frames_feed(&frames, "{\"verb\":\"a\"}\n", 13, &fault);
    ck_assert_int_eq(result, -1);
    ck_assert_uint_le(frames.used, MAX + 13);
}
END_TEST

static const char *const damaged[] = {
    "\n",
    "null\n",
    "[]\n",
    "\"secret\"\n",
    "{\"secret\"\n",
    "{} {\"secret\": 1}\n",
    "{\"secret\": 1, \"secret\": 2}\n",
    "{\"secret\": \"\\u0000\"}\n",
    "{\"secret\": \"\xff\"}\n",
};

START_TEST(what_is_no_object_is_a_fault_that_quotes_nothing)
{
    json_t *object = NULL;
    feed(damaged[_i]);
    ck_assert_int_eq(frames_next(&frames, &object, &fault), -1);
    ck_assert_ptr_null(object);
    ck_assert_uint_gt(strlen(fault.text), 0);
    ck_assert_ptr_null(strstr(fault.text, "secret"));
}
END_TEST

START_TEST(a_taken_line_is_wiped)
{
    feed("{\"verb\":\"hunter2\"}\n{");
    expect_verb("hunter2");
    ck_assert_ptr_null(memmem(frames.data, frames.size, "hunter2", 7));
}
END_TEST

START_TEST(nothing_is_kept_between_lines)
{
    feed("{\"verb\":\"a\"}\n");
    expect_verb("a");
    ck_assert_uint_eq(frames.size, 0);
    feed("{\"verb\":\"b\"}\n");
    expect_verb("b");
}
END_TEST

/* However often the room for it had to grow. */
START_TEST(text_may_be_long)
{
    static char word[3000];
    for (size_t count = 0; count < sizeof(word) - 1; count++) {
        memset(word, 'x', count);
        json_t *object = json_pack("{s:s}", "word", word);
        char *expected = json_dumps(object, JSON_COMPACT);
        size_t length = 0;
        char *text = frame_text(object, &length);
        ck_assert_uint_eq(length, strlen(expected) + 1);
        ck_assert_uint_eq(strlen(text), length);
        ck_assert_mem_eq(text, expected, length - 1);
        ck_assert_int_eq(text[length - 1], '\n');
        free(text);
        free(expected);
        json_decref(object);
    }
}
END_TEST

START_TEST(text_ends_with_one_newline)
{
    json_t *object = json_pack("{s:s}", "a", "b\nc");
    size_t length = 0;
    char *text = frame_text(object, &length);
    ck_assert_str_eq(text, "{\"a\":\"b\\nc\"}\n");
    ck_assert_uint_eq(length, strlen(text));
    free(text);
    json_decref(object);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control_frames");
    TCase *tests = tcase_create("frames");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, lines_may_come_byte_by_byte);
    tcase_add_test(tests, several_lines_may_come_at_once);
    tcase_add_test(tests, a_line_of_the_maximum_passes);
    tcase_add_test(tests, a_longer_line_is_a_fault_without_its_end);
    tcase_add_test(tests, a_longer_line_is_a_fault_with_its_end);
    tcase_add_test(tests, lines_never_taken_are_bounded_too);
    tcase_add_loop_test(tests, what_is_no_object_is_a_fault_that_quotes_nothing, 0,
                        (int)(sizeof(damaged) / sizeof(*damaged)));
    tcase_add_test(tests, a_taken_line_is_wiped);
    tcase_add_test(tests, nothing_is_kept_between_lines);
    tcase_add_test(tests, text_ends_with_one_newline);
    tcase_add_test(tests, text_may_be_long);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
