/* The agent's state directory: its stages, and a kill at each of its writes. */
#define _GNU_SOURCE
#include <libssh/libssh.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "suite.h"
#include "tunnel-agent/site_key.h"
#include "tunnel-agent/state.h"

#define HOST_KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFkrIPDAoum8t0TQ3LdM9LPtm8NiVQtA4nOk71cfNL0Q"
#define KEYFILE(site, hub, target)                                                                 \
    "version: 1\nsite: " site "\nhub: [" hub "]\nhost_keys: [" HOST_KEY "]\n"                      \
    "token: abcdefghij.abcdefghijklmnopqrstuvwxyz234567\nissued: 2026-11-20T20:45:01Z\n"           \
    "expires: 2026-11-23T20:45:01Z\nforwards: []\nallow_targets: [" target "]\n"

static char directory[] = "/tmp/agent_state.XXXXXX";
static struct state state;
static struct fault fault;
static struct keyfile keyfile;

/* Where the process is to die: before or after its nth write.  -1: it lives. */
static int dies_before = -1, dies_after = -1, writes;

int __wrap_file_write(const char *path, const void *data, size_t length, mode_t mode,
                      struct fault *why);
int __real_file_write(const char *path, const void *data, size_t length, mode_t mode,
                      struct fault *why);

int __wrap_file_write(const char *path, const void *data, size_t length, mode_t mode,
                      struct fault *why)
{
    if (writes == dies_before)
        _exit(9);
    int rc = __real_file_write(path, data, length, mode, why);
    if (writes++ == dies_after)
        _exit(9);
    return rc;
}

static void take_keyfile(const char *text)
{
    keyfile_release(&keyfile);
    memset(&keyfile, 0, sizeof keyfile);
    ck_assert_msg(keyfile_parse(text, strlen(text), "test", &keyfile, &fault) == 0, "%s",
                  fault.text);
}

static void setup(void)
{
    memset(directory + sizeof directory - 7, 'X', 6);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(state_locate(&state, directory, &fault), 0);
    dies_before = dies_after = -1;
    writes = 0;
    take_keyfile(KEYFILE("hannover", "hub.example.net:2222", "10.0.0.1:80"));
}

static void teardown(void)
{
    static const char *const names[] = {"lock",       "key",     "key.pub",
                                        "agent.yaml", "keyfile", "last_hub"};
    char path[STATE_PATH_SIZE];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_int_eq(state_path(&state, names[i], path, &fault), 0);
        (void)unlink(path);
    }
    keyfile_release(&keyfile);
    state_release(&state);
    ck_assert_int_eq(rmdir(directory), 0);
}

static enum state_stage stage(void)
{
    enum state_stage found;
    char site[NAME_SIZE];
    ck_assert_msg(state_look(&state, &found, site, &fault) == 0, "%s", fault.text);
    ck_assert_str_eq(site, found == STATE_EMPTY ? "" : "hannover");
    return found;
}

static bool key_line(char line[PUBLIC_KEY_LINE_SIZE])
{
    char path[STATE_PATH_SIZE];
    ssh_key key = NULL;
    struct public_key public;
    ck_assert_int_eq(state_path(&state, "key", path, &fault), 0);
    if (access(path, F_OK) != 0)
        return false;
    ck_assert_msg(site_key_load(path, &key, &public, &fault) == 0, "%s", fault.text);
    ssh_key_free(key);
    public_key_line(&public, line);
    return true;
}

/* True when the preparation ended before the kill. */
static bool prepare_and_die(int before, int after)
{
    int status;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dies_before = before;
        dies_after = after;
        _exit(state_prepare(&state, &keyfile, &fault) == 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9));
    return WEXITSTATUS(status) == 0;
}

static void check_prepared(void)
{
    struct agent_settings settings = {0};
    struct token token;
    char line[PUBLIC_KEY_LINE_SIZE];
    ck_assert_int_eq(stage(), STATE_PENDING);
    ck_assert(key_line(line));
    ck_assert_msg(state_settings(&state, &settings, &fault) == 0, "%s", fault.text);
    ck_assert_str_eq(settings.site, "hannover");
    ck_assert_str_eq(settings.hubs.items[0].host, "hub.example.net");
    ck_assert_str_eq(settings.host_keys.items[0], HOST_KEY);
    ck_assert_str_eq(settings.allow_targets.items[0], "10.0.0.1:80");
    agent_settings_release(&settings);
    ck_assert_int_eq(state_token(&state, &token, &fault), 1);
    ck_assert_str_eq(token.id, "abcdefghij");
}

static void check_after_kill(void)
{
    char before[PUBLIC_KEY_LINE_SIZE], after[PUBLIC_KEY_LINE_SIZE];
    enum state_stage found = stage();
    bool had_key = key_line(before);
    ck_assert_int_ne(found, STATE_ENROLLED);
    /* `run` goes on from the copied keyfile, `enrol` begins over: both must do. */
    if (found == STATE_PENDING)
        ck_assert_msg(state_complete(&state, &fault) == 0, "%s", fault.text);
    else
        ck_assert_msg(state_prepare(&state, &keyfile, &fault) == 0, "%s", fault.text);
    check_prepared();
    ck_assert_msg(state_prepare(&state, &keyfile, &fault) == 0, "%s", fault.text);
    check_prepared();
    ck_assert(key_line(after));
    if (had_key)
        ck_assert_str_eq(before, after);
    ck_assert_int_eq(state_activated(&state, &fault), 0);
    ck_assert_int_eq(stage(), STATE_ENROLLED);
}

START_TEST(kill_at_every_write)
{
    int kills = 0;
    for (int n = 0;; n++) {
        bool late = prepare_and_die(n, -1);
        check_after_kill();
        teardown();
        setup();
        if (late)
            break;
        ck_assert(!prepare_and_die(-1, n));
        check_after_kill();
        teardown();
        setup();
        kills++;
    }
    ck_assert_int_ge(kills, 4); /* keyfile, agent.yaml, key, key.pub */
}
END_TEST

START_TEST(stages)
{
    struct token token;
    ck_assert_int_eq(stage(), STATE_EMPTY);
    ck_assert_int_eq(state_token(&state, &token, &fault), 0);
    ck_assert_int_eq(state_prepare(&state, &keyfile, &fault), 0);
    check_prepared();
    ck_assert_int_eq(state_activated(&state, &fault), 0);
    ck_assert_int_eq(stage(), STATE_ENROLLED);
    ck_assert_int_eq(state_activated(&state, &fault), 0);
    ck_assert_int_eq(state_token(&state, &token, &fault), 0);
}
END_TEST

START_TEST(withdrawn_makes_room_for_another_site)
{
    char before[PUBLIC_KEY_LINE_SIZE], after[PUBLIC_KEY_LINE_SIZE];
    ck_assert_int_eq(state_prepare(&state, &keyfile, &fault), 0);
    ck_assert(key_line(before));
    ck_assert_int_eq(state_withdraw(&state, &fault), 0);
    ck_assert_int_eq(stage(), STATE_EMPTY);
    ck_assert_int_eq(state_prepare(&state, &keyfile, &fault), 0);
    check_prepared();
    ck_assert(key_line(after));
    ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(files_are_private)
{
    static const char *const names[] = {"key", "agent.yaml", "keyfile"};
    struct stat status;
    char path[STATE_PATH_SIZE];
    ck_assert_int_eq(state_prepare(&state, &keyfile, &fault), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_int_eq(state_path(&state, names[i], path, &fault), 0);
        ck_assert_int_eq(stat(path, &status), 0);
        ck_assert_uint_eq(status.st_mode & 07777, 0600);
    }
}
END_TEST

START_TEST(adopting_keeps_what_people_set)
{
    char path[STATE_PATH_SIZE], before[PUBLIC_KEY_LINE_SIZE], after[PUBLIC_KEY_LINE_SIZE];
    struct agent_settings settings = {0};
    ck_assert_int_eq(state_prepare(&state, &keyfile, &fault), 0);
    ck_assert(key_line(before));
    ck_assert_int_eq(state_path(&state, "agent.yaml", path, &fault), 0);
    ck_assert_int_eq(state_settings(&state, &settings, &fault), 0);
    settings.target_timeout_ms = 1234;
    ck_assert_int_eq(agent_settings_save(path, &settings, &fault), 0);
    agent_settings_release(&settings);
    take_keyfile(KEYFILE("hannover", "other.example.net:22", "10.0.0.2:81"));
    ck_assert_int_eq(state_prepare(&state, &keyfile, &fault), 0);
    ck_assert_int_eq(state_settings(&state, &settings, &fault), 0);
    ck_assert_uint_eq(settings.target_timeout_ms, 1234);
    ck_assert_str_eq(settings.hubs.items[0].host, "other.example.net");
    ck_assert_str_eq(settings.allow_targets.items[0], "10.0.0.2:81");
    agent_settings_release(&settings);
    ck_assert(key_line(after));
    ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(damage_is_named)
{
    enum state_stage found;
    char path[STATE_PATH_SIZE], site[NAME_SIZE];
    ck_assert_int_eq(state_prepare(&state, &keyfile, &fault), 0);
    ck_assert_int_eq(state_activated(&state, &fault), 0);
    ck_assert_int_eq(state_path(&state, "key", path, &fault), 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(state_look(&state, &found, site, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "no key"));
    ck_assert_int_eq(file_write(path, "garbage\n", 8, 0600, &fault), 0);
    ssh_key key = NULL;
    ck_assert_int_eq(site_key_load(path, &key, NULL, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, path));
}
END_TEST

START_TEST(the_hub_that_worked_is_remembered)
{
    char hub[HOST_PORT_SIZE], path[STATE_PATH_SIZE], endless[1000];
    state_last_hub(&state, hub);
    ck_assert_str_eq(hub, "");
    ck_assert_int_eq(state_remember_hub(&state, "[2001:db8::1]:443", &fault), 0);
    ck_assert_int_eq(state_remember_hub(&state, "[2001:db8::1]:443", &fault), 0);
    ck_assert_int_eq(writes, 1); /* what is known already is not written again */
    state_last_hub(&state, hub);
    ck_assert_str_eq(hub, "[2001:db8::1]:443");
    memset(endless, 'x', sizeof endless);
    ck_assert_int_eq(state_path(&state, "last_hub", path, &fault), 0);
    ck_assert_int_eq(__real_file_write(path, endless, sizeof endless, 0600, &fault), 0);
    state_last_hub(&state, hub);
    ck_assert_str_eq(hub, "");
}
END_TEST

START_TEST(a_wrong_proxy_is_named_without_its_password)
{
    struct agent_settings settings = {0};
    char path[STATE_PATH_SIZE], *text = NULL;
    size_t length = 0;
    ck_assert_int_eq(state_prepare(&state, &keyfile, &fault), 0);
    ck_assert_int_eq(state_path(&state, "agent.yaml", path, &fault), 0);
    ck_assert_int_eq(file_read(path, 65536, &text, &length, &fault), 0);
    char *proxy = strstr(text, "proxy: \"\"");
    ck_assert_ptr_nonnull(proxy);
    FILE *out = fopen(path, "w");
    ck_assert_ptr_nonnull(out);
    fprintf(out, "%.*sproxy: http://user:geheim@%s", (int)(proxy - text), text,
            proxy + strlen("proxy: \"\""));
    fclose(out);
    free(text);
    ck_assert_int_eq(state_settings(&state, &settings, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "proxy"));
    ck_assert_ptr_null(strstr(fault.text, "geheim"));
}
END_TEST

START_TEST(second_one_is_locked_out)
{
    struct state other;
    int status;
    ck_assert_int_eq(state_lock(&state, &fault), 0);
    pid_t child = fork();
    if (child == 0) {
        char pid[32];
        snprintf(pid, sizeof pid, "%d", (int)getppid());
        bool ok = state_locate(&other, directory, &fault) == 0 &&
                  state_lock(&other, &fault) == FILE_LOCKED && strstr(fault.text, pid) != NULL;
        _exit(ok ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(long_directories_are_refused_in_words)
{
    struct state deep;
    char name[200], path[STATE_PATH_SIZE];
    memset(name, 'd', sizeof name);
    name[0] = '/';
    name[sizeof name - 1] = '\0';
    ck_assert_int_eq(state_locate(&deep, name, &fault), 0);
    ck_assert_int_eq(state_socket_path(&deep, path, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "--state"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agent_state");
    TCase *tests = tcase_create("state");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, kill_at_every_write);
    tcase_add_test(tests, stages);
    tcase_add_test(tests, withdrawn_makes_room_for_another_site);
    tcase_add_test(tests, files_are_private);
    tcase_add_test(tests, adopting_keeps_what_people_set);
    tcase_add_test(tests, damage_is_named);
    tcase_add_test(tests, the_hub_that_worked_is_remembered);
    tcase_add_test(tests, a_wrong_proxy_is_named_without_its_password);
    tcase_add_test(tests, second_one_is_locked_out);
    tcase_add_test(tests, long_directories_are_refused_in_words);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
