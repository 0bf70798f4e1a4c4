/*
 * Landlock by its system calls, since the C library has no functions for them.  Its first version
 * is enough: every right on files that it knows is taken, and reading is given back where it is
 * wanted.
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
#define ALL_RIGHTS  ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1) /* of the first version */

static int allow(int ruleset, const char *path)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = READ_RIGHTS};
    struct stat info;
    int code = -1, place = open(path, O_PATH | O_CLOEXEC);

    if (place < 0)
        return 0;
    rule.parent_fd = place;
    if (fstat(place, &info) == 0) {
        if (!S_ISDIR(info.st_mode))
            rule.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
        code = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    }
    close(place);
    return code;
}

int landlock_read_only(const char *const *paths)
{
    const struct landlock_ruleset_attr attributes = {.handled_access_fs = ALL_RIGHTS};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    int code = 0;

    if (ruleset < 0)
        return -1;
    for (; *paths && code == 0; paths++)
        code = allow(ruleset, *paths);
    if (code == 0)
        code = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
    close(ruleset);
    return code;
}
