/*
 * The control socket's file: made with its mode from the first moment, a stale one replaced, a
 * live one left alone, and only our own removed.
 */
#ifndef CONTROL_LISTENER_H
#define CONTROL_LISTENER_H

#include <sys/types.h>
#include <sys/un.h>

#include "base/fault.h"

struct listener_file {
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    dev_t device;
    ino_t inode;
};

/* A bound Unix socket, not yet listening; mode 0600, or 0660 with `group`.  A missing directory
 * is made (0700, or 0750 with `group`).  The descriptor, or -1. */
int listener_open(const char *path, const char *group, struct listener_file *file,
                  struct fault *fault) MUST_CHECK;
/* Opens it to another group, or with "" to the owner alone.  On failure nothing has changed. */
int listener_share(const struct listener_file *file, const char *group,
                   struct fault *fault) MUST_CHECK;
/* Unlinks the file if it is still the one that listener_open made. */
void listener_remove(const struct listener_file *file);

#endif
