/*
 * Whole commands against a hub that answers from a table: a real control server on a loop in a
 * thread of its own.
 */
#define _GNU_SOURCE
#include "tunnelctl/run.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "control/server.h"
#include "keys/keyfile.h"
#include "suite.h"
#include "tunnelctl/parse.h"

static const struct {
    const char *verb, *data;
} answers[] = {
    {"site.list", "[]"},
    {"operator.list", "[{\"name\":\"alice\",\"state\":\"online\"}]"},
    {"port.list", "[{\"port\":8443,\"target\":\"10.0.0.1:443\"},{\"port\":80,\"target\":\"a:1\"}]"},
    {"site.show", "{\"name\":\"hannover\",\"grants\":[{},{},{}]}"},
    {"site.remove", "{\"name\":\"hannover\"}"},
    {"site.check", "[{\"verdict\":\"PASS\"},{\"verdict\":\"FAIL\"},{\"verdict\":\"SKIP\"}]"},
    {"keyfile.issue", "{\"id\":\"k3v7q2m9xa\",\"site\":\"hannover\",\"expires\":\"never\","
                      "\"keyfile\":\"token: hunter2\\n\"}"},
    {"keyfile.revoke", "{\"id\":\"k3v7q2m9xa\"}"},
    {"events", "[{\"time\":\"T\",\"event\":\"site.online\",\"site\":\"hannover\",\"detail\":\"d\","
               "\"peer\":\"192.0.2.7:1\",\"actor\":null}]"},
};

static char directory[64], path[96];
static uv_loop_t loop;
static uv_async_t stopper;
static uv_thread_t thread;
static struct control_server *server;
static char asked[512]; /* the verbs, each with a blank behind it */
static struct fault fault;
static char *printed, *said;

static void handle(void *owner, struct control_request *request)
{
    (void)owner;
    const char *verb = control_request_verb(request);
    strcat(strcat(asked, verb), " ");
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        if (strcmp(answers[i].verb, verb) == 0) {
            control_reply(request, json_loads(answers[i].data, 0, NULL));
            return;
        }
    }
    control_refuse(request, "there is no verb '%s'", verb);
}

static void on_stop(uv_async_t *async)
{
    control_server_close(server);
    uv_close((uv_handle_t *)async, NULL);
}

static void serve(void *unused)
{
    (void)unused;
    uv_run(&loop, UV_RUN_DEFAULT);
}

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    snprintf(directory, sizeof(directory), "/tmp/ctl-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/c.sock", directory);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(uv_async_init(&loop, &stopper, on_stop), 0);
    ck_assert_int_eq(control_server_open(&loop, path, NULL, handle, NULL, &server, &fault), 0);
    ck_assert_int_eq(uv_thread_create(&thread, serve, NULL), 0);
    fault.text[0] = '\0';
}

static void teardown(void)
{
    uv_async_send(&stopper);
    uv_thread_join(&thread);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    free(printed);
    free(said);
    ck_assert_int_eq(rmdir(directory), 0);
}

/* Runs the command; what it wrote is in `printed` and `said`. */
static enum outcome run_with(char *const *argv, FILE *in)
{
    struct invocation invocation;
    size_t out_size, error_size;
    int argc = 0;
    while (argv[argc])
        argc++;
    ck_assert_int_eq(invocation_parse(argc, argv, &invocation, &fault), DONE);
    if (!invocation.socket)
        invocation.socket = path;
    free(printed);
    free(said);
    printed = said = NULL;
    invocation.in = in;
    invocation.out = open_memstream(&printed, &out_size);
    invocation.error = open_memstream(&said, &error_size);
    enum outcome outcome = command_run(&invocation, &fault);
    fclose(invocation.out);
    fclose(invocation.error);
    invocation_release(&invocation);
    return outcome;
}

#define WORDS(...) ((char *const[]){(char[]){"tunnelctl"}, __VA_ARGS__, NULL})
#define W(word)    ((char[]){word})

static enum outcome run(char *const *argv)
{
    FILE *nothing = fopen("/dev/null", "r");
    enum outcome outcome = run_with(argv, nothing);
    fclose(nothing);
    return outcome;
}

START_TEST(asks_and_shows)
{
    ck_assert_int_eq(run(WORDS(W("sites"))), DONE);
    ck_assert_str_eq(asked, "site.list ");
    ck_assert_str_eq(printed, "no sites yet; add one with: tunnelctl site add NAME\n");
}
END_TEST

START_TEST(a_refusal_is_the_hubs)
{
    ck_assert_int_eq(run(WORDS(W("sessions"))), REFUSED);
    ck_assert_str_eq(fault.text, "there is no verb 'session.list'");
    ck_assert_str_eq(printed, "");
}
END_TEST

START_TEST(no_hub_is_unreachable)
{
    char nowhere[128], option[160];
    snprintf(nowhere, sizeof(nowhere), "%s/none", directory);
    snprintf(option, sizeof(option), "--socket=%s", nowhere);
    ck_assert_int_eq(run(WORDS(W("sites"), option)), UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(fault.text, nowhere));
    ck_assert_ptr_nonnull(strstr(fault.text, "start tunneld"));
}
END_TEST

START_TEST(a_failed_check_is_a_failure)
{
    ck_assert_int_eq(run(WORDS(W("site"), W("check"), W("hannover"))), REFUSED);
    ck_assert_str_eq(fault.text, "1 of 3 checks failed");
    ck_assert_uint_gt(strlen(printed), 0);
}
END_TEST

START_TEST(nothing_is_destroyed_unasked)
{
    ck_assert_int_eq(run(WORDS(W("site"), W("remove"), W("hannover"))), REFUSED);
    ck_assert_ptr_nonnull(strstr(fault.text, "add --yes"));
    ck_assert_int_eq(run(WORDS(W("--json"), W("keyfile"), W("revoke"), W("abc"))), REFUSED);
    ck_assert_str_eq(asked, "");
}
END_TEST

START_TEST(yes_answers_the_question)
{
    ck_assert_int_eq(run(WORDS(W("site"), W("remove"), W("hannover"), W("-y"))), DONE);
    ck_assert_str_eq(asked, "site.remove ");
    ck_assert_str_eq(printed, "site 'hannover' is removed\n");
}
END_TEST

static enum outcome remove_answering(const char *answer)
{
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    FILE *in = fopen(ptsname(terminal), "r+");
    ck_assert_ptr_nonnull(in);
    ck_assert_int_gt(write(terminal, answer, strlen(answer)), 0);
    enum outcome outcome = run_with(WORDS(W("site"), W("remove"), W("hannover")), in);
    fclose(in);
    close(terminal);
    return outcome;
}

START_TEST(a_person_is_asked_and_says_yes)
{
    ck_assert_int_eq(remove_answering("y\n"), DONE);
    ck_assert_str_eq(said, "Remove site 'hannover', its key and 3 grants? [y/N] ");
    ck_assert_str_eq(asked, "site.show site.remove ");
}
END_TEST

static const char *const no[] = {"\n", "n\n", "yesterday\n", "\004"};

START_TEST(any_other_answer_is_no)
{
    ck_assert_int_eq(remove_answering(no[_i]), REFUSED);
    ck_assert_str_eq(fault.text, "nothing was changed");
    ck_assert_str_eq(asked, "site.show ");
}
END_TEST

START_TEST(a_keyfile_goes_to_its_file)
{
    char file[128], *text;
    size_t length;
    struct stat status;
    snprintf(file, sizeof(file), "%s/h.keyfile", directory);
    ck_assert_int_eq(run(WORDS(W("keyfile"), W("issue"), W("hannover"), W("-o"), file)), DONE);
    ck_assert_int_eq(file_read(file, 4096, &text, &length, &fault), 0);
    ck_assert_str_eq(text, "token: hunter2\n");
    free(text);
    ck_assert_int_eq(stat(file, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    ck_assert_ptr_nonnull(strstr(printed, "tunnel-agent enrol h.keyfile\n"));
    ck_assert_ptr_null(strstr(printed, "hunter2"));

    /* A second one does not overwrite it, and the hub is not asked for one. */
    asked[0] = '\0';
    ck_assert_int_eq(run(WORDS(W("keyfile"), W("issue"), W("hannover"), W("-o"), file)), REFUSED);
    ck_assert_ptr_nonnull(strstr(fault.text, "exists already"));
    ck_assert_str_eq(asked, "");
    ck_assert_int_eq(unlink(file), 0);
}
END_TEST

START_TEST(json_with_a_file_holds_no_secret)
{
    char file[128];
    snprintf(file, sizeof(file), "%s/h.keyfile", directory);
    ck_assert_int_eq(
        run(WORDS(W("--json"), W("keyfile"), W("issue"), W("hannover"), W("-o"), file)), DONE);
    ck_assert_ptr_nonnull(strstr(printed, "\"id\": \"k3v7q2m9xa\""));
    ck_assert_ptr_null(strstr(printed, "hunter2"));
    ck_assert_int_eq(unlink(file), 0);
}
END_TEST

START_TEST(a_keyfile_that_could_not_be_written_is_revoked)
{
    char file[512];
    snprintf(file, sizeof(file), "%s/%0300d", directory, 0); /* longer than a name may be */
    ck_assert_int_eq(run(WORDS(W("keyfile"), W("issue"), W("hannover"), W("-o"), file)), REFUSED);
    ck_assert_str_eq(asked, "keyfile.issue keyfile.revoke ");
    ck_assert_ptr_nonnull(strstr(fault.text, "keyfile k3v7q2m9xa was revoked"));
    ck_assert_ptr_null(strstr(fault.text, "hunter2"));
}
END_TEST

START_TEST(events_are_lines)
{
    ck_assert_int_eq(run(WORDS(W("events"))), DONE);
    ck_assert_str_eq(printed, "T                     site.online        hannover      d, from "
                              "192.0.2.7:1\n");
}
END_TEST

static void write_keyfile(const char *file, int64_t expires_s)
{
    struct keyfile keyfile = {.issued_s = 1763671501, .expires_s = expires_s};
    struct host_port hub = {"hub.example.net", 2222};
    struct keyfile_forward forward = {{"127.0.0.1", 8443}, {"192.168.1.10", 443}};
    char key[] = "ssh-ed25519 "
                 "AAAAC3NzaC1lZDI1NTE5AAAAIP7Ub3xj6B7xJmNVYxwQpTM9L0g4Fq2v1c3dHk5eRr8Z";
    char target[] = "192.168.1.10:443", *keys[] = {key}, *targets[] = {target};
    snprintf(keyfile.site, sizeof(keyfile.site), "hannover");
    keyfile.hub = (struct host_port_list){1, &hub};
    keyfile.host_keys = (struct text_list){1, keys};
    keyfile.allow_targets = (struct text_list){1, targets};
    keyfile.forward_count = 1;
    keyfile.forwards = &forward;
    ck_assert(token_parse("k3v7q2mzxa.abcdefghijklmnopqrstuvwxyz234567", &keyfile.token));
    char *text = keyfile_format(&keyfile);
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(file_write(file, text, strlen(text), 0600, &fault), 0);
    free(text);
}

START_TEST(a_keyfile_is_inspected_without_its_secret)
{
    char file[128];
    snprintf(file, sizeof(file), "%s/h.keyfile", directory);
    write_keyfile(file, clock_wall_s() + 86400 + 5);
    ck_assert_int_eq(run(WORDS(W("keyfile"), W("inspect"), file)), DONE);
    ck_assert_str_eq(asked, "");
    static const char *const expected[] = {
        "site             hannover\n",
        "hubs             hub.example.net:2222\n",
        "host keys        SHA256:",
        " (ssh-ed25519)\n",
        "token id         k3v7q2mzxa\n",
        "issued           2025-11-20T20:45:01Z",
        "Z (in 1d",
        "forwards         127.0.0.1:8443 -> 192.168.1.10:443\n",
        "allowed targets  192.168.1.10:443\n",
    };
    for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
        ck_assert_msg(strstr(printed, expected[i]) != NULL, "%s in\n%s", expected[i], printed);
    ck_assert_ptr_null(strstr(printed, "abcdefghijklmnopqrstuvwxyz"));
    ck_assert_ptr_null(strstr(printed, "expired"));
    ck_assert_int_eq(run(WORDS(W("--json"), W("keyfile"), W("inspect"), file)), DONE);
    ck_assert_ptr_nonnull(strstr(printed, "\"expired\": false"));
    ck_assert_ptr_null(strstr(printed, "abcdefghijklmnopqrstuvwxyz"));
    ck_assert_int_eq(unlink(file), 0);
}
END_TEST

START_TEST(an_expired_keyfile_is_said_so)
{
    char file[128];
    snprintf(file, sizeof(file), "%s/h.keyfile", directory);
    write_keyfile(file, 1763757901);
    ck_assert_int_eq(run(WORDS(W("keyfile"), W("inspect"), file)), DONE);
    ck_assert_ptr_nonnull(strstr(printed, "It has expired"));
    ck_assert_int_eq(unlink(file), 0);
}
END_TEST

START_TEST(a_damaged_keyfile_is_refused)
{
    char file[128];
    snprintf(file, sizeof(file), "%s/h.keyfile", directory);
    ck_assert_int_eq(file_write(file, "version: 1\nsite: [\n", 19, 0600, &fault), 0);
    ck_assert_int_eq(run(WORDS(W("keyfile"), W("inspect"), file)), REFUSED);
    ck_assert_ptr_nonnull(strstr(fault.text, "h.keyfile:"));
    ck_assert_str_eq(printed, "");
    ck_assert_int_eq(unlink(file), 0);
}
END_TEST

static const struct {
    const char *words[8];
    const char *offered;
} completed[] = {
    {{"sit"}, "site\t\n"},
    {{"site", "di"}, "disable\tEnd a site's sessions and refuse it, but forget nothing\n"},
    {{"help", "forward", ""}, "list\tList forwards: state, connections, bytes, errors\n"},
    {{"operator", "remove", ""}, "alice\tonline\n"},
    {{"operator", "add", ""}, ""},
    {{"port", "show", "hannover", "8"}, "8443\t10.0.0.1:443\n80\ta:1\n"},
    {{"port", "--target", "x:1", "set", "hannover", "84"}, "8443\t10.0.0.1:443\n"},
    {{"port", "set", "hannover", "80", "--proxy-protocol", "v"}, "v1\t\nv2\t\n"},
    {{"port", "set", "hannover", "80", "--proxy-protocol=o"}, "--proxy-protocol=off\t\n"},
    {{"port", "set", "hannover", "80", "--private", ""}, "yes\t\nno\t\n"},
    {{"port", "set", "hannover", "80", "--private="}, "--private=yes\t\n--private=no\t\n"},
    {{"port", "set", "--private", "yes", "hannover", "84"}, "8443\t10.0.0.1:443\n"},
    {{"port", "set", "--private", "hannover", "84"}, "8443\t10.0.0.1:443\n"},
    {{"port", "set", "hannover", "80", "--private", "--proxy-protocol=v1"},
     "--proxy-protocol=v1\t\n"},
    {{"apply", "-f", ""}, ":file\n"},
    {{"apply", "-f", "x", "--d"}, "--dry-run\tprint the plan, change nothing\n"},
    {{"apply", "--dry-run", "--dry"}, ""},
    {{"--socket", "/nowhere/c.sock", "operator", "remove", ""}, ""},
    {{"nonsense", ""}, ""},
};

START_TEST(lines_are_completed)
{
    char *argv[16] = {W("tunnelctl"), W("complete"), W("--")};
    int used = 3;
    for (size_t i = 0; i < 8 && completed[_i].words[i]; i++)
        argv[used++] = strdup(completed[_i].words[i]);
    ck_assert_int_eq(run(argv), DONE);
    ck_assert_str_eq(printed, completed[_i].offered);
    ck_assert_str_eq(fault.text, "");
    for (int i = 3; i < used; i++)
        free(argv[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_run");
    TCase *tests = tcase_create("run");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, asks_and_shows);
    tcase_add_test(tests, a_refusal_is_the_hubs);
    tcase_add_test(tests, no_hub_is_unreachable);
    tcase_add_test(tests, a_failed_check_is_a_failure);
    tcase_add_test(tests, nothing_is_destroyed_unasked);
    tcase_add_test(tests, yes_answers_the_question);
    tcase_add_test(tests, a_person_is_asked_and_says_yes);
    tcase_add_loop_test(tests, any_other_answer_is_no, 0, (int)(sizeof(no) / sizeof(*no)));
    tcase_add_test(tests, a_keyfile_goes_to_its_file);
    tcase_add_test(tests, json_with_a_file_holds_no_secret);
    tcase_add_test(tests, a_keyfile_that_could_not_be_written_is_revoked);
    tcase_add_test(tests, events_are_lines);
    tcase_add_test(tests, a_keyfile_is_inspected_without_its_secret);
    tcase_add_test(tests, an_expired_keyfile_is_said_so);
    tcase_add_test(tests, a_damaged_keyfile_is_refused);
    tcase_add_loop_test(tests, lines_are_completed, 0, sizeof(completed) / sizeof(*completed));
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
