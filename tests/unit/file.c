/* Whole files or none, with every failure named. */
#define _GNU_SOURCE
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

static char directory[] = "/tmp/file-test.XXXXXX";
static struct fault fault;

static const char *in_directory(const char *name)
{
    static char path[8][PATH_MAX];
    static unsigned next;
    char *text = path[next++ % 8];
    snprintf(text, PATH_MAX, "%s/%s", directory, name);
    return text;
}

static void set_up(void)
{
    memset(directory + strlen(directory) - 6, 'X', 6);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    fault.text[0] = '\0';
}

static void tear_down(void)
{
    char command[PATH_MAX + 16];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a constant, and mkdtemp's name */
}

static int count_files(void)
{
    DIR *open = opendir(directory);
    ck_assert_ptr_nonnull(open);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(open)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(open);
    return count;
}

static void put(const char *path, const char *text)
{
    ck_assert_msg(file_write(path, text, strlen(text), 0600, &fault) == 0, "%s", fault.text);
}

static void expect_content(const char *path, const char *text)
{
    char *data;
    size_t length;
    ck_assert_msg(file_read(path, 1000, &data, &length, &fault) == 0, "%s", fault.text);
    ck_assert_uint_eq(length, strlen(text));
    ck_assert_str_eq(data, text);
    free(data);
}

static void expect_fault(int result, const char *start, const char *path, const char *end)
{
    char sentence[FAULT_TEXT_SIZE];
    snprintf(sentence, sizeof sentence, "%s%s%s", start, path, end);
    ck_assert_int_eq(result, -1);
    ck_assert_str_eq(fault.text, sentence);
}

START_TEST(writes_and_reads)
{
    const char *path = in_directory("a");
    struct stat status;
    put(path, "");
    expect_content(path, "");
    put(path, "new content");
    expect_content(path, "new content");
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    umask(077);
    ck_assert_int_eq(file_write(path, "x", 1, 0644, &fault), 0);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0644);
    ck_assert_int_eq(count_files(), 1);
}
END_TEST

START_TEST(writes_where_it_stands)
{
    ck_assert_int_eq(chdir(directory), 0);
    put("here", "content");
    expect_content(in_directory("here"), "content");
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(reads_no_more_than_asked)
{
    const char *path = in_directory("a");
    char *data;
    size_t length;
    put(path, "12345678");
    ck_assert_int_eq(file_read(path, 8, &data, &length, &fault), 0);
    free(data);
    expect_fault(file_read(path, 7, &data, &length, &fault), "cannot read ", path,
                 ": it has 8 bytes, at most 7 are read");
}
END_TEST

START_TEST(reads_regular_files_alone)
{
    char *data;
    size_t length;
    expect_fault(file_read(directory, 10, &data, &length, &fault), "cannot read ", directory,
                 ": it is a directory, not a file");
    expect_fault(file_read("/dev/zero", 10, &data, &length, &fault), "cannot read ", "/dev/zero",
                 ": it is not a regular file");
    const char *fifo = in_directory("fifo");
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    expect_fault(file_read(fifo, 10, &data, &length, &fault), "cannot read ", fifo,
                 ": it is not a regular file");
    const char *none = in_directory("none");
    expect_fault(file_read(none, 10, &data, &length, &fault), "cannot read ", none,
                 ": No such file or directory");
}
END_TEST

START_TEST(a_failed_write_leaves_the_old_file)
{
    const char *path = in_directory("a");
    char big[5000];
    memset(big, 'x', sizeof big);
    put(path, "old");
    /* A disk that is full, as far as this process can tell. */
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {.rlim_cur = 1000, .rlim_max = RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    expect_fault(file_write(path, big, sizeof big, 0600, &fault), "cannot write ", path,
                 ": File too large");
    expect_content(path, "old");
    ck_assert_int_eq(count_files(), 1);
}
END_TEST

START_TEST(writes_over_regular_files_alone)
{
    const char *link = in_directory("link");
    ck_assert_int_eq(symlink("/dev/null", link), 0);
    expect_fault(file_write(link, "x", 1, 0600, &fault), "cannot write ", link,
                 ": it is there and is not a regular file");
    expect_fault(file_write(directory, "x", 1, 0600, &fault), "cannot write ", directory,
                 ": it is there and is not a regular file");
    const char *below = in_directory("none/a");
    expect_fault(file_write(below, "x", 1, 0600, &fault), "cannot write ", below,
                 ": No such file or directory");
    ck_assert_int_eq(count_files(), 1);
}
END_TEST

/* As an ordinary user, even where the tests run as root. */
static int write_as_user(const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(2);
        int result = file_write(path, "x", 1, 0600, &fault);
        bool said = strstr(fault.text, "Permission denied; check who owns") != NULL;
        _exit(result == -1 && said ? 0 : 1);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
}

START_TEST(says_what_to_do)
{
    ck_assert_int_eq(chmod(directory, 0555), 0);
    ck_assert_int_eq(write_as_user(in_directory("a")), 0);
    ck_assert_int_eq(chmod(directory, 0755), 0);
}
END_TEST

START_TEST(removes)
{
    const char *path = in_directory("a");
    put(path, "x");
    ck_assert_int_eq(file_remove(path, &fault), 0);
    ck_assert_int_eq(file_remove(path, &fault), 0);
    ck_assert_int_eq(count_files(), 0);
    expect_fault(file_remove(directory, &fault), "cannot remove ", directory, ": Is a directory");
}
END_TEST

START_TEST(renames)
{
    const char *from = in_directory("a"), *to = in_directory("b");
    put(from, "new");
    put(to, "old");
    ck_assert_int_eq(file_rename(from, to, &fault), 0);
    expect_content(to, "new");
    ck_assert_int_eq(count_files(), 1);
    expect_fault(file_rename(from, to, &fault), "cannot rename ", from,
                 ": No such file or directory");
    expect_content(to, "new");
}
END_TEST

START_TEST(makes_directories)
{
    const char *path = in_directory("one/two//three/");
    struct stat status;
    umask(022);
    for (int i = 0; i < 2; i++)
        ck_assert_msg(file_directory(path, 0700, &fault) == 0, "%s", fault.text);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0700);
    ck_assert_int_eq(file_directory("/", 0700, &fault), 0);
    ck_assert_int_eq(chdir(directory), 0);
    ck_assert_int_eq(file_directory("relative/path", 0700, &fault), 0);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(stat(in_directory("relative/path"), &status), 0);
}
END_TEST

START_TEST(refuses_directories)
{
    const char *file = in_directory("file");
    put(file, "x");
    expect_fault(file_directory(file, 0700, &fault), "", file,
                 " is not a directory; move it away or choose another");
    const char *below = in_directory("file/below");
    expect_fault(file_directory(below, 0700, &fault), "cannot make the directory ", below,
                 ": Not a directory");
    const char *open = in_directory("open");
    ck_assert_int_eq(mkdir(open, 0700) | chmod(open, 0770), 0);
    char sentence[FAULT_TEXT_SIZE];
    snprintf(sentence, sizeof sentence, " can be written by others; chmod go-w %s", open);
    expect_fault(file_directory(open, 0700, &fault), "", open, sentence);
    ck_assert_int_eq(file_directory("", 0700, &fault), -1);
    char endless[PATH_MAX + 10];
    memset(endless, 'x', sizeof endless);
    endless[sizeof endless - 1] = '\0';
    ck_assert_int_eq(file_directory(endless, 0700, &fault), -1);
    ck_assert_int_eq(file_write(endless, "x", 1, 0600, &fault), -1);
}
END_TEST

START_TEST(refuses_other_peoples_directories)
{
    if (geteuid() != 0)
        return; /* only root can make one */
    const char *path = in_directory("theirs");
    ck_assert_int_eq(mkdir(path, 0700) | chown(path, 65534, 65534), 0);
    expect_fault(file_directory(path, 0700, &fault), "", path,
                 " belongs to user 65534; chown it to user 0 or choose another");
}
END_TEST

START_TEST(locks_once)
{
    const char *path = in_directory("lock");
    char pid[32];
    int first = -1;
    int second = -1;
    snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    put(path, "99999999999999999 left by another");
    ck_assert_msg(file_lock(path, &first, &fault) == 0, "%s", fault.text);
    expect_content(path, pid);
    ck_assert_int_eq(file_lock(path, &second, &fault), FILE_LOCKED);
    ck_assert_int_eq(second, -1);
    char sentence[FAULT_TEXT_SIZE];
    snprintf(sentence, sizeof sentence, "%s is locked by process %ld; stop it first", path,
             (long)getpid());
    ck_assert_str_eq(fault.text, sentence);
    close(first);
    ck_assert_int_eq(file_lock(path, &second, &fault), 0);
    ck_assert_int_eq(fcntl(second, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(second);
}
END_TEST

START_TEST(the_lock_removes_what_a_crash_left)
{
    int first = -1;
    int second = -1;
    put(in_directory("key.new-Ab3xYz"), "half a k");
    put(in_directory("key.new"), "kept");
    put(in_directory(".new-Ab3xYz"), "kept");
    put(in_directory("notes.new-2026-01"), "kept");
    ck_assert_msg(file_lock(in_directory("lock"), &first, &fault) == 0, "%s", fault.text);
    ck_assert_int_ne(access(in_directory("key.new-Ab3xYz"), F_OK), 0);
    expect_content(in_directory("key.new"), "kept");
    expect_content(in_directory(".new-Ab3xYz"), "kept");
    expect_content(in_directory("notes.new-2026-01"), "kept");
    put(in_directory("key.new-Ab3xYz"), "being written");
    ck_assert_int_eq(file_lock(in_directory("lock"), &second, &fault), FILE_LOCKED);
    expect_content(in_directory("key.new-Ab3xYz"), "being written");
    close(first);
}
END_TEST

START_TEST(locks_no_link)
{
    const char *link = in_directory("link");
    int descriptor = -1;
    ck_assert_int_eq(symlink("target", link), 0);
    expect_fault(file_lock(link, &descriptor, &fault), "cannot lock ", link,
                 ": Too many levels of symbolic links; it must not be a symbolic link");
    const char *below = in_directory("none/lock");
    expect_fault(file_lock(below, &descriptor, &fault), "cannot lock ", below,
                 ": No such file or directory");
}
END_TEST

START_TEST(joins)
{
    char path[8];
    ck_assert_int_eq(file_join("/a", "bc", path, 6, &fault), 0);
    ck_assert_str_eq(path, "/a/bc");
    ck_assert_int_eq(file_join("/a/", "bc", path, 6, &fault), 0);
    ck_assert_str_eq(path, "/a/bc");
    ck_assert_int_eq(file_join("/a", "bcd", path, 6, &fault), -1);
    ck_assert_str_eq(path, "/a/bc");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file");
    TCase *tests = tcase_create("file");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, writes_and_reads);
    tcase_add_test(tests, writes_where_it_stands);
    tcase_add_test(tests, reads_no_more_than_asked);
    tcase_add_test(tests, reads_regular_files_alone);
    tcase_add_test(tests, a_failed_write_leaves_the_old_file);
    tcase_add_test(tests, writes_over_regular_files_alone);
    tcase_add_test(tests, says_what_to_do);
    tcase_add_test(tests, removes);
    tcase_add_test(tests, renames);
    tcase_add_test(tests, makes_directories);
    tcase_add_test(tests, refuses_directories);
    tcase_add_test(tests, refuses_other_peoples_directories);
    tcase_add_test(tests, locks_once);
    tcase_add_test(tests, the_lock_removes_what_a_crash_left);
    tcase_add_test(tests, locks_no_link);
    tcase_add_test(tests, joins);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
