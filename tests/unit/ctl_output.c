/* What tunnelctl prints: tables, blocks, sentences and JSON, to the letter. */
#define _GNU_SOURCE
#include "tunnelctl/output.h"

#include <string.h>

#include "base/clock.h"
#include "suite.h"
#include "tunnelctl/cell.h"
#include "tunnelctl/policy.h"
#include "tunnelctl/run.h"
#include "tunnelctl/sentence.h"

static char *text;
static size_t size;
static FILE *out;

static void setup(void)
{
    out = open_memstream(&text, &size);
}

static void teardown(void)
{
    free(text);
}

static json_t *load(const char *json)
{
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    ck_assert_msg(value != NULL, "%s", json);
    return value;
}

/* What the command prints for the hub's answer. */
static void expect(const char *words, bool as_json, const char *answer, const char *printed)
{
    const char *first[] = {words};
    char copy[64];
    size_t used;
    const char *split[2] = {copy, NULL};
    snprintf(copy, sizeof(copy), "%s", words);
    char *blank = strchr(copy, ' ');
    if (blank) {
        *blank = '\0';
        split[1] = blank + 1;
    }
    struct invocation invocation = {.out = out, .json = as_json};
    invocation.command = command_find(blank ? split : first, blank ? 2 : 1, &used);
    ck_assert_ptr_nonnull(invocation.command);
    json_t *data = load(answer);
    command_show(&invocation, data);
    json_decref(data);
    fclose(out);
    ck_assert_str_eq(text, printed);
}

START_TEST(a_table_is_aligned)
{
    expect(
        "forward list", false,
        "[{\"site\":\"hannover\",\"listen\":\"127.0.0.1:8443\",\"target\":\"192.168.1.10:443\","
        "\"state\":\"published\",\"reason\":null,\"connections\":2,\"connections_total\":12345,"
        "\"waiting\":0,\"bytes_in\":1500000,\"bytes_out\":812,\"errors\":0,\"last_error\":null,"
        "\"last_ok\":null,\"fault\":null},"
        "{\"site\":\"k\xc3\xb6ln\",\"listen\":\"[::1]:80\",\"target\":\"a:1\",\"state\":"
        "\"offline\",\"reason\":\"not connected\",\"connections\":0,\"connections_total\":0,"
        "\"waiting\":3,\"bytes_in\":0,\"bytes_out\":0,\"errors\":1,\"last_error\":\"refused\","
        "\"last_ok\":null,\"fault\":\"session\"}]",
        "SITE      LISTEN          TARGET            STATE      OPEN  TOTAL  WAITING       IN    "
        "OUT  ERRORS  LAST OK  FAULT    REASON         LAST ERROR\n"
        "hannover  127.0.0.1:8443  192.168.1.10:443  published     2  12345        0  1.4 MiB  "
        "812 B       0  -        -        -              -\n"
        "k\xc3\xb6ln      [::1]:80        a:1               offline       0      0        3      "
        "0 B    0 B       1  -        session  not connected  refused\n");
}
END_TEST

START_TEST(an_empty_list_says_what_to_do)
{
    expect("site list", false, "[]", "no sites yet; add one with: tunnelctl site add NAME\n");
}
END_TEST

START_TEST(ages_and_unknown_values)
{
    expect("session list", false,
           "[{\"site\":\"a\",\"role\":\"publisher\",\"peer\":\"192.0.2.7:50122\",\"software\":"
           "\"OpenSSH_9.2\",\"cipher\":\"aes\",\"since_s\":250,\"rtt_ms\":12,\"reconnects\":2,"
           "\"last_disconnect\":null}]",
           "SITE  OPERATOR  ROLE       PEER             SOFTWARE     CIPHER  SINCE    RTT  "
           "RECONNECTS  LAST "
           "DISCONNECT  REASON\n"
           "a     -         publisher  192.0.2.7:50122  OpenSSH_9.2  aes        4m  12 ms          "
           " 2  -    "
           "            -\n");
}
END_TEST

/* A client's software line is a stranger's text. */
START_TEST(a_terminal_is_not_steered)
{
    expect("keyfile list", false,
           "[{\"id\":\"\\u001b[2J\",\"site\":\"\\u009b1m\",\"state\":\"a\\nb\",\"from\":"
           "\"\\u202egnp\"}]",
           "ID    SITE  STATE  ISSUED  EXPIRES  FROM  USED  USED FROM  KEY\n"
           "?[2J  ?1m   a?b    -       -        ?gnp  -     -          -\n");
}
END_TEST

START_TEST(values_of_other_types_are_shown_as_they_are)
{
    expect("host-key show", false,
           "[{\"kind\":17,\"fingerprint\":[\"a\",true,[1]],\"line\":{\"a\":1}},{\"kind\":\"\"},5]",
           "KIND  FINGERPRINT  KEY\n"
           "17    a, yes, ...  ...\n"
           "-     -            -\n"
           "-     -            -\n");
}
END_TEST

START_TEST(advice_stands_under_its_row)
{
    expect("site check", false,
           "[{\"component\":\"known\",\"target\":\"a\",\"verdict\":\"PASS\",\"detail\":\"yes\","
           "\"advice\":null},{\"component\":\"target\",\"target\":\"b:1\",\"verdict\":\"FAIL\","
           "\"detail\":\"refused\",\"advice\":\"switch it on\"}]",
           "COMPONENT  TARGET  VERDICT  DETAIL\n"
           "known      a       PASS     yes\n"
           "target     b:1     FAIL     refused\n"
           "    -> switch it on\n");
}
END_TEST

START_TEST(status_is_a_block)
{
    expect(
        "status", false,
        "{\"version\":\"1\",\"pid\":7,\"uptime_s\":3900,\"state_dir\":\"/s\",\"control_socket\":"
        "\"/c\",\"listen\":[\"0.0.0.0:22\",\"[::]:22\"],\"public_addresses\":[],\"host_key\":\"k\","
        "\"standby_key\":null,\"workers\":[{\"number\":1,\"pid\":8,\"sessions\":0,\"connections\":"
        "0,\"confinement\":\"seccomp\"}],\"sites\":1,\"sites_online\":0,\"sessions\":0,\"logins\":"
        "0,\"dialer\":{\"pid\":9,\"dials\":2,\"confinement\":\"seccomp\"},"
        "\"forwards\":0,\"connections\":0,\"waiting\":0,\"refused_logins\":4,\"log_level\":"
        "\"info\",\"confinement\":\"no_new_privs\"}",
        "tunneld           1\n"
        "process           7\n"
        "running for       1h5m\n"
        "state directory   /s\n"
        "control socket    /c\n"
        "listens on        0.0.0.0:22\n"
        "                  [::]:22\n"
        "public addresses  -\n"
        "metrics at        -\n"
        "host key          k\n"
        "standby key       -\n"
        "log level         info\n"
        "sites             1\n"
        "sites online      0\n"
        "sessions          0\n"
        "logins under way  0\n"
        "refused logins    4\n"
        "forwards          0\n"
        "connections       0\n"
        "waiting visitors  0\n"
        "confinement       no_new_privs\n"
        "dialer            process 9, dials under way: 2, seccomp\n"
        "\nworkers:\n"
        "WORKER  PID  SESSIONS  CONNECTIONS  CONFINEMENT\n"
        "     1    8         0            0  seccomp\n");
}
END_TEST

START_TEST(what_was_done_is_a_sentence)
{
    expect("port allow", false,
           "{\"site\":\"hannover\",\"listen\":\"[::1]:80\",\"target\":\"a\\u001b:1\"}",
           "site 'hannover' may publish [::1]:80, which leads to a?:1\n");
}
END_TEST

START_TEST(json_is_the_answer_itself)
{
    expect("site list", true, "[{\"name\":\"a\\u009b\",\"new\":null}]",
           "[\n  {\n    \"name\": \"a\\u009B\",\n    \"new\": null\n  }\n]\n");
}
END_TEST

static void expect_sentence(const char *sentence, const char *printed)
{
    json_t *typed = load("{\"SITE\":\"hannover\"}");
    json_t *data = load("{\"grants\":[1,2,3],\"one\":1,\"none\":[],\"n\":null}");
    sentence_print(out, sentence, typed, data);
    json_decref(typed);
    json_decref(data);
    fclose(out);
    ck_assert_str_eq(text, printed);
}

START_TEST(places_are_filled)
{
    expect_sentence("Remove '{SITE}', {grants|grant}, {one|key}, {none|session}, {n}, {gone}{SITE}",
                    "Remove 'hannover', 3 grants, 1 key, 0 sessions, -, -hannover");
}
END_TEST

static void expect_cell(cell_writer *write, const json_t *value, const char *printed)
{
    char cell[CELL_SIZE];
    cell_write(write, value, cell);
    ck_assert_str_eq(cell, printed);
}

static void expect_json_cell(cell_writer *write, const char *json, const char *printed)
{
    json_t *value = load(json);
    expect_cell(write, value, printed);
    json_decref(value);
}

START_TEST(policies_are_short)
{
    expect_json_cell(
        cell_policy,
        "{\"from\":[\"192.0.2.0/24\",\"::1\",\"10.0.0.0/8\"],\"max_connections\":10,"
        "\"max_rate\":5,\"bandwidth_in\":500000,\"bandwidth_out\":65536,"
        "\"connect_timeout_s\":5,\"idle_timeout_s\":5400,\"hold_s\":0,"
        "\"expires\":\"2020-01-01T00:00:00Z\",\"proxy_protocol\":\"v2\",\"private\":true}",
        "private, from 192.0.2.0/24 ::1 +1, max 10, 5 new/s, in 500k/s, out 64Ki/s, "
        "connect 5s, idle 1h30m, hold 0s, proxy v2, expired");
    expect_json_cell(cell_policy, "{\"from\":null,\"hold_s\":null,\"private\":false}", "-");
    expect_json_cell(cell_policy, "{\"max_rate\":\"odd\",\"expires\":7}", "odd new/s, 7");
    expect_json_cell(cell_policy, "{\"target_check_s\":0}", "check off");
    expect_json_cell(cell_policy, "{\"target_check_s\":300}", "check 5m");
    expect_json_cell(cell_policy, "[]", "-");
    expect_json_cell(cell_refused, "{\"network\":3,\"rate\":0,\"hub\":1}", "network 3, hub 1");
    expect_json_cell(cell_refused, "{\"network\":0}", "-");
    fclose(out);
}
END_TEST

START_TEST(times_are_told_from_now)
{
    char when[CLOCK_TEXT_SIZE], expected[64];
    json_t *past = json_string(clock_format(clock_wall_s() - 3 * 86400, when));
    expect_cell(cell_ago, past, "3d ago");
    snprintf(expected, sizeof(expected), "%s (3d ago)", when);
    expect_cell(cell_until, past, expected);
    json_t *future = json_string(clock_format(clock_wall_s() + 86400 * 3 + 5, when));
    snprintf(expected, sizeof(expected), "%s (in 3d)", when);
    expect_cell(cell_until, future, expected);
    json_t *word = json_string("never");
    expect_cell(cell_ago, word, "never");
    expect_cell(cell_until, word, "never");
    expect_cell(cell_bytes, word, "never");
    json_decref(past);
    json_decref(future);
    json_decref(word);
    fclose(out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_output");
    TCase *tests = tcase_create("output");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_table_is_aligned);
    tcase_add_test(tests, an_empty_list_says_what_to_do);
    tcase_add_test(tests, ages_and_unknown_values);
    tcase_add_test(tests, a_terminal_is_not_steered);
    tcase_add_test(tests, values_of_other_types_are_shown_as_they_are);
    tcase_add_test(tests, advice_stands_under_its_row);
    tcase_add_test(tests, status_is_a_block);
    tcase_add_test(tests, what_was_done_is_a_sentence);
    tcase_add_test(tests, json_is_the_answer_itself);
    tcase_add_test(tests, places_are_filled);
    tcase_add_test(tests, policies_are_short);
    tcase_add_test(tests, times_are_told_from_now);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
