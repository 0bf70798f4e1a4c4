/* What `probe` reads and shows: escapes, refusals of the hub, the lines of the steps. */
#define _GNU_SOURCE
#include "tunnelctl/probe.h"

#include <string.h>

#include "base/clock.h"
#include "suite.h"
#include "tunnelctl/probe_text.h"

/* --- bytes ------------------------------------------------------------------------------------ */

static const struct {
    const char *bytes;
    size_t length;
    const char *text;
} shown[] = {
    {"", 0, "\"\""},
    {"SSH-2.0-x\r\n", 11, "\"SSH-2.0-x\\r\\n\""},
    {"\0\1\t\x7f\xff\"\\", 7, "\"\\0\\x01\\t\\x7f\\xff\\\"\\\\\""},
    {"0123456789012345678901234567890123456789", 40,
     "\"0123456789012345678901234567890123456789\""},
    {"01234567890123456789012345678901234567890", 41,
     "\"0123456789012345678901234567890123456789\"..."},
    {"\1\1\1\1\1\1\1\1\1\1\1", 11, "\"\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\"..."},
};

START_TEST(bytes_are_shown)
{
    char text[SHOWN_SIZE];
    ck_assert_str_eq(bytes_show((const uint8_t *)shown[_i].bytes, shown[_i].length, text),
                     shown[_i].text);
}
END_TEST

START_TEST(bytes_are_read)
{
    uint8_t bytes[64];
    size_t length = 99;
    struct fault fault;
    ck_assert_int_eq(bytes_read("GET / HTTP/1.0\\r\\n\\t\\0\\\\\\\"\\xfF", bytes, &length, &fault),
                     0);
    ck_assert_uint_eq(length, 21);
    ck_assert_mem_eq(bytes, "GET / HTTP/1.0\r\n\t\0\\\"\xff", 21);
    ck_assert_int_eq(bytes_read("", bytes, &length, &fault), 0);
    ck_assert_uint_eq(length, 0);
    const char *const bad[] = {"\\", "a\\q", "\\x", "\\x1", "\\xg0", "\\u1234"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_msg(bytes_read(bad[i], bytes, &length, &fault) == -1, "%s", bad[i]);
    ck_assert_ptr_nonnull(strstr(fault.text, "\\u12"));
}
END_TEST

START_TEST(refusals_are_told_apart)
{
    struct refusal refusal =
        refusal_read("refused by the site: connect to a:1: Connection refused");
    ck_assert_str_eq(refusal.reason, "connect to a:1: Connection refused");
    ck_assert(refusal.of_the_site);
    const char *const others[] = {"no access: x", "offline: x", "policy: x", "busy: x"};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        refusal = refusal_read(others[i]);
        ck_assert_str_eq(refusal.reason, "x");
        ck_assert(!refusal.of_the_site);
    }
    ck_assert_str_eq(refusal_read("anything else").reason, "anything else");
    ck_assert(!refusal_read("").of_the_site);
}
END_TEST

/* --- steps ------------------------------------------------------------------------------------ */

static struct invocation invocation;
static struct probe probe;
static char *printed;
static size_t printed_size;

static void begin(bool json)
{
    invocation = (struct invocation){.json = json, .out = open_memstream(&printed, &printed_size)};
    probe = (struct probe){.invocation = &invocation,
                           .site = "hannover",
                           .port = 22,
                           .steps = json_array(),
                           .started_ms = clock_monotonic_ms()};
}

static void end(void)
{
    fclose(invocation.out);
    free(printed);
    json_decref(probe.steps);
}

static const char *member(size_t row, const char *key)
{
    return json_string_value(json_object_get(json_array_get(probe.steps, row), key));
}

START_TEST(steps_after_a_failure_are_not_tried)
{
    begin(false);
    probe_pass(&probe, "reached at %s", "192.0.2.1:2222");
    ck_assert(!probe_fail(&probe, NULL, "the key is wrong; compare it"));
    ck_assert_uint_eq(json_array_size(probe.steps), STEP_END);
    ck_assert_str_eq(member(0, "verdict"), "PASS");
    ck_assert_str_eq(member(1, "verdict"), "FAIL");
    ck_assert_str_eq(member(1, "detail"), "the key is wrong");
    ck_assert_str_eq(member(5, "verdict"), "SKIP");
    ck_assert(json_is_null(json_object_get(json_array_get(probe.steps, 5), "ms")));
    ck_assert_str_eq(probe.cause.text, "the key is wrong; compare it");
    fflush(invocation.out);
    ck_assert_int_eq(strncmp(printed, "  1 hub          reached at 192.0.2.1:2222  ", 44), 0);
    ck_assert_ptr_nonnull(strstr(printed, "\n  2 host key     the key is wrong  "));
    ck_assert_ptr_nonnull(strstr(printed, "\n  6 first bytes  not tried  "));
    end();
}
END_TEST

static const struct {
    int what;
    size_t send_length;
    const char *verdict, *detail;
} firsts[] = {
    {FIRST_BYTES, 0, "PASS", "\"hi\\n\""},
    {FIRST_SILENCE, 0, "SKIP", "the target waits for the client"},
    {FIRST_SILENCE, 5, "SKIP", "no answer yet, the connection is open"},
    {FIRST_END, 0, "FAIL", "the target closed the connection without a byte"},
    {FIRST_LOST, 0, "FAIL", "gone"},
};

START_TEST(first_bytes_are_judged)
{
    struct first_bytes first = {.bytes = "hi\n", .length = 3, .fault = {"gone"}};
    first.what = (unsigned)firsts[_i].what;
    begin(true);
    probe.next = STEP_FIRST_BYTES;
    probe.send_length = firsts[_i].send_length;
    bool works = probe_first_bytes(&probe, &first);
    ck_assert_str_eq(member(0, "verdict"), firsts[_i].verdict);
    ck_assert_str_eq(member(0, "detail"), firsts[_i].detail);
    ck_assert(works == (strcmp(firsts[_i].verdict, "FAIL") != 0));
    ck_assert(works == (*probe.cause.text == '\0'));
    fflush(invocation.out);
    ck_assert_uint_eq(printed_size, 0);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_probe");
    TCase *tests = tcase_create("probe");
    tcase_add_loop_test(tests, bytes_are_shown, 0, sizeof(shown) / sizeof(*shown));
    tcase_add_test(tests, bytes_are_read);
    tcase_add_test(tests, refusals_are_told_apart);
    tcase_add_test(tests, steps_after_a_failure_are_not_tried);
    tcase_add_loop_test(tests, first_bytes_are_judged, 0, sizeof(firsts) / sizeof(*firsts));
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
