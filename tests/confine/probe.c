/*
 * Runs the attempts in the very process, in the state that it is in, because that is what a flaw in
 * it would find.  Where it may have children each attempt is made by one, so that one that succeeds
 * does no harm; a process that is confined as it should be has none.
 */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t probe_parent, probe_other;
char probe_secret[PROBE_PATH_SIZE], probe_victim[PROBE_PATH_SIZE], probe_created[PROBE_PATH_SIZE];
static pid_t self;

static void say(const char *name, int code)
{
    char line[128];
    int length = snprintf(line, sizeof line, "probe %d %s %s\n", (int)self, name,
                          code == 0 ? "done" : strerrorname_np(code));
    if (write(STDERR_FILENO, line, (size_t)length) < 0)
        return; /* the test misses the line */
}

/* A child that was executed anew, or killed, got what it wanted. */
static int result_of(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

static void run(const struct attempt *attempt)
{
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
    if (child == 0)
        _exit(attempt->try());
    say(attempt->name, child > 0 ? result_of(child) : attempt->try());
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    int before = errno;
    (void)number, (void)context;
    probe_other = info->si_value.sival_int;
    for (size_t i = 0; i < attempt_count; i++)
        run(&attempts[i]);
    say("end", 0);
    errno = before;
}

bool probe_prepare(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_RESTART};
    const char *directory = getenv("TUNNEL_PROBE_DIR");
    self = getpid();
    probe_parent = getppid();
    action.sa_sigaction = on_signal;
    (void)sigaction(SIGUSR1, &action, NULL);
    (void)snprintf(probe_secret, PROBE_PATH_SIZE, "%s/secret", directory ? directory : "");
    (void)snprintf(probe_victim, PROBE_PATH_SIZE, "%s/victim", directory ? directory : "");
    (void)snprintf(probe_created, PROBE_PATH_SIZE, "%s/created", directory ? directory : "");
    return getenv("TUNNEL_UNCONFINED") != NULL;
}
