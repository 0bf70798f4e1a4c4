/* The hub's host keys: made once, rotated, and a kill at each step of a rotation. */
#define _GNU_SOURCE
#include "parent/host_keys.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "suite.h"
#include "worker/worker.h"

static char directory[64];
static struct fault fault;
static struct host_keys keys;

/* At which change of the directory the process is to die, before or after it.  -1: it lives. */
static int dies_before = -1, dies_after = -1, changes;

int __wrap_file_write(const char *path, const void *data, size_t length, mode_t mode,
                      struct fault *why);
int __real_file_write(const char *path, const void *data, size_t length, mode_t mode,
                      struct fault *why);
int __wrap_file_rename(const char *from, const char *to, struct fault *why);
int __real_file_rename(const char *from, const char *to, struct fault *why);

static void before_change(void)
{
    if (changes == dies_before)
        _exit(9);
}

static void after_change(void)
{
    if (changes++ == dies_after)
        _exit(9);
}

int __wrap_file_write(const char *path, const void *data, size_t length, mode_t mode,
                      struct fault *why)
{
    before_change();
    int rc = __real_file_write(path, data, length, mode, why);
    after_change();
    return rc;
}

int __wrap_file_rename(const char *from, const char *to, struct fault *why)
{
    before_change();
    int rc = __real_file_rename(from, to, why);
    after_change();
    return rc;
}

static const char *path_of(const char *name)
{
    static char paths[4][96];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static void load(void)
{
    host_keys_release(&keys);
    ck_assert_msg(host_keys_load(directory, &keys, &fault) == 0, "%s", fault.text);
}

static void set_up(void)
{
    (void)snprintf(directory, sizeof directory, "/tmp/host_keys.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    dies_before = dies_after = -1;
    changes = 0;
    load();
}

static void tear_down(void)
{
    static const char *const names[] = {"host_key", "host_key.pub", "host_key.standby",
                                        "host_key.standby.pub"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unlink(path_of(names[i]));
    host_keys_release(&keys);
    ck_assert_msg(rmdir(directory) == 0, "something is left in %s", directory);
}

static bool same(const struct public_key *a, const struct public_key *b)
{
    return a->length == b->length && memcmp(a->blob, b->blob, a->length) == 0;
}

/* What the private part in this file says. */
static struct public_key private_part(const char *name)
{
    char *pem, line[HOST_KEY_LINE_SIZE];
    size_t length;
    struct public_key key;
    ck_assert_msg(file_read(path_of(name), 65536, &pem, &length, &fault) == 0, "%s", fault.text);
    ck_assert_msg(host_key_public(pem, line, &fault) == 0, "%s", fault.text);
    free(pem);
    ck_assert_int_eq(public_key_from_line(line, &key, &fault), 0);
    return key;
}

/* Private and public parts belong together, in memory and on disk, and nothing else is there. */
static void check_whole(void)
{
    struct stat status;
    struct public_key current = private_part("host_key");
    struct public_key standby = private_part("host_key.standby");
    ck_assert(same(&current, &keys.keys[HOST_KEY_CURRENT]));
    ck_assert(same(&standby, &keys.keys[HOST_KEY_STANDBY]));
    ck_assert(!same(&current, &standby));
    ck_assert_int_eq(stat(path_of("host_key"), &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    ck_assert_int_ne(access(path_of("host_key.standby.new"), F_OK), 0);
    ck_assert_int_ne(access(path_of("host_key.standby.new.pub"), F_OK), 0);
}

START_TEST(makes_them_once)
{
    struct host_keys before = keys;
    check_whole();
    keys.pem = NULL;
    load();
    check_whole();
    ck_assert(same(&before.keys[HOST_KEY_CURRENT], &keys.keys[HOST_KEY_CURRENT]));
    ck_assert(same(&before.keys[HOST_KEY_STANDBY], &keys.keys[HOST_KEY_STANDBY]));
    host_keys_release(&before);
}
END_TEST

START_TEST(a_public_part_that_was_not_written_is_made)
{
    struct host_keys before = keys;
    keys.pem = NULL;
    ck_assert_int_eq(unlink(path_of("host_key.pub")), 0);
    ck_assert_int_eq(unlink(path_of("host_key.standby.pub")), 0);
    load();
    check_whole();
    ck_assert(same(&before.keys[HOST_KEY_CURRENT], &keys.keys[HOST_KEY_CURRENT]));
    ck_assert(same(&before.keys[HOST_KEY_STANDBY], &keys.keys[HOST_KEY_STANDBY]));
    host_keys_release(&before);
}
END_TEST

START_TEST(rotates)
{
    for (int i = 0; i < 3; i++) {
        struct public_key current = keys.keys[HOST_KEY_CURRENT];
        struct public_key standby = keys.keys[HOST_KEY_STANDBY];
        ck_assert_msg(host_keys_rotate(directory, &keys, &fault) == 0, "%s", fault.text);
        check_whole();
        ck_assert(same(&keys.keys[HOST_KEY_CURRENT], &standby));
        ck_assert(!same(&keys.keys[HOST_KEY_STANDBY], &standby));
        ck_assert(!same(&keys.keys[HOST_KEY_STANDBY], &current));
        load();
        check_whole();
        ck_assert(same(&keys.keys[HOST_KEY_CURRENT], &standby));
    }
}
END_TEST

/* True when the rotation ended before the kill. */
static bool rotate_and_die(int before, int after)
{
    int status;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dies_before = before;
        dies_after = after;
        changes = 0;
        _exit(host_keys_rotate(directory, &keys, &fault) == 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9));
    return WEXITSTATUS(status) == 0;
}

/* The old pair or the new one, and sites have always pinned the current one. */
static bool check_after_kill(void)
{
    struct public_key current = keys.keys[HOST_KEY_CURRENT];
    struct public_key standby = keys.keys[HOST_KEY_STANDBY];
    load();
    check_whole();
    bool rotated = same(&keys.keys[HOST_KEY_CURRENT], &standby);
    if (!rotated) {
        ck_assert(same(&keys.keys[HOST_KEY_CURRENT], &current));
        ck_assert(same(&keys.keys[HOST_KEY_STANDBY], &standby));
    }
    return rotated;
}

START_TEST(kill_at_every_step)
{
    int kills = 0, rotated = 0;
    for (int n = 0;; n++) {
        bool late = rotate_and_die(n, -1);
        rotated += check_after_kill();
        if (late)
            break;
        ck_assert(!rotate_and_die(-1, n));
        rotated += check_after_kill();
        kills++;
    }
    /* new standby, its .pub, host_key, host_key.pub, two renames */
    ck_assert_int_eq(kills, 6);
    ck_assert_int_ge(rotated, 7);
    ck_assert_int_lt(rotated, 2 * kills);
}
END_TEST

/* A second kill, while the first one's consequences are being put right. */
START_TEST(kill_while_settling)
{
    for (int n = 0; n < 6; n++) {
        for (int m = 0; m < 4; m++) {
            int status;
            (void)rotate_and_die(-1, n);
            pid_t child = fork();
            if (child == 0) {
                struct host_keys other;
                dies_after = m;
                changes = 0;
                _exit(host_keys_load(directory, &other, &fault) == 0 ? 0 : 1);
            }
            ck_assert_int_eq(waitpid(child, &status, 0), child);
            ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9);
            (void)check_after_kill();
        }
    }
}
END_TEST

static void check_refused(const char *words)
{
    struct host_keys before = keys;
    ck_assert_int_eq(host_keys_rotate(directory, &keys, &fault), -1);
    ck_assert_msg(strstr(fault.text, words) != NULL, "%s", fault.text);
    ck_assert_ptr_eq(keys.pem, before.pem);
    ck_assert(same(&before.keys[HOST_KEY_CURRENT], &keys.keys[HOST_KEY_CURRENT]));
    ck_assert_int_ne(access(path_of("host_key.standby.new"), F_OK), 0);
}

START_TEST(an_offline_standby_is_asked_for)
{
    struct public_key standby = keys.keys[HOST_KEY_STANDBY];
    ck_assert_int_eq(rename(path_of("host_key.standby"), path_of("usb")), 0);
    load();
    ck_assert(same(&standby, &keys.keys[HOST_KEY_STANDBY]));
    check_refused(path_of("host_key.standby"));
    /* Another key is not taken for it. */
    ck_assert_int_eq(host_key_generate(path_of("other"), &fault), 0);
    ck_assert_int_eq(rename(path_of("other"), path_of("host_key.standby")), 0);
    ck_assert_int_eq(unlink(path_of("other.pub")), 0);
    check_refused("is not the private part");
    ck_assert_int_eq(file_write(path_of("host_key.standby"), "garbage\n", 8, 0600, &fault), 0);
    check_refused("not a private key");
    ck_assert_int_eq(rename(path_of("usb"), path_of("host_key.standby")), 0);
    ck_assert_int_eq(chmod(path_of("host_key.standby"), 0644), 0);
    ck_assert_msg(host_keys_rotate(directory, &keys, &fault) == 0, "%s", fault.text);
    check_whole();
    ck_assert(same(&standby, &keys.keys[HOST_KEY_CURRENT]));
}
END_TEST

START_TEST(parts_that_do_not_belong_together_are_refused)
{
    struct host_keys other;
    ck_assert_int_eq(unlink(path_of("host_key")), 0);
    ck_assert_int_eq(host_keys_load(directory, &other, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "missing"));
    ck_assert_int_eq(host_key_generate(path_of("other"), &fault), 0);
    ck_assert_int_eq(rename(path_of("other"), path_of("host_key")), 0);
    ck_assert_int_eq(unlink(path_of("other.pub")), 0);
    ck_assert_int_eq(host_keys_load(directory, &other, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "does not belong to"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parent_host_keys");
    TCase *cases = tcase_create("host_keys");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, makes_them_once);
    tcase_add_test(cases, a_public_part_that_was_not_written_is_made);
    tcase_add_test(cases, rotates);
    tcase_add_test(cases, kill_at_every_step);
    tcase_add_test(cases, kill_while_settling);
    tcase_add_test(cases, an_offline_standby_is_asked_for);
    tcase_add_test(cases, parts_that_do_not_belong_together_are_refused);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
