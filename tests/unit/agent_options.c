/* The agent's command line. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"
#include "tunnel-agent/options.h"

static const struct command COMMANDS[] = {
    {"enrol", OPTION_STATE | OPTION_VERBOSE | OPTION_YES, true, NULL},
    {"run", OPTION_STATE | OPTION_VERBOSE | OPTION_KEYFILE, false, NULL},
    {"check", OPTION_JSON | OPTION_BARE, true, NULL},
};
static const struct command *command;
static struct options options;
static struct fault fault;

/* Words are parted by blanks. */
static enum options_result parse(const char *line)
{
    static char text[256], program[] = "tunnel-agent";
    char *argv[16] = {program}, *rest = text;
    int argc = 1;
    snprintf(text, sizeof text, "%s", line);
    while ((argv[argc] = strsep(&rest, " ")) != NULL)
        argc++;
    command = NULL;
    optind = 0; /* getopt begins anew */
    return options_parse(argc, argv, COMMANDS, 3, &command, &options, &fault);
}

START_TEST(options_stand_before_and_after)
{
    ck_assert_int_eq(parse("--state /s enrol -vv k --yes"), OPTIONS_COMMAND);
    ck_assert_str_eq(command->name, "enrol");
    ck_assert_str_eq(options.state, "/s");
    ck_assert_str_eq(options.keyfile, "k");
    ck_assert_uint_eq(options.verbose, 2);
    ck_assert(options.yes);
}
END_TEST

START_TEST(keyfile_is_an_option_of_run)
{
    ck_assert_int_eq(parse("run --keyfile k"), OPTIONS_COMMAND);
    ck_assert_str_eq(options.keyfile, "k");
    ck_assert_ptr_null(options.state);
}
END_TEST

START_TEST(check_may_go_without_a_keyfile)
{
    ck_assert_int_eq(parse("check --json"), OPTIONS_COMMAND);
    ck_assert_ptr_null(options.keyfile);
    ck_assert_int_eq(parse("check k"), OPTIONS_COMMAND);
    ck_assert_str_eq(options.keyfile, "k");
    ck_assert_int_eq(parse("check k l"), OPTIONS_WRONG);
    ck_assert_str_eq(fault.text, "'check' does not take 'l'");
}
END_TEST

START_TEST(wrong_ones_say_what)
{
    ck_assert_int_eq(parse("enroll k"), OPTIONS_WRONG);
    ck_assert_str_eq(fault.text, "there is no command 'enroll'; did you mean 'enrol'?");
    ck_assert_int_eq(parse("run --yes"), OPTIONS_WRONG);
    ck_assert_str_eq(fault.text, "--yes is no option of 'run'");
    ck_assert_int_eq(parse("enrol"), OPTIONS_WRONG);
    ck_assert_str_eq(fault.text, "'enrol' wants the name of a keyfile");
    ck_assert_int_eq(parse("run more"), OPTIONS_WRONG);
    ck_assert_str_eq(fault.text, "'run' does not take 'more'");
    ck_assert_int_eq(parse("run --keyfile"), OPTIONS_WRONG);
    ck_assert_str_eq(fault.text, "--keyfile wants a value");
    ck_assert_int_eq(parse("run --nonsense"), OPTIONS_WRONG);
    ck_assert_str_eq(fault.text, "'--nonsense' is no option");
    ck_assert_int_eq(parse("-v"), OPTIONS_WRONG);
    ck_assert_str_eq(fault.text, "which command?");
}
END_TEST

START_TEST(help_and_version_need_no_command)
{
    ck_assert_int_eq(parse("--help"), OPTIONS_HELP);
    ck_assert_int_eq(parse("run -h"), OPTIONS_HELP);
    ck_assert_int_eq(parse("--version"), OPTIONS_VERSION);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agent_options");
    TCase *tests = tcase_create("options");
    tcase_add_test(tests, options_stand_before_and_after);
    tcase_add_test(tests, keyfile_is_an_option_of_run);
    tcase_add_test(tests, check_may_go_without_a_keyfile);
    tcase_add_test(tests, wrong_ones_say_what);
    tcase_add_test(tests, help_and_version_need_no_command);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
