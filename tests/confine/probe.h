/*
 * Attempts at what a confined process must not be able to do, from within.  For the tests alone:
 * this is in no program that is installed.
 *
 * A process that called probe_prepare() tries everything when it gets SIGUSR1 (sent with sigqueue:
 * the value is the id of another process to be bothered), and says on standard error, a line each,
 * what came of it: `probe PID NAME RESULT`, where RESULT is `done` or an errno's name; at last
 * `probe PID end done`.  $TUNNEL_PROBE_DIR names a directory with the files `secret` and `victim`.
 */
#ifndef CONFINE_PROBE_H
#define CONFINE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Before anything is given up.  True: with $TUNNEL_UNCONFINED nothing is to be given up at all, so
 * that it is seen what the attempts do without confinement. */
bool probe_prepare(void);

/* --- attempts.c --- */

struct attempt {
    const char *name;
    int (*try)(void); /* 0, or the errno that stopped it */
};

extern const struct attempt attempts[];
extern const size_t attempt_count;

/* Whom and what they bother. */
extern pid_t probe_parent, probe_other;
extern char probe_secret[], probe_victim[], probe_created[];
#define PROBE_PATH_SIZE 512

#endif
