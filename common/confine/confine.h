/*
 * Giving up what a process does not need, once it is known what it needs.
 */
#ifndef CONFINE_CONFINE_H
#define CONFINE_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "confine/landlock.h"

struct confinement {
    const char *who;             /* "a worker", for sentences */
    bool threads;                /* it may start threads */
    struct landlock_needs needs; /* of files and of the net */
    int (*install_filter)(void); /* of system calls; -1: there is none in this kernel */
};

/* What the C library's resolver, the clock's zone and libcrypto read; ends with NULL. */
extern const char *const confine_resolver_files[];

/* A worker or the dialer.  `user`: whom to become when started as root; if there is no such
 * account, `nobody`.  Says in `text` what is in force.  -1: the process must not go on. */
int confine(const struct confinement *confinement, const char *user, char *text, size_t size,
            struct fault *fault) MUST_CHECK;

/* The hub's parent, before it starts its first worker, which has no more than it: no new
 * privileges, no tracing, nothing that changes the kernel, and of root's capabilities those that it
 * uses.  `state_dir`: root keeps the right to another's files only when this is another's. */
void confine_parent(const char *state_dir, char *text, size_t size);

/* The agent's commands: no new privileges, no program executed, no process traced, no code made
 * from data; as far as the kernel has it. */
void confine_lightly(void);
/* The running agent, once it has its user and its state directory: also no children, no signals to
 * others, no other user, of capabilities the one for low ports, and no files but its state and what
 * the resolver reads. */
void confine_agent(const char *state_dir, char *text, size_t size);

#endif
