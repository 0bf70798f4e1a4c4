/* Lines that a program can take apart and that nobody can forge. */
#define _GNU_SOURCE
#include "base/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log_output.h"
#include "base/secret.h"
#include "suite.h"

static int pipe_ends[2];
static int old_stderr;
static char line[8192];

static void begin(enum log_format format)
{
    log_open("tunneld[1]", LOG_INFO, format);
    ck_assert_int_eq(pipe2(pipe_ends, O_NONBLOCK), 0);
    old_stderr = dup(STDERR_FILENO);
    ck_assert_int_eq(dup2(pipe_ends[1], STDERR_FILENO), STDERR_FILENO);
}

/* What was written since `begin`, into `line`. */
static size_t end(void)
{
    ck_assert_int_eq(dup2(old_stderr, STDERR_FILENO), STDERR_FILENO);
    ssize_t got = read(pipe_ends[0], line, sizeof line - 1);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    close(old_stderr);
    line[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

/* The line behind its date. */
static void expect(const char *rest)
{
    end();
    ck_assert_uint_gt(strlen(line), 24);
    static const char form[] = "0000-00-00T00:00:00.000Z ";
    for (size_t i = 0; form[i] != '\0'; i++)
        ck_assert(form[i] == '0' ? line[i] >= '0' && line[i] <= '9' : line[i] == form[i]);
    ck_assert_str_eq(line + 25, rest);
}

START_TEST(text_line)
{
    begin(LOG_TEXT);
    log_info(KV("site", "hannover"), KV("forward", 8443), SAY("closed"), KV("bytes_in", 17u),
             KV("delta", -5L));
    expect("info tunneld[1] site=hannover forward=8443 closed bytes_in=17 delta=-5\n");
}
END_TEST

START_TEST(all_types)
{
    char array[] = "array";
    char *pointer = array;
    bool yes = true;
    uint16_t port = 65535;
    begin(LOG_TEXT);
    log_warning(KV("a", array), KV("p", pointer), KV("b", yes), KV("port", port),
                KV("max", UINT64_MAX), KV("min", INT64_MIN), KV("size", sizeof array),
                KV("none", (const char *)NULL));
    expect("warning tunneld[1] a=array p=array b=1 port=65535 max=18446744073709551615 "
           "min=-9223372036854775808 size=6 none=-\n");
}
END_TEST

static const struct {
    const char *value, *text;
} values[] = {
    {"plain-word_1.2:3/4", "plain-word_1.2:3/4"},
    {"", "\"\""},
    {"two words", "\"two words\""},
    {"a=b", "\"a=b\""},
    {"say \"hi\"", "\"say \\\"hi\\\"\""},
    {"back\\slash", "\"back\\\\slash\""},
    {"x\n2026-11-20T20:45:01.123Z info forged", "\"x\\n2026-11-20T20:45:01.123Z info forged\""},
    {"tab\there", "\"tab\\there\""},
    {"\r\x1b[31m\x7f", "\"\\x0d\\x1b[31m\\x7f\""},
    {"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
    {"\xff\xc3", "\"\\xff\\xc3\""},
    {"\xc2\x9b", "\"\\xc2\\x9b\""},
    {"\xe2\x80\x8f", "\"\\xe2\\x80\\x8f\""},
};

START_TEST(text_values)
{
    char rest[256];
    snprintf(rest, sizeof rest, "info tunneld[1] v=%s\n", values[_i].text);
    begin(LOG_TEXT);
    log_info(KV("v", values[_i].value));
    expect(rest);
}
END_TEST

START_TEST(messages_cannot_forge_fields)
{
    begin(LOG_TEXT);
    log_info(SAY("closed site=other"), SAY("plain words, no quotes."));
    expect("info tunneld[1] \"closed site=other\" plain words, no quotes.\n");
}
END_TEST

static json_t *json_line(void)
{
    json_error_t error;
    size_t length = end();
    ck_assert_uint_gt(length, 0);
    ck_assert_ptr_eq(strchr(line, '\n'), line + length - 1);
    json_t *root = json_loads(line, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(root != NULL, "%s: %s", error.text, line);
    return root;
}

START_TEST(json_fields)
{
    begin(LOG_JSON);
    log_error(SAY("say \"it\""), KV("site", "han\nnover\x1b\xc2\x9b"), KV("n", -5), KV("u", 7u),
              KV("none", (char *)NULL));
    json_t *root = json_line();
    ck_assert_str_eq(json_string_value(json_object_get(root, "level")), "error");
    ck_assert_str_eq(json_string_value(json_object_get(root, "program")), "tunneld[1]");
    ck_assert_str_eq(json_string_value(json_object_get(root, "message")), "say \"it\"");
    ck_assert_str_eq(json_string_value(json_object_get(root, "site")), "han\nnover\x1b\xc2\x9b");
    ck_assert_int_eq(json_integer_value(json_object_get(root, "n")), -5);
    ck_assert_int_eq(json_integer_value(json_object_get(root, "u")), 7);
    ck_assert(json_is_null(json_object_get(root, "none")));
    ck_assert_uint_eq(json_string_length(json_object_get(root, "time")), 24);
    ck_assert_ptr_nonnull(strstr(line, "\\u001b\\u009b"));
    json_decref(root);
}
END_TEST

START_TEST(json_of_anything)
{
    for (int round = 0; round < 200; round++) {
        char text[200];
        secret_random(text, sizeof text);
        text[sizeof text - 1] = '\0';
        begin(LOG_JSON);
        log_info(KV("v", text), SAY(text));
        json_decref(json_line());
    }
}
END_TEST

START_TEST(text_of_anything)
{
    for (int round = 0; round < 200; round++) {
        char text[200];
        secret_random(text, sizeof text);
        text[sizeof text - 1] = '\0';
        begin(LOG_TEXT);
        log_info(KV("v", text), SAY(text));
        size_t length = end();
        ck_assert_ptr_eq(strchr(line, '\n'), line + length - 1);
        for (size_t i = 0; i + 1 < length; i++)
            ck_assert_uint_ge((unsigned char)line[i], ' ');
    }
}
END_TEST

START_TEST(long_values_are_cut)
{
    char text[3000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    begin(LOG_TEXT);
    log_info(KV("v", text), SAY("after"));
    ck_assert_uint_lt(end(), 1200);
    ck_assert_ptr_nonnull(strstr(line, "xxx...\" after\n"));
}
END_TEST

START_TEST(long_lines_are_cut)
{
    char text[3000];
    memset(text, '\x01', sizeof text); /* six characters each in JSON */
    text[sizeof text - 1] = '\0';
    begin(LOG_JSON);
    log_info(KV("a", text), KV("b", "small"), KV("c", text));
    json_t *root = json_line();
    ck_assert_int_eq(json_integer_value(json_object_get(root, "cut")), 1);
    ck_assert_str_eq(json_string_value(json_object_get(root, "b")), "small");
    ck_assert_ptr_null(json_object_get(root, "a"));
    json_decref(root);

    memset(text, 'x', sizeof text - 1);
    begin(LOG_TEXT);
    log_info(KV("a", text), KV("b", text), KV("c", text), KV("d", text), KV("e", "small"));
    size_t length = end();
    ck_assert_uint_le(length, 4096);
    ck_assert_ptr_nonnull(strstr(line, "...\" e=small cut=1\n"));
}
END_TEST

START_TEST(levels)
{
    enum log_level level = LOG_INFO;
    static const char *const names[] = {"error", "warning", "info", "debug", "trace"};
    for (int i = 0; i < 5; i++) {
        ck_assert(log_level_parse(names[i], &level));
        ck_assert_int_eq((int)level, i);
        ck_assert_str_eq(log_level_name(level), names[i]);
    }
    ck_assert(!log_level_parse("loud", &level));
    ck_assert(!log_level_parse("", &level));
    ck_assert(level == LOG_TRACE);
    enum log_format format = LOG_TEXT;
    ck_assert(log_format_parse("json", &format) && format == LOG_JSON);
    ck_assert(log_format_parse("text", &format) && format == LOG_TEXT);
    ck_assert(!log_format_parse("xml", &format));
}
END_TEST

START_TEST(quiet_below_the_level)
{
    int evaluated = 0;
    begin(LOG_TEXT);
    log_debug(KV("n", ++evaluated));
    ck_assert_uint_eq(end(), 0);
    ck_assert_int_eq(evaluated, 0);
    log_set_level(LOG_TRACE);
    ck_assert(log_get_level() == LOG_TRACE && log_enabled(LOG_TRACE));
    begin(LOG_TEXT);
    log_set_level(LOG_DEBUG);
    log_debug(KV("n", ++evaluated));
    log_trace(KV("n", ++evaluated));
    expect("debug tunneld[1] n=1\n");
}
END_TEST

/* A scope's level holds in both directions, and is put back in order. */
START_TEST(scopes)
{
    log_open("tunneld[1]", LOG_INFO, LOG_TEXT);
    int before = log_scope(LOG_TRACE);
    ck_assert_int_eq(before, LOG_DEFAULT);
    ck_assert(log_enabled(LOG_TRACE));
    ck_assert(log_get_level() == LOG_INFO);
    int inner = log_scope(LOG_ERROR);
    ck_assert_int_eq(inner, LOG_TRACE);
    ck_assert(log_enabled(LOG_ERROR) && !log_enabled(LOG_WARNING));
    log_set_level(LOG_DEBUG);
    ck_assert(!log_enabled(LOG_WARNING));
    ck_assert_int_eq(log_scope(inner), LOG_ERROR);
    ck_assert(log_enabled(LOG_TRACE));
    ck_assert_int_eq(log_scope(before), LOG_TRACE);
    ck_assert(log_enabled(LOG_DEBUG) && !log_enabled(LOG_TRACE));
}
END_TEST

static const struct {
    enum log_format format;
    bool own;
    const char *line;
} lines_of_others[] = {
    {LOG_TEXT, true, "2026-11-20T20:45:01.123Z info tunneld[2] site=x closed"},
    {LOG_TEXT, true, "2026-11-20T20:45:01.123Z error tunneld[2] \"Gr\303\266\303\237e\""},
    {LOG_TEXT, false, "2026-11-20T20:45:01.123Z info tunneld site=x closed"},
    {LOG_TEXT, false, "2026-11-20T20:45:01.123Z info tunneld[21] site=x closed"},
    {LOG_TEXT, false, "2026-11-20T20:45:01.123Z loud tunneld[2] site=x closed"},
    {LOG_TEXT, false, "2026-11-20T20:45:01.123Z info tunneld[2] \033[2J"},
    {LOG_TEXT, false, "2026-11-20T20:45:01.123Z info tunneld[2] \r2026"},
    {LOG_TEXT, false, "2026-11-20T20:45:01.123Z info tunneld[2] \377"},
    {LOG_TEXT, false, "2026-11-20T20:45:01.123Z"},
    {LOG_TEXT, false, "==17==ERROR: something"},
    {LOG_TEXT, false, ""},
    {LOG_JSON, true,
     "{\"time\":\"2026-11-20T20:45:01.123Z\",\"level\":\"info\",\"program\":\"tunneld[2]\",\"n\":"
     "1}"},
    {LOG_JSON, false,
     "{\"time\":\"2026-11-20T20:45:01.123Z\",\"level\":\"info\",\"program\":\"tunneld[2]\",\"n\":"
     "1"},
    {LOG_JSON, false,
     "{\"time\":\"2026-11-20T20:45:01.123Z\",\"level\":\"info\",\"program\":\"tunneld\",\"n\":1}"},
    {LOG_JSON, false, "2026-11-20T20:45:01.123Z info tunneld[2] site=x closed"},
};

START_TEST(whose_line)
{
    log_open("tunneld", LOG_INFO, lines_of_others[_i].format);
    const char *text = lines_of_others[_i].line;
    ck_assert(log_is_line_of("tunneld[2]", text, strlen(text)) == lines_of_others[_i].own);
}
END_TEST

/* A pipe that nobody reads: nothing waits, and what is missing is told once there is room. */
START_TEST(left_out_lines)
{
    begin(LOG_TEXT);
    log_never_wait(false);
    ck_assert(log_output_has_room());
    for (int i = 0; i < 5000; i++)
        log_info(SAY("a line that is one of many of its kind"), KV("number", i));
    ck_assert(!log_output_has_room());
    while (read(pipe_ends[0], line, sizeof line) > 0)
        continue;
    log_info(SAY("after them"));
    end();
    ck_assert_ptr_nonnull(strstr(line, "log lines were left out"));
    unsigned count = (unsigned)strtoul(strstr(line, " count=") + 7, NULL, 10);
    ck_assert_uint_gt(count, 4000);
    ck_assert_uint_lt(count, 5000);
    ck_assert_ptr_nonnull(strstr(line, "info tunneld[1] after them\n"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *tests = tcase_create("log");
    tcase_add_test(tests, text_line);
    tcase_add_test(tests, all_types);
    tcase_add_loop_test(tests, text_values, 0, sizeof values / sizeof values[0]);
    tcase_add_test(tests, messages_cannot_forge_fields);
    tcase_add_test(tests, json_fields);
    tcase_add_test(tests, json_of_anything);
    tcase_add_test(tests, text_of_anything);
    tcase_add_test(tests, long_values_are_cut);
    tcase_add_test(tests, long_lines_are_cut);
    tcase_add_test(tests, levels);
    tcase_add_test(tests, quiet_below_the_level);
    tcase_add_test(tests, scopes);
    tcase_add_loop_test(tests, whose_line, 0, sizeof lines_of_others / sizeof lines_of_others[0]);
    tcase_add_test(tests, left_out_lines);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
