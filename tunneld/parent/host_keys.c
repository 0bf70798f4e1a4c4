/* The hub's identity on disk.  It never replaces or repairs a key: sites have pinned it. */
#define _GNU_SOURCE
#include "parent/host_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/secret.h"
#include "worker/worker.h"

#define PEM_MAX       65536
#define PATH_MAX_SIZE 4096

static const char *const file_names[HOST_KEY_KINDS] = {
    [HOST_KEY_CURRENT] = "host_key", [HOST_KEY_STANDBY] = "host_key.standby"};

struct key_paths {
    char private_part[PATH_MAX_SIZE];
    char public_part[PATH_MAX_SIZE];
};

static int key_paths(const char *dir, enum host_key_kind kind, struct key_paths *paths,
                     struct fault *fault)
{
    char name[32];
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

static int make_if_missing(const struct key_paths *paths, enum host_key_kind kind,
                           struct fault *fault)
{
    bool private_part = is_there(paths->private_part), public_part = is_there(paths->public_part);
    if (!private_part && !public_part)
        return host_key_generate(paths->private_part, fault);
    if (!public_part)
        return fault_set(fault,
                         "%s is there without its public part: make it again with 'ssh-keygen -y "
                         "-f %s > %s'",
                         paths->private_part, paths->private_part, paths->public_part);
    if (!private_part && kind == HOST_KEY_CURRENT)
        return fault_set(fault,
                         "%s is missing although %s is there: restore it from a backup, or remove "
                         "the latter for a new key (then every site must be enrolled again)",
                         paths->private_part, paths->public_part);
    return 0;
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

static int load_key(const char *dir, enum host_key_kind kind, struct host_keys *keys,
                    struct fault *fault)
{
    struct key_paths paths;
    if (key_paths(dir, kind, &paths, fault) != 0 || make_if_missing(&paths, kind, fault) != 0 ||
        read_public_part(paths.public_part, &keys->keys[kind], fault) != 0)
        return -1;
    if (kind != HOST_KEY_CURRENT)
        return 0;
    return file_read(paths.private_part, PEM_MAX, &keys->pem, &keys->pem_length, fault);
}

int host_keys_load(const char *dir, struct host_keys *out, struct fault *fault)
{
    struct host_keys *keys = calloc(1, sizeof *keys);
    if (!keys)
        return fault_set(fault, "out of memory while reading the host keys");
    int rc = load_key(dir, HOST_KEY_CURRENT, keys, fault);
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
