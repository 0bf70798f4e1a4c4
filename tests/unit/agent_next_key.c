/* The key that follows the site's key: made, adopted, a kill at each step, and the age of a key. */
#define _GNU_SOURCE
#include "tunnel-agent/next_key.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "suite.h"
#include "tunnel-agent/site_key.h"

#define HOUR_MS 3600000ull

static char directory[64];
static struct state state;
static struct fault fault;

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
    static char paths[4][STATE_PATH_SIZE];
    static unsigned next;
    char *path = paths[next++ % 4];
    ck_assert_int_eq(state_path(&state, name, path, &fault), 0);
    return path;
}

static void set_up(void)
{
    (void)snprintf(directory, sizeof directory, "/tmp/next_key.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(state_locate(&state, directory, &fault), 0);
    dies_before = dies_after = -1;
    changes = 0;
    ck_assert_int_eq(site_key_make(path_of("key"), &fault), 0);
}

static void tear_down(void)
{
    static const char *const names[] = {"key", "key.pub", "key.next"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unlink(path_of(names[i]));
    ck_assert_msg(rmdir(directory) == 0, "something is left in %s", directory);
}

/* The public part of a private key on disk, as a line; "" without one. */
static void key_line(const char *name, char line[PUBLIC_KEY_LINE_SIZE])
{
    ssh_key key = NULL;
    struct public_key public;
    line[0] = '\0';
    if (access(path_of(name), F_OK) != 0)
        return;
    ck_assert_msg(site_key_load(path_of(name), &key, &public, &fault) == 0, "%s", fault.text);
    ssh_key_free(key);
    public_key_line(&public, line);
}

START_TEST(is_made_and_adopted)
{
    char before[PUBLIC_KEY_LINE_SIZE], next[PUBLIC_KEY_LINE_SIZE], line[PUBLIC_KEY_LINE_SIZE];
    char *text;
    size_t length;
    struct stat status;
    ssh_key key = NULL, again = NULL;
    struct public_key public, public_again;
    key_line("key", before);
    ck_assert_int_eq(next_key_load(&state, &key, &public, &fault), 0);
    ck_assert_ptr_null(key);
    ck_assert_msg(next_key_make(&state, &key, &public, &fault) == 0, "%s", fault.text);
    ck_assert_int_eq(stat(path_of("key.next"), &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    ck_assert_int_eq(next_key_load(&state, &again, &public_again, &fault), 1);
    ck_assert_str_eq(public_key_line(&public, next), public_key_line(&public_again, line));
    ck_assert_str_ne(next, before);
    key_line("key", line);
    ck_assert_str_eq(line, before);
    ck_assert_msg(next_key_adopt(&state, &public, &fault) == 0, "%s", fault.text);
    key_line("key", line);
    ck_assert_str_eq(line, next);
    ck_assert_int_ne(access(path_of("key.next"), F_OK), 0);
    ck_assert_int_eq(file_read(path_of("key.pub"), 1000, &text, &length, &fault), 0);
    text[strcspn(text, "\n")] = '\0';
    ck_assert_str_eq(text, next);
    free(text);
    ssh_key_free(key);
    ssh_key_free(again);
}
END_TEST

START_TEST(damage_is_named)
{
    ssh_key key = NULL;
    struct public_key public;
    ck_assert_int_eq(file_write(path_of("key.next"), "garbage\n", 8, 0600, &fault), 0);
    ck_assert_int_eq(next_key_load(&state, &key, &public, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "key.next"));
    ck_assert_msg(next_key_make(&state, &key, &public, &fault) == 0, "%s", fault.text);
    ssh_key_free(key);
}
END_TEST

static int make_and_adopt(void)
{
    ssh_key key = NULL;
    struct public_key public;
    int found = next_key_load(&state, &key, &public, &fault);
    if (found < 0 || (found == 0 && next_key_make(&state, &key, &public, &fault) != 0))
        return -1;
    ssh_key_free(key);
    return next_key_adopt(&state, &public, &fault);
}

/* True when it was done before the kill. */
static bool die(int before, int after)
{
    int status;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dies_before = before;
        dies_after = after;
        changes = 0;
        _exit(make_and_adopt() == 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9));
    return WEXITSTATUS(status) == 0;
}

/* The key before is in `key`, and whatever the hub may have heard of is in one of the two. */
static void check_after_kill(const char *before, char next[PUBLIC_KEY_LINE_SIZE])
{
    char key[PUBLIC_KEY_LINE_SIZE], found[PUBLIC_KEY_LINE_SIZE];
    key_line("key", key);
    key_line("key.next", found);
    if (next[0] != '\0')
        ck_assert(strcmp(found, next) == 0 || strcmp(key, next) == 0);
    if (found[0] != '\0')
        ck_assert_str_eq(key, before);
    (void)snprintf(next, PUBLIC_KEY_LINE_SIZE, "%s", found);
}

START_TEST(kill_at_every_step)
{
    int kills = 0;
    for (int n = 0;; n++) {
        char before[PUBLIC_KEY_LINE_SIZE], next[PUBLIC_KEY_LINE_SIZE] = "";
        key_line("key", before);
        bool late = die(n, -1);
        check_after_kill(before, next);
        ck_assert_int_eq(make_and_adopt(), 0); /* goes on with the key that was made */
        check_after_kill(before, next);
        ck_assert_str_eq(next, "");
        if (late)
            break;
        key_line("key", before);
        ck_assert(!die(-1, n));
        check_after_kill(before, next);
        ck_assert_int_eq(make_and_adopt(), 0);
        check_after_kill(before, next);
        kills++;
    }
    ck_assert_int_eq(kills, 3); /* key.next, key.pub, key */
}
END_TEST

static void set_age(int64_t hours)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                      {.tv_sec = time(NULL) - hours * 3600}};
    ck_assert_int_eq(utimensat(AT_FDCWD, path_of("key"), times, 0), 0);
}

START_TEST(age_is_the_files)
{
    ck_assert(!key_is_older(&state, HOUR_MS));
    set_age(3);
    ck_assert(key_is_older(&state, 2 * HOUR_MS));
    ck_assert(!key_is_older(&state, 4 * HOUR_MS));
    set_age(-24 * 365); /* of a clock that was wrong */
    ck_assert(!key_is_older(&state, 2 * HOUR_MS));
    ck_assert_int_eq(unlink(path_of("key")), 0);
    ck_assert(!key_is_older(&state, 2 * HOUR_MS));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agent_next_key");
    TCase *cases = tcase_create("next_key");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, is_made_and_adopted);
    tcase_add_test(cases, damage_is_named);
    tcase_add_test(cases, kill_at_every_step);
    tcase_add_test(cases, age_is_the_files);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
