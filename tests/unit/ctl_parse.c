/* Command lines of tunnelctl: which command, which args for the verb, and what is wrong usage. */
#define _GNU_SOURCE
#include "tunnelctl/parse.h"

#include <string.h>

#include "suite.h"
#include "tunnelctl/help.h"

static struct invocation invocation;
static struct fault fault;

static void teardown(void)
{
    invocation_release(&invocation);
}

/* `line` is cut at single blanks; "~" stands for an empty word. */
static enum outcome parse(const char *line)
{
    static char copy[1024];
    char *argv[64];
    int argc = 0;
    char *rest = copy;
    snprintf(copy, sizeof(copy), "tunnelctl %s", line);
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        if (*word)
            argv[argc++] = strcmp(word, "~") == 0 ? word + 1 : word;
    argv[argc] = NULL;
    fault.text[0] = '\0';
    return invocation_parse(argc, argv, &invocation, &fault);
}

static const struct {
    const char *line, *words, *args;
} good[] = {
    {"status", "status", "{}"},
    {"site list", "site list", "{}"},
    {"sites", "site list", "{}"},
    {"site add hannover", "site add", "{\"name\":\"hannover\"}"},
    {"site add -- hannover", "site add", "{\"name\":\"hannover\"}"},
    {"log level debug", "log level", "{\"level\":\"debug\"}"},
    {"log level default --site hannover", "log level",
     "{\"level\":\"default\",\"site\":\"hannover\"}"},
    {"reload", "reload", "{}"},
    {"port allow hannover 8443 --target 192.168.1.10:443", "port allow",
     "{\"port\":8443,\"site\":\"hannover\",\"target\":\"192.168.1.10:443\"}"},
    {"port allow hannover [::1]:8443 --target=[2001:db8::1]:443", "port allow",
     "{\"address\":\"::1\",\"port\":8443,\"site\":\"hannover\",\"target\":\"[2001:db8::1]:443\"}"},
    {"--target a:1 port allow hannover 0.0.0.0:80", "port allow",
     "{\"address\":\"0.0.0.0\",\"port\":80,\"site\":\"hannover\",\"target\":\"a:1\"}"},
    {"port --target a:1 set hannover 80", "port set",
     "{\"port\":80,\"site\":\"hannover\",\"target\":\"a:1\"}"},
    {"keyfile issue hannover --expires 72h --hub a:1 --hub [::1]:2 --from 10.0.0.0/8 "
     "--allow-target *:443 --replace -o f",
     "keyfile issue",
     "{\"allow_targets\":[\"*:443\"],\"expires_s\":259200,\"from\":\"10.0.0.0/8\","
     "\"hubs\":[\"a:1\",\"[::1]:2\"],\"replace\":true,\"site\":\"hannover\"}"},
    {"keyfile issue hannover --from 192.0.2.1 -ofile", "keyfile issue",
     "{\"from\":\"192.0.2.1\",\"site\":\"hannover\"}"},
    {"port set hannover 80 --max-connections 10", "port set",
     "{\"policy\":{\"max_connections\":10},\"port\":80,\"site\":\"hannover\"}"},
    {"port set hannover 80 --from 192.0.2.0/24 --from ::1 --max-rate 5", "port set",
     "{\"policy\":{\"from\":[\"192.0.2.0/24\",\"::1\"],\"max_rate\":5},\"port\":80,"
     "\"site\":\"hannover\"}"},
    {"port set hannover 80 --from any --max-connections none --max-rate none --hold default "
     "--bandwidth-in none --bandwidth-out none --connect-timeout default --idle-timeout none "
     "--expires never --proxy-protocol off --target-check default",
     "port set",
     "{\"policy\":{\"bandwidth_in\":null,\"bandwidth_out\":null,\"connect_timeout_s\":null,"
     "\"expires\":null,\"from\":null,\"hold_s\":null,\"idle_timeout_s\":null,"
     "\"max_connections\":null,\"max_rate\":null,\"proxy_protocol\":null,"
     "\"target_check_s\":null},\"port\":80,\"site\":\"hannover\"}"},
    {"port set hannover 80 --target-check off", "port set",
     "{\"policy\":{\"target_check_s\":0},\"port\":80,\"site\":\"hannover\"}"},
    {"port set hannover 80 --target-check 5m", "port set",
     "{\"policy\":{\"target_check_s\":300},\"port\":80,\"site\":\"hannover\"}"},
    {"port set hannover 80 --bandwidth-in 500k --bandwidth-out 64Ki --hold 0 --idle-timeout 1h30m",
     "port set",
     "{\"policy\":{\"bandwidth_in\":500000,\"bandwidth_out\":65536,\"hold_s\":0,"
     "\"idle_timeout_s\":5400},\"port\":80,\"site\":\"hannover\"}"},
    {"port set hannover 80 --expires 2027-01-31T12:00:00Z --proxy-protocol v1", "port set",
     "{\"policy\":{\"expires\":\"2027-01-31T12:00:00Z\",\"proxy_protocol\":\"v1\"},"
     "\"port\":80,\"site\":\"hannover\"}"},
    {"port set hannover 80 --private no --address 192.0.2.1", "port set",
     "{\"address\":\"192.0.2.1\",\"policy\":{\"private\":false},\"port\":80,"
     "\"site\":\"hannover\"}"},
    {"port set hannover 80 --private=no", "port set",
     "{\"policy\":{\"private\":false},\"port\":80,\"site\":\"hannover\"}"},
    {"port allow --private hannover 80 --target a:1", "port allow",
     "{\"policy\":{\"private\":true},\"port\":80,\"site\":\"hannover\",\"target\":\"a:1\"}"},
    {"port allow hannover 80 --target a:1 --private", "port allow",
     "{\"policy\":{\"private\":true},\"port\":80,\"site\":\"hannover\",\"target\":\"a:1\"}"},
    {"port reset hannover", "port reset", "{\"site\":\"hannover\"}"},
    {"port reset hannover 80", "port reset", "{\"port\":80,\"site\":\"hannover\"}"},
    {"port show hannover 80", "port show", "{\"port\":80,\"site\":\"hannover\"}"},
    {"keyfile revoke abc -y", "keyfile revoke", "{\"id\":\"abc\"}"},
    {"sessions hannover", "session list", "{\"site\":\"hannover\"}"},
    {"forwards --site hannover", "forward list", "{\"site\":\"hannover\"}"},
    {"connection list --site=hannover --json", "connection list", "{\"site\":\"hannover\"}"},
    {"connection close 18446744073", "connection close", "{\"id\":18446744073}"},
    {"events -f --since 1h30m", "events", "{\"follow\":true,\"since_s\":5400}"},
    {"--socket /x.sock events --since 0", "events", "{\"since_s\":1}"},
    {"host-key show", "host-key show", "{}"},
    {"connect hannover 22 --hub hub.example.net --user alice --identity k", "connect", "{}"},
};

START_TEST(good_lines)
{
    ck_assert_msg(parse(good[_i].line) == DONE, "%s: %s", good[_i].line, fault.text);
    ck_assert_str_eq(invocation.command->words, good[_i].words);
    char *args = json_dumps(invocation.args, JSON_COMPACT | JSON_SORT_KEYS);
    ck_assert_str_eq(args, good[_i].args);
    free(args);
}
END_TEST

static const struct {
    const char *line;
    enum outcome outcome;
    const char *sentence;
} bad[] = {
    {"", USAGE, "no command is given"},
    {"--json", USAGE, "no command is given"},
    {"sttaus", USAGE, "there is no command 'sttaus'; did you mean 'status'?"},
    {"sesions", USAGE, "there is no command 'sesions'; did you mean 'sessions'?"},
    {"qqqqqq", USAGE, "there is no command 'qqqqqq'"},
    {"~", USAGE, "there is no command ''"},
    {"site", USAGE,
     "'site' needs one more word: add, list, show, check, rotate, disable, enable, remove"},
    {"site lst", USAGE, "there is no command 'site lst'; did you mean 'site list'?"},
    {"keyfile frobnicate", USAGE,
     "there is no command 'keyfile frobnicate'; there are: issue, list, revoke, inspect"},
    {"site add", USAGE, "'site add' needs NAME"},
    {"site add a b", USAGE, "'site add' does not know what to do with 'b'"},
    {"port allow hannover 80", USAGE, "'port allow' needs --target HOST:PORT"},
    {"port allow hannover 80 --target", USAGE, "--target needs HOST:PORT behind it"},
    {"port set hannover 80 --max-connections ten", USAGE, "--max-connections: 'ten' is not N|none"},
    {"port set hannover 80 --max-connections -1", USAGE, "--max-connections: '-1' is not N|none"},
    {"port set hannover 80 --max-connections any", USAGE, "--max-connections: 'any' is not N|none"},
    {"port set hannover 80 --from nowhere", USAGE,
     "--from: 'nowhere' is not CIDR|any, such as 192.0.2.0/24 or 2001:db8::/32"},
    {"port set hannover 80 --from 10.0.0.0/33", USAGE,
     "--from: '10.0.0.0/33' is not CIDR|any, such as 192.0.2.0/24 or 2001:db8::/32"},
    {"port set hannover 80 --from 10.0.0.0/8 --from any", USAGE, "--from any stands alone"},
    {"port set hannover 80 --from any --from 10.0.0.0/8", USAGE, "--from any stands alone"},
    {"port set hannover 80 --bandwidth-in fast", USAGE,
     "--bandwidth-in: 'fast' is not RATE|none; bytes a second are written as 500k, 10M or 64Ki (k "
     "= 1000, Ki = 1024)"},
    {"port set hannover 80 --hold 1ms", USAGE,
     "--hold: '1ms' is not DUR|default; whole seconds are written as 5s, 10m or 1h30m"},
    {"port set hannover 80 --connect-timeout 5", USAGE,
     "--connect-timeout: '5' is not DUR|default; whole seconds are written as 5s, 10m or 1h30m"},
    {"port set hannover 80 --expires tomorrow", USAGE,
     "--expires: 'tomorrow' is not DUR|TIME|never, such as 12h, 30d or 2027-01-31T12:00:00Z"},
    {"port set hannover 80 --expires 0", USAGE,
     "--expires: '0' is not DUR|TIME|never, such as 12h, 30d or 2027-01-31T12:00:00Z"},
    {"port set hannover 80 --proxy-protocol v3", USAGE, "--proxy-protocol: 'v3' is not v1|v2|off"},
    {"port set hannover 80 --private=maybe", USAGE, "--private: 'maybe' is not yes|no"},
    {"port set hannover 80 --private maybe", USAGE,
     "'port set' does not know what to do with 'maybe'"},
    {"port set hannover 80 --hold 1s --hold 2s", USAGE, "--hold is given twice"},
    {"port allow hannover 80 --target a:1 --target b:1", USAGE, "--target is given twice"},
    {"site list --target a:1", USAGE, "'site list' has no option --target"},
    {"site list --jsno", USAGE, "there is no option --jsno; did you mean --json?"},
    {"site list --json=yes", USAGE, "--json takes no value"},
    {"site list -yx", USAGE, "there is no option -yx"},
    {"site list -q", USAGE, "there is no option -q"},
    {"--socket", USAGE, "--socket needs PATH behind it"},
    {"port allow hannover 70000 --target a:1", REFUSED,
     "'70000' is no port; a port is a number from 1 to 65535"},
    {"port allow hannover 0 --target a:1", REFUSED,
     "'0' is no port; a port is a number from 1 to 65535"},
    {"port set hannover 1.2.3.4:80 --target a:1", REFUSED,
     "'1.2.3.4:80' is no port; a port is a number from 1 to 65535"},
    {"connection close 0", REFUSED, "'0' is no ID; it is a number, as the lists show it"},
    {"connection close 99999999999999999999", REFUSED,
     "'99999999999999999999' is no ID; it is a number, as the lists show it"},
    {"log level loud", REFUSED,
     "'loud' is no log level; there are error, warning, info, debug and trace"},
    {"keyfile issue h --expires 1ms", REFUSED, "--expires: '1ms' is less than a second"},
    {"keyfile issue h --from 10.0.0.0/33", REFUSED,
     "--from: '10.0.0.0/33' is no network; write it like 192.0.2.0/24 or 2001:db8::/32"},
    {"keyfile issue h --from 10.0.0.0/", REFUSED,
     "--from: '10.0.0.0/' is no network; write it like 192.0.2.0/24 or 2001:db8::/32"},
    {"keyfile issue h --output ~", REFUSED, "--output is empty"},
    {"events --since soon", REFUSED,
     "--since: 'soon' is neither a duration such as 1h nor a time such as 2026-01-31T12:00:00Z"},
    {"events --since 9999-01-01T00:00:00Z", REFUSED,
     "--since: 9999-01-01T00:00:00Z lies in the future"},
};

START_TEST(bad_lines)
{
    ck_assert_int_eq(parse(bad[_i].line), bad[_i].outcome);
    ck_assert_str_eq(fault.text, bad[_i].sentence);
}
END_TEST

/* Sentences of other rooms: that there is one, and the exit code. */
static const char *const refused[] = {
    "site add Hannover",
    "site add enrol",
    "port allow hannover [::1:80 --target a:1",
    "port allow hannover example.net:80 --target a:1",
    "port allow hannover 80 --target a",
    "port allow hannover 80 --target a:0",
    "keyfile issue h --expires 3x",
    "keyfile issue h --hub a:70000",
    "keyfile issue h --allow-target a",
};

START_TEST(bad_values_are_refused)
{
    ck_assert_int_eq(parse(refused[_i]), REFUSED);
    ck_assert_uint_gt(strlen(fault.text), 0);
}
END_TEST

START_TEST(flags_stand_anywhere)
{
    ck_assert_int_eq(parse("--json site -y list --socket=/run/x.sock"), DONE);
    ck_assert(invocation.json && invocation.yes && !invocation.help);
    ck_assert_str_eq(invocation.socket, "/run/x.sock");
    invocation_release(&invocation);
    ck_assert_int_eq(parse("site list"), DONE);
    ck_assert(!invocation.json && !invocation.yes && !invocation.socket);
}
END_TEST

START_TEST(what_is_no_option_after_two_dashes)
{
    ck_assert_int_eq(parse("site add -- --json"), REFUSED);
    ck_assert(!invocation.json);
}
END_TEST

START_TEST(too_many_words_are_refused)
{
    ck_assert_int_eq(parse("a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a"),
                     USAGE);
    ck_assert_str_eq(fault.text, "more than 32 words");
}
END_TEST

static void print_help(const char *line, enum outcome expected, char **text)
{
    size_t size;
    ck_assert_int_eq(parse(line), DONE);
    ck_assert(invocation.help);
    invocation.out = open_memstream(text, &size);
    ck_assert_int_eq(help_print(&invocation, &fault), expected);
    fclose(invocation.out);
}

START_TEST(help_knows_every_command)
{
    char *text;
    print_help("help", DONE, &text);
    for (const struct command *c = command_next(NULL); c; c = command_next(c))
        ck_assert_msg(strstr(text, c->words) && strstr(text, c->help), "%s", c->words);
    free(text);
}
END_TEST

START_TEST(help_knows_one_family)
{
    char *text;
    print_help("port --help", DONE, &text);
    ck_assert_ptr_nonnull(strstr(text, "port allow SITE [ADDR:]PORT --target HOST:PORT"));
    ck_assert_ptr_null(strstr(text, "site add"));
    free(text);
}
END_TEST

START_TEST(help_explains_one_command)
{
    char *text;
    print_help("help keyfile issue", DONE, &text);
    ck_assert_ptr_nonnull(strstr(text, "--allow-target HOST:PORT"));
    ck_assert_ptr_nonnull(strstr(text, "-o, --output FILE"));
    free(text);
    invocation_release(&invocation);
    print_help("-h site remove", DONE, &text);
    ck_assert_ptr_nonnull(strstr(text, "--yes"));
    free(text);
}
END_TEST

START_TEST(help_about_nothing_is_wrong_usage)
{
    char *text;
    print_help("help sites nothing", DONE, &text);
    free(text);
    invocation_release(&invocation);
    print_help("help dance", USAGE, &text);
    ck_assert_str_eq(fault.text, "there is no command 'dance'");
    free(text);
}
END_TEST

/* The splitter reads options before it knows the command. */
START_TEST(an_option_takes_a_value_in_every_command_or_in_none)
{
    for (const struct command *a = command_next(NULL); a; a = command_next(a)) {
        for (const struct parameter *p = a->options; p && p->name; p++) {
            ck_assert_ptr_null(parameter_find(global_options, p->name, '\0'));
            for (const struct command *b = command_next(NULL); b; b = command_next(b)) {
                const struct parameter *q = parameter_find(b->options, p->name, '\0');
                ck_assert_msg(!q || !q->read == !p->read, "%s", p->name);
            }
        }
    }
}
END_TEST

START_TEST(the_table_is_whole)
{
    for (const struct command *c = command_next(NULL); c; c = command_next(c)) {
        ck_assert_ptr_nonnull(c->help);
        ck_assert_msg(c->verb || c->run, "%s", c->words);
        ck_assert_msg(c->run || c->listing || c->block || c->done, "%s", c->words);
        const char *last = strrchr(c->words, ' ');
        const char *const destroying[] = {" remove", " revoke", " kick", " close"};
        for (size_t i = 0; last && i < sizeof(destroying) / sizeof(*destroying); i++)
            ck_assert_msg(strcmp(last, destroying[i]) != 0 || c->question, "%s", c->words);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_parse");
    TCase *tests = tcase_create("parse");
    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_loop_test(tests, good_lines, 0, (int)(sizeof(good) / sizeof(*good)));
    tcase_add_loop_test(tests, bad_lines, 0, (int)(sizeof(bad) / sizeof(*bad)));
    tcase_add_loop_test(tests, bad_values_are_refused, 0,
                        (int)(sizeof(refused) / sizeof(*refused)));
    tcase_add_test(tests, flags_stand_anywhere);
    tcase_add_test(tests, what_is_no_option_after_two_dashes);
    tcase_add_test(tests, too_many_words_are_refused);
    tcase_add_test(tests, help_knows_every_command);
    tcase_add_test(tests, help_knows_one_family);
    tcase_add_test(tests, help_explains_one_command);
    tcase_add_test(tests, help_about_nothing_is_wrong_usage);
    tcase_add_test(tests, an_option_takes_a_value_in_every_command_or_in_none);
    tcase_add_test(tests, the_table_is_whole);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
