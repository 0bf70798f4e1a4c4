/*
 * Files that hold state: read with a bound, written so that a crash leaves the old or the new
 * one and never a half, locked against a second instance.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/fault.h"

/* Reads a whole regular file of at most `max` bytes.  *data is NUL-terminated behind *length and
 * the caller's to free.  A directory, a device, a larger file: a fault that names it. */
int file_read(const char *path, size_t max, char **data, size_t *length,
              struct fault *fault) MUST_CHECK;

/* Writes beside `path`, fsyncs, renames over it, fsyncs the directory.  On failure nothing of
 * the new content remains and the old file is untouched. */
int file_write(const char *path, const void *data, size_t length, mode_t mode,
               struct fault *fault) MUST_CHECK;

/* Renames over `to`, which is in the same directory, and fsyncs the directory. */
int file_rename(const char *from, const char *to, struct fault *fault) MUST_CHECK;

/* Removes and fsyncs the directory; a file that is not there is fine. */
int file_remove(const char *path, struct fault *fault) MUST_CHECK;

/* mkdir -p; then the last part must be a directory of ours (or root's) that group and others
 * cannot write. */
int file_directory(const char *path, mode_t mode, struct fault *fault) MUST_CHECK;

/* Takes an exclusive lock on `path` (made 0600 if need be) and writes our pid in it; the
 * descriptor holds the lock until it is closed.  A second instance gets a fault naming the
 * holder's pid, and FILE_LOCKED.  The first removes from the directory what a crash in the middle
 * of file_write left there: names that end in ".new-" and six characters. */
#define FILE_LOCKED (-2)
int file_lock(const char *path, int *descriptor, struct fault *fault) MUST_CHECK;

/* "dir/name" into `out`; a path that is too long is a fault. */
int file_join(const char *dir, const char *name, char *out, size_t size,
              struct fault *fault) MUST_CHECK;

#endif
