/*
 * A worker process while keys change: a site's own, told on the forwards channel, and the hub's.
 * The test plays the parent; see worker_rig.h.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suite.h"
#include "worker/rotation.h"
#include "worker/worker.h"
#include "worker_rig.h"

#define BASE64   "AAAAC3NzaC1lZDI1NTE5AAAAIFkrIPDAoum8t0TQ3LdM9LPtm8NiVQtA4nOk71cfNL0Q"
#define NEW_KEY  "{\"new_key\":\"ssh-ed25519 " BASE64 "\"}\n"
#define LIST_MAX 1000000

static struct rig rig;
static FILE *input;
static pid_t ssh;

static void setup(void)
{
    rig_open(&rig, NULL);
}

static void teardown(void)
{
    rig_close(&rig);
}

/* `ssh hannover@hub forwards`, its input fed from a FIFO. */
static void follow(const char *options)
{
    char path[RIG_PATH_SIZE + 32];
    (void)snprintf(path, sizeof path, "%s/in", rig.directory);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ssh = rig_ssh(&rig, "%s hannover@127.0.0.1 forwards <in", options);
    input = fopen(path, "w");
    ck_assert_ptr_nonnull(input);
    (void)rig_wait(&rig, MESSAGE_QUERY);
}

static void unfollow(void)
{
    (void)fclose(input);
    ck_assert_int_ge(rig_wait_exit(&rig, ssh), 0);
}

static void say(const char *line)
{
    (void)fputs(line, input);
    (void)fflush(input);
}

/* {"generation":N,...} of so many bytes with its newline. */
static void send_list(unsigned generation, size_t length)
{
    static char line[LIST_MAX];
    static const char end[] = {'"', '}', '\n'};
    struct message message;
    ck_assert_uint_le(length, sizeof line);
    int start = snprintf(line, sizeof line, "{\"generation\":%u,\"x\":\"", generation);
    memset(line + start, 'x', length - (size_t)start);
    memcpy(line + length - sizeof end, end, sizeof end);
    message_init(&message, MESSAGE_SNAPSHOT);
    message.sid = rig.last_sid;
    for (size_t at = 0; at < length; at += message.data_length) {
        message.data = (const uint8_t *)line + at;
        message.data_length = length - at < MESSAGE_DATA_MAX ? length - at : MESSAGE_DATA_MAX;
        message.flags = at + message.data_length == length ? MESSAGE_LAST : 0;
        pipe_send(rig.pipe, &message);
        rig_run(&rig, 1);
    }
}

static void await_output(const char *words)
{
    char path[RIG_PATH_SIZE + 96];
    (void)snprintf(path, sizeof path, "grep -aq '%s' %s/out", words, rig.directory);
    for (int tries = 0; tries < 300; tries++) {
        if (system(path) == 0) /* NOLINT(cert-env33-c): words and name are the test's */
            return;
        rig_run(&rig, 20);
    }
    ck_abort_msg("no %s in the output", words);
}

/* Which line of the output begins so, from 1; 0: none. */
static unsigned line_of(const char *start)
{
    char path[RIG_PATH_SIZE + 32];
    unsigned number = 0, found = 0;
    char *line = NULL;
    size_t size = 0;
    (void)snprintf(path, sizeof path, "%s/out", rig.directory);
    FILE *out = fopen(path, "r");
    ck_assert_ptr_nonnull(out);
    while (getline(&line, &size, out) > 0) {
        number++;
        if (strncmp(line, start, strlen(start)) == 0)
            found = number;
    }
    free(line);
    (void)fclose(out);
    return found;
}

START_TEST(a_new_key_is_asked_of_the_parent)
{
    static const uint8_t start[] = "\0\0\0\x0bssh-ed25519\0\0\0 \x59\x2b";
    follow("");
    say(NEW_KEY);
    struct heard *rotate = rig_wait(&rig, MESSAGE_ROTATE);
    ck_assert_uint_eq(rotate->sid, rig.last_sid);
    ck_assert_uint_eq(rotate->key_length, 51);
    ck_assert_mem_eq(rotate->key, start, sizeof start - 1);
    rig_answer_rotate(&rig, VERDICT_GRANTED);
    await_output("{\"new_key\":{\"pending\":true}}");
    rig.refusal = "it is another site's";
    say(NEW_KEY);
    (void)rig_wait(&rig, MESSAGE_ROTATE);
    rig_answer_rotate(&rig, VERDICT_REFUSED);
    await_output("{\"new_key\":{\"refused\":\"it is another site.s\"}}");
    unfollow();
}
END_TEST

/* While the peer takes nothing, lists replace each other; the verdict is neither lost nor late. */
START_TEST(lists_do_not_push_the_verdict_out)
{
    follow("");
    send_list(1, 100);
    await_output("generation");
    say(NEW_KEY);
    (void)rig_wait(&rig, MESSAGE_ROTATE);
    kill(ssh, SIGSTOP);
    for (unsigned generation = 2; generation <= 6; generation++)
        send_list(generation, LIST_MAX); /* more than window and socket take */
    rig_answer_rotate(&rig, VERDICT_GRANTED);
    for (unsigned generation = 7; generation <= 9; generation++)
        send_list(generation, LIST_MAX);
    rig_run(&rig, 100);
    kill(ssh, SIGCONT);
    await_output("\"generation\":9,.*\"}$");
    ck_assert_uint_gt(line_of("{\"new_key\":{\"pending\":true}}"), 1);
    ck_assert_uint_lt(line_of("{\"new_key\":{\"pending\":true}}"), line_of("{\"generation\":9,"));
    unfollow();
}
END_TEST

static const char *const malformed[] = {
    "{\"new_key\":null}\n",
    "{\"new_key\":7}\n",
    "{\"new_key\":\"\"}\n",
    "{\"new_key\":\"ssh-ed25519\"}\n",
    "{\"new_key\":\"ssh-ed25519 \"}\n",
    "{\"new_key\":\"ssh-ed25519 !\"}\n",
    "{\"new_key\":\"ssh-ed25519 " BASE64 " a comment\"}\n",
    NEW_KEY NEW_KEY, /* the second before the answer */
};

START_TEST(a_malformed_key_ends_the_session)
{
    follow("");
    say(malformed[_i]);
    ck_assert_ptr_nonnull(strstr(rig_wait(&rig, MESSAGE_GONE)->text, "new key"));
    unfollow();
    ck_assert(!rig.worker_gone);
}
END_TEST

START_TEST(keys_are_bounded)
{
    uint8_t blob[64];
    ck_assert_int_eq(rotation_read_key("ssh-ed25519 " BASE64, blob, sizeof blob), 51);
    ck_assert_int_eq(rotation_read_key("ssh-ed25519 " BASE64, blob, 50), -1);
    ck_assert_int_eq(rotation_read_key(BASE64, blob, sizeof blob), -1);
}
END_TEST

START_TEST(activate_is_asked_and_answered)
{
    rig.query_data = "key SHA256:x is current now\n";
    pid_t client = rig_ssh(&rig, "hannover@127.0.0.1 activate </dev/null");
    ck_assert_str_eq(rig_wait(&rig, MESSAGE_QUERY)->text, "activate");
    ck_assert_int_eq(rig_wait_exit(&rig, client), 0);
    ck_assert_str_eq(rig_read(&rig, "out"), rig.query_data);
    rig.query = VERDICT_REFUSED;
    rig.refusal = "this key was revoked";
    client = rig_ssh(&rig, "hannover@127.0.0.1 activate </dev/null");
    ck_assert_int_eq(rig_wait_exit(&rig, client), 1);
    ck_assert_ptr_nonnull(strstr(rig_read(&rig, "err"), rig.refusal));
}
END_TEST

/* How often the client was shown this host key. */
static unsigned shown(const char *log, const char *fingerprint)
{
    char wanted[128];
    unsigned count = 0;
    (void)snprintf(wanted, sizeof wanted, "Server host key: ssh-ed25519 %s", fingerprint);
    for (const char *at = rig_read(&rig, log); (at = strstr(at, wanted)); at++)
        count++;
    return count;
}

static void fingerprint_of(const char *name, char *fingerprint, size_t size)
{
    char command[RIG_PATH_SIZE + 64];
    (void)snprintf(command, sizeof command, "ssh-keygen -lf %s/%s.pub | cut -d' ' -f2",
                   rig.directory, name);
    FILE *out = popen(command, "r"); /* NOLINT(cert-env33-c): a name of mkdtemp's */
    ck_assert_ptr_nonnull(fgets(fingerprint, (int)size, out));
    fingerprint[strcspn(fingerprint, "\n")] = '\0';
    (void)pclose(out);
}

static void send_host_key(const char *name)
{
    char path[RIG_PATH_SIZE + 32], pem[4096];
    struct fault fault = {""};
    struct message message;
    (void)snprintf(path, sizeof path, "%s/%s", rig.directory, name);
    ck_assert_msg(host_key_generate(path, &fault) == 0, "%s", fault.text);
    (void)snprintf(pem, sizeof pem, "%s", rig_read(&rig, name));
    message_init(&message, MESSAGE_HOST_KEY);
    message.key = (const uint8_t *)pem;
    message.key_length = strlen(pem);
    pipe_send(rig.pipe, &message);
}

START_TEST(a_new_host_key_is_for_new_sessions)
{
    char before[128], after[128];
    follow("-o RekeyLimit=64K");
    send_list(1, 1000);
    await_output("\"generation\":1,");
    fingerprint_of("host_key", before, sizeof before);
    ck_assert_uint_eq(shown("err", before), 1);
    send_host_key("second");
    fingerprint_of("second", after, sizeof after);
    rig.query_data = "fine\n";
    pid_t client = rig_ssh(&rig, "-E err2 hannover@127.0.0.1 status </dev/null >/dev/null");
    ck_assert_int_eq(rig_wait_exit(&rig, client), 0);
    ck_assert_uint_eq(shown("err2", after), 1);
    ck_assert_uint_eq(shown("err2", before), 0);
    unfollow();
}
END_TEST

START_TEST(a_running_session_renews_its_keys_with_the_old_host_key)
{
    char before[128];
    follow("-o RekeyLimit=64K");
    send_list(1, 1000);
    await_output("\"generation\":1,");
    fingerprint_of("host_key", before, sizeof before);
    send_host_key("second");
    send_list(2, 300000);
    await_output("\"generation\":2,.*\"}$");
    send_list(3, 300000);
    await_output("\"generation\":3,.*\"}$");
    rig_run(&rig, 100);
    unsigned times = shown("err", before);
    ck_assert_uint_ge(times, 3);
    for (const char *at = rig_read(&rig, "err"); (at = strstr(at, "Server host key:")); at++)
        times--;
    ck_assert_uint_eq(times, 0); /* and no other */
    unfollow();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_rotation");
    TCase *parts = tcase_create("parts");
    tcase_add_test(parts, keys_are_bounded);
    suite_add_tcase(suite, parts);
    TCase *cases = tcase_create("rotation");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, a_new_key_is_asked_of_the_parent);
    tcase_add_test(cases, lists_do_not_push_the_verdict_out);
    tcase_add_loop_test(cases, a_malformed_key_ends_the_session, 0,
                        (int)(sizeof malformed / sizeof *malformed));
    tcase_add_test(cases, activate_is_asked_and_answered);
    tcase_add_test(cases, a_new_host_key_is_for_new_sessions);
    tcase_add_test(cases, a_running_session_renews_its_keys_with_the_old_host_key);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
