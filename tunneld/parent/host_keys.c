/*
 * The hub's identity on disk.  Sites have pinned it, so nothing but a rotation replaces a key.
 *
 * A rotation is three steps, and each of them atomic: the new standby is made beside
 * (host_key.standby.new), host_key gets the contents of host_key.standby, and the rest of the files
 * follows.  The second step decides: a hub that starts and finds a new standby completes the
 * rotation if host_key is the standby key, and forgets the new standby if it is not.
 */
#define _GNU_SOURCE
#include "parent/host_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crash_point.h"
#include "base/file.h"
#include "base/secret.h"
#include "worker/worker.h"

#define PEM_MAX       65536
#define PATH_MAX_SIZE 4096

#define NEW_STANDBY HOST_KEY_KINDS /* a third pair of files, while rotating */

static const char *const file_names[HOST_KEY_KINDS + 1] = {
    [HOST_KEY_CURRENT] = "host_key",
    [HOST_KEY_STANDBY] = "host_key.standby",
    [NEW_STANDBY] = "host_key.standby.new",
};

struct key_paths {
    char private_part[PATH_MAX_SIZE];
    char public_part[PATH_MAX_SIZE];
};

static int key_paths(const char *dir, int kind, struct key_paths *paths, struct fault *fault)
{
    char name[40];
    if (file_join(dir, file_names[kind], paths->private_part, sizeof paths->private_part, fault) !=
        0)
        return -1;
    (void)snprintf(name, sizeof name, "%s.pub", file_names[kind]);
    return file_join(dir, name, paths->public_part, sizeof paths->public_part, fault);
}

static bool is_there(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 || errno != ENOENT;
}

static int read_public_part(const char *path, struct public_key *key, struct fault *fault)
{
    char *line;
    size_t length;
    if (file_read(path, PUBLIC_KEY_LINE_SIZE + 1024, &line, &length, fault) != 0)
        return -1;
    line[strcspn(line, "\r\n")] = '\0';
    int rc = public_key_from_line(line, key, fault);
    free(line);
    return rc == 0 ? 0 : fault_prefix(fault, "%s", path);
}

/* *pem is the caller's, to be wiped. */
static int read_private_part(const char *path, char **pem, size_t *length, struct public_key *key,
                             struct fault *fault)
{
    char line[HOST_KEY_LINE_SIZE];
    if (file_read(path, PEM_MAX, pem, length, fault) != 0)
        return -1;
    if (host_key_public(*pem, line, fault) == 0 && public_key_from_line(line, key, fault) == 0)
        return 0;
    return fault_prefix(fault, "%s", path);
}

/* Its file is written last: a crash or a full disk may have left it out. */
static int make_public_part(const struct key_paths *paths, struct fault *fault)
{
    char line[PUBLIC_KEY_LINE_SIZE + 1], *pem = NULL;
    size_t length = 0;
    struct public_key key = {.length = 0};
    int rc = read_private_part(paths->private_part, &pem, &length, &key, fault);
    if (rc == 0) {
        (void)public_key_line(&key, line);
        size_t end = strlen(line);
        line[end] = '\n';
        rc = file_write(paths->public_part, line, end + 1, 0644, fault);
    }
    secret_wipe(pem, length);
    free(pem);
    return rc;
}

static int make_if_missing(const struct key_paths *paths, enum host_key_kind kind,
                           struct fault *fault)
{
    bool private_part = is_there(paths->private_part), public_part = is_there(paths->public_part);
    if (!private_part && !public_part)
        return host_key_generate(paths->private_part, fault);
    if (!public_part)
        return make_public_part(paths, fault);
    if (!private_part && kind == HOST_KEY_CURRENT)
        return fault_set(fault,
                         "%s is missing although %s is there: restore it from a backup, or remove "
                         "the latter for a new key (then every site must be enrolled again)",
                         paths->private_part, paths->public_part);
    return 0;
}

static bool is_same(const struct public_key *a, const struct public_key *b)
{
    return a->length == b->length && memcmp(a->blob, b->blob, a->length) == 0;
}

static int load_key(const char *dir, enum host_key_kind kind, struct host_keys *keys,
                    struct fault *fault)
{
    struct key_paths paths;
    struct public_key key = {.length = 0};
    if (key_paths(dir, (int)kind, &paths, fault) != 0 ||
        make_if_missing(&paths, kind, fault) != 0 ||
        read_public_part(paths.public_part, &keys->keys[kind], fault) != 0)
        return -1;
    if (kind != HOST_KEY_CURRENT)
        return 0;
    if (read_private_part(paths.private_part, &keys->pem, &keys->pem_length, &key, fault) != 0)
        return -1;
    if (is_same(&key, &keys->keys[kind]))
        return 0;
    return fault_set(fault,
                     "%s does not belong to %s: restore the right one from a backup (sites expect "
                     "the host key that they have pinned)",
                     paths.public_part, paths.private_part);
}

static int all_paths(const char *dir, struct key_paths paths[HOST_KEY_KINDS + 1],
                     struct fault *fault)
{
    for (int kind = 0; kind <= NEW_STANDBY; kind++) {
        if (key_paths(dir, kind, &paths[kind], fault) != 0)
            return -1;
    }
    return 0;
}

/* Is host_key what host_key.standby.pub says? */
static bool has_begun(const struct key_paths paths[HOST_KEY_KINDS + 1])
{
    struct public_key current = {.length = 0}, standby = {.length = 0};
    char *pem = NULL;
    size_t length = 0;
    bool begun = read_private_part(paths[HOST_KEY_CURRENT].private_part, &pem, &length, &current,
                                   NULL) == 0 &&
                 read_public_part(paths[HOST_KEY_STANDBY].public_part, &standby, NULL) == 0 &&
                 is_same(&current, &standby);
    secret_wipe(pem, length);
    free(pem);
    return begun;
}

static int forget_new_standby(const struct key_paths *paths, struct fault *fault)
{
    if (file_remove(paths->public_part, fault) != 0)
        return -1;
    return file_remove(paths->private_part, fault);
}

static int complete(const struct key_paths paths[HOST_KEY_KINDS + 1], struct fault *fault)
{
    const struct key_paths *current = &paths[HOST_KEY_CURRENT], *standby = &paths[HOST_KEY_STANDBY],
                           *fresh = &paths[NEW_STANDBY];
    char *line;
    size_t length;
    if (file_read(standby->public_part, PUBLIC_KEY_LINE_SIZE + 1024, &line, &length, fault) != 0)
        return -1;
    int rc = file_write(current->public_part, line, length, 0644, fault);
    free(line);
    CRASH_POINT("parent.host_key_public");
    if (rc == 0 && is_there(fresh->private_part))
        rc = file_rename(fresh->private_part, standby->private_part, fault);
    CRASH_POINT("parent.host_key_standby");
    if (rc == 0)
        rc = file_rename(fresh->public_part, standby->public_part, fault);
    return rc;
}

/* After a rotation's second step, or a crash in any of them. */
static int settle(const char *dir, struct fault *fault)
{
    struct key_paths paths[HOST_KEY_KINDS + 1];
    const struct key_paths *fresh = &paths[NEW_STANDBY];
    if (all_paths(dir, paths, fault) != 0)
        return -1;
    if (!is_there(fresh->private_part) && !is_there(fresh->public_part))
        return 0;
    return has_begun(paths) ? complete(paths, fault) : forget_new_standby(fresh, fault);
}

int host_keys_load(const char *dir, struct host_keys *out, struct fault *fault)
{
    struct host_keys *keys = calloc(1, sizeof *keys);
    if (!keys)
        return fault_set(fault, "out of memory while reading the host keys");
    int rc = settle(dir, fault);
    if (rc == 0)
        rc = load_key(dir, HOST_KEY_CURRENT, keys, fault);
    if (rc == 0)
        rc = load_key(dir, HOST_KEY_STANDBY, keys, fault);
    if (rc == 0)
        *out = *keys;
    else
        host_keys_release(keys);
    free(keys);
    return rc;
}

void host_keys_release(struct host_keys *keys)
{
    secret_wipe(keys->pem, keys->pem_length);
    free(keys->pem);
    keys->pem = NULL;
    keys->pem_length = 0;
}

/* The private standby key, if it is the one that sites have pinned. */
static int read_standby(const struct key_paths *paths, const struct public_key *pinned, char **pem,
                        size_t *length, struct fault *fault)
{
    struct public_key key = {.length = 0};
    if (!is_there(paths->private_part))
        return fault_set(fault,
                         "the private part of the standby key is not here: put it back as %s (mode "
                         "0600) and try again",
                         paths->private_part);
    if (read_private_part(paths->private_part, pem, length, &key, fault) != 0)
        return -1;
    if (is_same(&key, pinned))
        return 0;
    return fault_set(fault,
                     "%s is not the private part of the standby key that sites have pinned: put "
                     "the one there that belongs to %s",
                     paths->private_part, paths->public_part);
}

static int begin_rotation(const struct key_paths paths[HOST_KEY_KINDS + 1],
                          const struct public_key *pinned, struct fault *fault)
{
    char *pem = NULL;
    size_t length = 0;
    int rc = read_standby(&paths[HOST_KEY_STANDBY], pinned, &pem, &length, fault);
    if (rc == 0)
        rc = host_key_generate(paths[NEW_STANDBY].private_part, fault);
    CRASH_POINT("parent.host_key_made");
    if (rc == 0)
        rc = file_write(paths[HOST_KEY_CURRENT].private_part, pem, length, 0600, fault);
    CRASH_POINT("parent.host_key_begun");
    secret_wipe(pem, length);
    free(pem);
    return rc;
}

int host_keys_rotate(const char *dir, struct host_keys *keys, struct fault *fault)
{
    struct key_paths paths[HOST_KEY_KINDS + 1];
    struct host_keys fresh;
    struct fault other;
    if (settle(dir, fault) != 0 || all_paths(dir, paths, fault) != 0)
        return -1;
    if (begin_rotation(paths, &keys->keys[HOST_KEY_STANDBY], fault) != 0) {
        (void)settle(dir, &other);
        return -1;
    }
    if (host_keys_load(dir, &fresh, fault) != 0)
        return fault_prefix(fault, "the rotation has begun and is completed when the hub is "
                                   "started again");
    host_keys_release(keys);
    *keys = fresh;
    return 0;
}
