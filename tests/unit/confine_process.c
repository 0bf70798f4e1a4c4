/*
 * What a confined process cannot do any more, and what it still can.  Each question is put by a
 * child, which has nothing to lose.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine/filter.h"
#include "confine/landlock.h"
#include "suite.h"

#define NONE 77 /* exit code: it could not be confined */

/* --- questions: 0 or an errno --- */

static int outcome(long result)
{
    return result < 0 ? errno : 0;
}

static int ask_to_read(void)
{
    return outcome(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int ask_to_write(void)
{
    return outcome(open("/dev/null", O_WRONLY | O_CLOEXEC));
}

static int ask_to_create(void)
{
    return outcome(open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
}

static int ask_for_internet(void)
{
    return outcome(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int ask_for_unix(void)
{
    return outcome(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int ask_to_listen(void)
{
    return outcome(listen(0, 1)) == EPERM ? EPERM : 0;
}

static int ask_to_fork(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return outcome(child);
}

static void *run(void *nothing)
{
    return nothing;
}

static int ask_for_a_thread(void)
{
    pthread_t thread;
    int code = pthread_create(&thread, NULL, run, NULL);
    return code != 0 ? code : pthread_join(thread, NULL);
}

static int ask_to_execute(void)
{
    char program[] = "/bin/true", *arguments[] = {program, NULL}, *environment[] = {NULL};
    return outcome(execve(program, arguments, environment));
}

static int ask_to_trace(void)
{
    return outcome(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int ask_for_writable_code(void)
{
    void *at =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? errno : 0;
}

static int ask_to_turn_data_into_code(void)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? 0 : outcome(mprotect(at, 4096, PROT_READ | PROT_EXEC));
}

static int ask_for_a_name(void)
{
    struct addrinfo *list = NULL;
    if (getaddrinfo("localhost", NULL, NULL, &list) != 0)
        return EIO;
    freeaddrinfo(list);
    return 0;
}

static int ask_to_kill_the_parent(void)
{
    return outcome(kill(getppid(), 0));
}

static int ask_for_another_s_memory(void)
{
    char byte;
    struct iovec mine = {&byte, 1}, its = {&byte, 1};
    return outcome(process_vm_readv(getppid(), &mine, 1, &its, 1, 0));
}

static int ask_for_a_namespace(void)
{
    return outcome(unshare(CLONE_NEWUSER));
}

static const struct {
    int (*ask)(void);
    int relaying, dialling, harmless;
} questions[] = {
    {ask_to_read, EPERM, 0, 0},
    {ask_to_write, EPERM, EPERM, 0},
    {ask_to_create, EPERM, EPERM, 0},
    {ask_for_internet, EPERM, 0, 0},
    {ask_for_unix, EPERM, EPERM, 0},
    {ask_to_listen, EPERM, EPERM, 0},
    {ask_to_fork, EPERM, EPERM, 0},
    {ask_for_a_thread, EPERM, 0, 0},
    {ask_to_execute, EPERM, EPERM, EPERM},
    {ask_to_trace, EPERM, EPERM, EPERM},
    {ask_for_writable_code, EPERM, EPERM, EPERM},
    {ask_to_turn_data_into_code, EPERM, EPERM, EPERM},
    {ask_to_kill_the_parent, EPERM, EPERM, 0},
    {ask_for_another_s_memory, EPERM, EPERM, EPERM},
    {ask_for_a_namespace, EPERM, EPERM, EPERM},
    {ask_for_a_name, EIO, 0, 0},
};

/* The answer's errno, from a child that confined itself. */
static int answer(int (*install)(void), int (*ask)(void))
{
    int status;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        _exit(install() == 0 ? ask() : NONE);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* What this kernel has. */
static bool has_filters(void)
{
    return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
}

static bool has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 1;
}

START_TEST(a_relaying_process)
{
    /* pthread_create says EAGAIN for every failure of clone. */
    int got = answer(filter_install_relaying, questions[_i].ask);
    if (has_filters() && got != EAGAIN)
        ck_assert_int_eq(got, questions[_i].relaying);
    if (has_filters() && got == EAGAIN)
        ck_assert_int_eq(questions[_i].relaying, EPERM);
}
END_TEST

START_TEST(a_dialling_process)
{
    if (has_filters())
        ck_assert_int_eq(answer(filter_install_dialling, questions[_i].ask),
                         questions[_i].dialling);
}
END_TEST

START_TEST(a_harmless_process)
{
    if (has_filters())
        ck_assert_int_eq(answer(filter_install_harmless, questions[_i].ask),
                         questions[_i].harmless);
}
END_TEST

static int read_etc_alone(void)
{
    static const char *const paths[] = {"/etc", "/not/there", "/usr/lib/os-release", NULL};
    const struct landlock_needs needs = {.readable = paths, .listens = true, .connects = true};
    return landlock_restrict(&needs);
}

static int ask_to_read_elsewhere(void)
{
    return outcome(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
}

static int ask_to_read_the_named_file(void)
{
    return outcome(open("/usr/lib/os-release", O_RDONLY | O_CLOEXEC));
}

START_TEST(files_are_read_where_it_was_said)
{
    if (!has_landlock())
        return;
    ck_assert_int_eq(answer(read_etc_alone, ask_to_read), 0);
    ck_assert_int_eq(answer(read_etc_alone, ask_to_read_the_named_file), 0);
    ck_assert_int_eq(answer(read_etc_alone, ask_to_read_elsewhere), EACCES);
    ck_assert_int_eq(answer(read_etc_alone, ask_to_write), EACCES);
    ck_assert_int_eq(answer(read_etc_alone, ask_to_create), EACCES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("confine_process");
    TCase *tests = tcase_create("confine");
    int count = (int)(sizeof questions / sizeof *questions);
    tcase_add_loop_test(tests, a_relaying_process, 0, count);
    tcase_add_loop_test(tests, a_dialling_process, 0, count);
    tcase_add_loop_test(tests, a_harmless_process, 0, count);
    tcase_add_test(tests, files_are_read_where_it_was_said);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
