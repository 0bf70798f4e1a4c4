/*
 * Files that hold state.  Every fault names the path, what the system said and, where there is
 * something to do, what.  Nothing here knows what is in a file.
 */
#define _GNU_SOURCE
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crash_point.h"
#include "base/secret.h"

/* Names of files that are being written: the file's own, and this. */
#define FRESH_MARK   ".new-"
#define FRESH_SUFFIX FRESH_MARK "XXXXXX"
#define FRESH_LENGTH (sizeof FRESH_SUFFIX - 1)

static const char *advice(int error)
{
    static const struct {
        int error;
        const char *text;
    } known[] = {
        {EACCES, "; check who owns it and its directories"},
        {EPERM, "; check who owns it and its directories"},
        {ENOSPC, "; make room on the disk"},
        {EDQUOT, "; make room in the quota"},
        {EROFS, "; choose a directory that can be written"},
        {EMFILE, "; raise the limit of open files"},
        {ELOOP, "; it must not be a symbolic link"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].error == error)
            return known[i].text;
    return "";
}

static int system_fault(struct fault *fault, const char *what, const char *path, int error)
{
    return fault_set(fault, "cannot %s %s: %s%s", what, path, strerror(error), advice(error));
}

/* Reads until `length` bytes or the end; -1 with errno. */
static ssize_t read_full(int descriptor, char *bytes, size_t length)
{
    size_t used = 0;
    while (used < length) {
        ssize_t got = read(descriptor, bytes + used, length - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    return (ssize_t)used;
}

static int write_full(int descriptor, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t wrote = write(descriptor, bytes, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return -1;
        bytes += wrote;
        length -= (size_t)wrote;
    }
    return 0;
}

static int read_open_file(int descriptor, const char *path, size_t max, char **data, size_t *length,
                          struct fault *fault)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return system_fault(fault, "read", path, errno);
    if (S_ISDIR(status.st_mode))
        return fault_set(fault, "cannot read %s: it is a directory, not a file", path);
    if (!S_ISREG(status.st_mode))
        return fault_set(fault, "cannot read %s: it is not a regular file", path);
    if ((uintmax_t)status.st_size > max)
        return fault_set(fault, "cannot read %s: it has %jd bytes, at most %zu are read", path,
                         (intmax_t)status.st_size, max);
    size_t size = (size_t)status.st_size;
    char *bytes = malloc(size + 1);
    if (bytes == NULL)
        return fault_set(fault, "cannot read %s: out of memory", path);
    ssize_t got = read_full(descriptor, bytes, size);
    if (got < 0) {
        int error = errno;
        secret_wipe(bytes, size);
        free(bytes);
        return system_fault(fault, "read", path, error);
    }
    bytes[got] = '\0';
    *data = bytes;
    *length = (size_t)got;
    return 0;
}

int file_read(const char *path, size_t max, char **data, size_t *length, struct fault *fault)
{
    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0)
        return system_fault(fault, "read", path, errno);
    int result = read_open_file(descriptor, path, max, data, length, fault);
    close(descriptor);
    return result;
}

/* The directory that `path` is in. */
static int parent_of(const char *path, char directory[PATH_MAX], struct fault *fault)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL || slash == path ? 1 : (size_t)(slash - path);
    if (length >= PATH_MAX)
        return fault_set(fault, "the path '%.100s...' is too long", path);
    memcpy(directory, slash == NULL ? "." : path, length);
    directory[length] = '\0';
    return 0;
}

/* A rename is durable only when its directory is. */
static int sync_directory(const char *directory)
{
    int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return -1;
    int result = fsync(descriptor);
    int error = errno;
    close(descriptor);
    errno = error;
    return result;
}

/* Fills and closes the descriptor; -1 with errno. */
static int fill(int descriptor, const void *data, size_t length, mode_t mode)
{
    int error = 0;
    if (fchmod(descriptor, mode) != 0 || write_full(descriptor, data, length) != 0 ||
        fsync(descriptor) != 0)
        error = errno;
    if (close(descriptor) != 0 && error == 0)
        error = errno;
    errno = error;
    return error == 0 ? 0 : -1;
}

int file_write(const char *path, const void *data, size_t length, mode_t mode, struct fault *fault)
{
    char directory[PATH_MAX];
    char fresh[PATH_MAX];
    if (parent_of(path, directory, fault) != 0)
        return -1;
    if (snprintf(fresh, sizeof fresh, "%s" FRESH_SUFFIX, path) >= (int)sizeof fresh)
        return fault_set(fault, "the path '%.100s...' is too long", path);
    /* rename(2) would put a file in the place of /dev/stdout. */
    struct stat status;
    if (lstat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return fault_set(fault, "cannot write %s: it is there and is not a regular file", path);
    int descriptor = mkostemp(fresh, O_CLOEXEC);
    if (descriptor < 0)
        return system_fault(fault, "write", path, errno);
    int rc = fill(descriptor, data, length, mode);
    CRASH_POINT("file.before_rename");
    if (rc != 0 || rename(fresh, path) != 0) {
        int error = errno;
        unlink(fresh);
        return system_fault(fault, "write", path, error);
    }
    if (sync_directory(directory) != 0)
        return system_fault(fault, "make durable", path, errno);
    return 0;
}

int file_rename(const char *from, const char *to, struct fault *fault)
{
    char directory[PATH_MAX];
    if (parent_of(to, directory, fault) != 0)
        return -1;
    if (rename(from, to) != 0)
        return system_fault(fault, "rename", from, errno);
    if (sync_directory(directory) != 0)
        return system_fault(fault, "make durable", to, errno);
    return 0;
}

int file_remove(const char *path, struct fault *fault)
{
    char directory[PATH_MAX];
    if (parent_of(path, directory, fault) != 0)
        return -1;
    if (unlink(path) != 0)
        return errno == ENOENT ? 0 : system_fault(fault, "remove", path, errno);
    if (sync_directory(directory) != 0)
        return system_fault(fault, "make durable the removal of", path, errno);
    return 0;
}

/* mkdir -p */
static int make_directories(const char *path, mode_t mode, struct fault *fault)
{
    char part[PATH_MAX];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part)
        return fault_set(fault, "the path '%.100s' is %s", path,
                         length == 0 ? "empty" : "too long");
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, mode) != 0 && errno != EEXIST && errno != EISDIR) {
            /* A parent on a read-only file system may well be there. */
            int error = errno;
            struct stat status;
            if (stat(part, &status) != 0)
                return system_fault(fault, "make the directory", part, error);
        }
    }
    return 0;
}

int file_directory(const char *path, mode_t mode, struct fault *fault)
{
    struct stat status;
    if (make_directories(path, mode, fault) != 0)
        return -1;
    if (stat(path, &status) != 0)
        return system_fault(fault, "use the directory", path, errno);
    if (!S_ISDIR(status.st_mode))
        return fault_set(fault, "%s is not a directory; move it away or choose another", path);
    if (status.st_uid != geteuid() && status.st_uid != 0)
        return fault_set(fault, "%s belongs to user %ju; chown it to user %ju or choose another",
                         path, (uintmax_t)status.st_uid, (uintmax_t)geteuid());
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return fault_set(fault, "%s can be written by others; chmod go-w %s", path, path);
    return 0;
}

static int write_pid(int descriptor)
{
    char pid[24];
    int length = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(descriptor, 0) != 0)
        return -1;
    return write_full(descriptor, pid, (size_t)length);
}

/* Somebody else has the lock: who? */
static int locked_fault(int descriptor, const char *path, struct fault *fault)
{
    char pid[24];
    ssize_t got = read_full(descriptor, pid, sizeof pid - 1);
    pid[got > 0 ? got : 0] = '\0';
    size_t digits = strspn(pid, "0123456789");
    if (digits == 0)
        (void)fault_set(fault, "%s is locked by another process; stop it first", path);
    else
        (void)fault_set(fault, "%s is locked by process %.*s; stop it first", path, (int)digits,
                        pid);
    return FILE_LOCKED;
}

/* What a crash in the middle of file_write left.  Without the lock one cannot know that nobody
 * writes. */
static void remove_unfinished(const char *directory)
{
    DIR *open = opendir(directory);
    if (open == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(open)) != NULL;) {
        size_t length = strlen(entry->d_name);
        if (length > FRESH_LENGTH &&
            strncmp(entry->d_name + length - FRESH_LENGTH, FRESH_MARK, sizeof FRESH_MARK - 1) == 0)
            (void)unlinkat(dirfd(open), entry->d_name, 0);
    }
    closedir(open);
}

int file_lock(const char *path, int *descriptor, struct fault *fault)
{
    char directory[PATH_MAX];
    if (parent_of(path, directory, fault) != 0)
        return -1;
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0)
        return system_fault(fault, "lock", path, errno);
    int result = 0;
    if (flock(lock, LOCK_EX | LOCK_NB) != 0)
        result = errno == EWOULDBLOCK ? locked_fault(lock, path, fault)
                                      : system_fault(fault, "lock", path, errno);
    else if (write_pid(lock) != 0)
        result = system_fault(fault, "write", path, errno);
    if (result != 0) {
        close(lock);
        return result;
    }
    remove_unfinished(directory);
    *descriptor = lock;
    return 0;
}

int file_join(const char *dir, const char *name, char *out, size_t size, struct fault *fault)
{
    size_t length = strlen(dir);
    const char *between = length > 0 && dir[length - 1] == '/' ? "" : "/";
    if (length + strlen(between) + strlen(name) >= size)
        return fault_set(fault, "the path '%.100s%s%.100s' is too long", dir, between, name);
    snprintf(out, size, "%s%s%s", dir, between, name);
    return 0;
}
