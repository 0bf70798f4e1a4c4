/*
 * Which files a process may still open, and more that the kernel's Landlock can take away.
 */
#ifndef CONFINE_LANDLOCK_H
#define CONFINE_LANDLOCK_H

#include <stdbool.h>

/* What is kept; the lists end with NULL, and those that are not there are left out. */
struct landlock_needs {
    const char *const *readable; /* files and directories, with what is beneath */
    const char *writable;        /* a directory: files in it are made, written, removed; or NULL */
    bool listens, connects;      /* TCP; taken where the kernel's Landlock knows the net (6.7) */
};

/* From now on this process and its threads can do no more than that with files, and send no signals
 * to others (from Linux 6.12 on).  To be called before there are threads, with no_new_privs set.
 * -1: this kernel has no Landlock, and nothing has changed. */
int landlock_restrict(const struct landlock_needs *needs);

#endif
