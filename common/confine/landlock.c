/*
 * Landlock by its system calls, since the C library has no functions for them.  Every right that
 * the running kernel's version of it knows is taken, and given back where it is wanted; the numbers
 * are written out where the headers of a distribution may be older than its kernel.
 */
#define _GNU_SOURCE
#include "confine/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_1    ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1) /* of the first version */
#define REFER       (1ull << 13)                             /* version 2 */
#define TRUNCATE    (1ull << 14)                             /* version 3 */
#define IOCTL_DEV   (1ull << 15)                             /* version 5 */
#define BIND_TCP    (1ull << 0)                              /* version 4 */
#define CONNECT_TCP (1ull << 1)                              /* version 4 */
#define SIGNALS     (1ull << 1)                              /* version 6 */

/* The kernel's struct of version 6; older ones take the part that they know. */
struct attributes {
    uint64_t files, net, scope;
};

static uint64_t file_rights(int version)
{
    return RIGHTS_1 | (version >= 2 ? REFER : 0) | (version >= 3 ? TRUNCATE : 0) |
           (version >= 5 ? IOCTL_DEV : 0);
}

static uint64_t write_rights(int version)
{
    return READ_RIGHTS | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |
           LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
           (version >= 3 ? TRUNCATE : 0);
}

static int make_ruleset(int version, const struct landlock_needs *needs)
{
    const struct attributes attributes = {
        .files = file_rights(version),
        .net = (needs->listens ? 0 : BIND_TCP) | (needs->connects ? 0 : CONNECT_TCP),
        .scope = SIGNALS,
    };
    size_t size = version >= 6   ? sizeof attributes
                  : version >= 4 ? 2 * sizeof(uint64_t)
                                 : sizeof(uint64_t);

    return (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
}

/* Rights on directories do not go with a file. */
static int allow(int ruleset, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights};
    struct stat info;
    int code = -1, place = open(path, O_PATH | O_CLOEXEC);

    if (place < 0)
        return 0;
    rule.parent_fd = place;
    if (fstat(place, &info) == 0) {
        if (!S_ISDIR(info.st_mode))
            rule.allowed_access &= LANDLOCK_ACCESS_FS_READ_FILE;
        code = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    }
    close(place);
    return code;
}

int landlock_restrict(const struct landlock_needs *needs)
{
    int version =
        (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    int ruleset = version >= 1 ? make_ruleset(version, needs) : -1;
    int code = 0;

    if (ruleset < 0)
        return -1;
    for (const char *const *path = needs->readable; *path && code == 0; path++)
        code = allow(ruleset, *path, READ_RIGHTS);
    if (needs->writable && code == 0)
        code = allow(ruleset, needs->writable, write_rights(version));
    if (code == 0)
        code = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
    close(ruleset);
    return code;
}
