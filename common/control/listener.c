/*
 * Binds the control socket's file.  Does not accept, and does not guard against two daemons that
 * start in the same instant: the state directory's lock does.
 */
#define _GNU_SOURCE
#include "control/listener.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

static int fill_address(const char *path, struct sockaddr_un *address, struct fault *fault)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (!text_copy(address->sun_path, sizeof(address->sun_path), path) || !*path)
        return fault_set(fault, "%s: a socket's path has 1 to %zu bytes; choose a shorter one",
                         path, sizeof(address->sun_path) - 1);
    return 0;
}

static int find_group(const char *name, gid_t *gid, struct fault *fault)
{
    const struct group *group = getgrnam(name);
    if (!group)
        return fault_set(fault, "there is no group '%s' on this machine", name);
    *gid = group->gr_gid;
    return 0;
}

/* A directory that already stands is left as it is: /tmp and /run are not ours to judge. */
static int make_directory(const char *path, bool grouped, gid_t gid, struct fault *fault)
{
    char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct stat status;
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return 0;
    memcpy(directory, path, (size_t)(slash - path));
    directory[slash - path] = '\0';
    if (stat(directory, &status) == 0)
        return 0;
    if (file_directory(directory, grouped ? 0750 : 0700, fault) < 0)
        return -1;
    if (grouped && chown(directory, (uid_t)-1, gid) < 0)
        return fault_set(fault, "%s: cannot give it to the group: %s", directory, strerror(errno));
    return 0;
}

/* 0 when the path is free, after removing a socket on which nobody listens. */
static int clear_stale(const struct sockaddr_un *address, struct fault *fault)
{
    const char *path = address->sun_path;
    struct stat status;
    if (lstat(path, &status) < 0)
        return errno == ENOENT ? 0 : fault_set(fault, "%s: %s", path, strerror(errno));
    if (!S_ISSOCK(status.st_mode))
        return fault_set(fault, "%s exists and is no socket; remove it or choose another path",
                         path);
    /* Not blocking: a live daemon with a full backlog answers EAGAIN. */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fault_set(fault, "%s: %s", path, strerror(errno));
    int result = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    int cause = result < 0 ? errno : 0;
    close(fd);
    if (cause == 0 || cause == EAGAIN)
        return fault_set(fault, "%s: another daemon answers there; stop it or choose another path",
                         path);
    if (cause != ECONNREFUSED)
        return fault_set(fault, "%s: %s", path, strerror(cause));
    if (unlink(path) < 0)
        return fault_set(fault, "%s: cannot remove the stale socket: %s", path, strerror(errno));
    return 0;
}

static int bind_private(const struct sockaddr_un *address, struct fault *fault)
{
    const char *path = address->sun_path;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fault_set(fault, "%s: %s", path, strerror(errno));
    /* On Linux bind(2) takes the file's mode from the socket's inode: never open to others, not
     * even for a moment. */
    if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
        fault_set(fault, "%s: cannot make the socket: %s", path, strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

/* Opens the file to the group, if there is one, and remembers which file it is. */
static int finish(const char *path, bool grouped, gid_t gid, struct listener_file *file,
                  struct fault *fault)
{
    struct stat status;
    if (grouped && (chown(path, (uid_t)-1, gid) < 0 || chmod(path, 0660) < 0))
        return fault_set(fault, "%s: cannot open it to the control group: %s", path,
                         strerror(errno));
    if (lstat(path, &status) < 0)
        return fault_set(fault, "%s: %s", path, strerror(errno));
    (void)text_copy(file->path, sizeof(file->path), path);
    file->device = status.st_dev;
    file->inode = status.st_ino;
    return 0;
}

int listener_open(const char *path, const char *group, struct listener_file *file,
                  struct fault *fault)
{
    struct sockaddr_un address;
    gid_t gid = 0;
    bool grouped = group && *group;
    if (fill_address(path, &address, fault) < 0 ||
        (grouped && find_group(group, &gid, fault) < 0) ||
        make_directory(path, grouped, gid, fault) < 0 || clear_stale(&address, fault) < 0)
        return -1;
    int fd = bind_private(&address, fault);
    if (fd < 0)
        return -1;
    if (finish(path, grouped, gid, file, fault) < 0) {
        unlink(path);
        close(fd);
        return -1;
    }
    return fd;
}

static bool is_ours(const struct listener_file *file)
{
    struct stat status;
    return lstat(file->path, &status) == 0 && status.st_dev == file->device &&
           status.st_ino == file->inode;
}

int listener_share(const struct listener_file *file, const char *group, struct fault *fault)
{
    gid_t gid = getegid();
    bool grouped = *group != '\0';
    if (grouped && find_group(group, &gid, fault) < 0)
        return -1;
    if (!is_ours(file))
        return fault_set(fault, "%s: another program has replaced the control socket", file->path);
    /* Never open to a group that was not asked for, not even for a moment. */
    if (!grouped && chmod(file->path, 0600) < 0)
        return fault_set(fault, "%s: %s", file->path, strerror(errno));
    if (chown(file->path, (uid_t)-1, gid) < 0)
        return fault_set(fault, "%s: cannot give it to the group '%s': %s", file->path, group,
                         strerror(errno));
    if (grouped && chmod(file->path, 0660) < 0)
        return fault_set(fault, "%s: %s", file->path, strerror(errno));
    return 0;
}

void listener_remove(const struct listener_file *file)
{
    if (is_ours(file))
        unlink(file->path);
}
