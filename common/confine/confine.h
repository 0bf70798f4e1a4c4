/*
 * Giving up what a process does not need, once it is known what it needs.
 */
#ifndef CONFINE_CONFINE_H
#define CONFINE_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"

struct confinement {
    const char *who;             /* "a worker", for sentences */
    bool threads;                /* it may start threads */
    const char *const *readable; /* so many files it may still open (landlock.h); NULL: no matter */
    int (*install_filter)(void); /* of system calls; -1: there is none in this kernel */
};

/* `user`: whom to become when started as root; if there is no such account, `nobody`.  Says in
 * `text` what is in force.  -1: the process must not go on. */
int confine(const struct confinement *confinement, const char *user, char *text, size_t size,
            struct fault *fault) MUST_CHECK;
/* For a process that opens files and sockets of its own: no new privileges, no program executed, no
 * process traced, no code made from data; as far as the kernel has it. */
void confine_lightly(void);

#endif
