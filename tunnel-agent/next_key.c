/*
 * Making the next key, and renaming it over the present one.  key.pub is only for people; it is
 * written first, so that a crash between leaves no wrong one for longer than until the next start.
 */
#define _GNU_SOURCE
#include "next_key.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "base/file.h"
#include "site_key.h"

#define NAME "key.next"

int next_key_load(const struct state *state, ssh_key *key, struct public_key *public,
                  struct fault *fault)
{
    char path[STATE_PATH_SIZE];
    if (state_path(state, NAME, path, fault) != 0)
        return -1;
    if (access(path, F_OK) != 0)
        return 0;
    return site_key_load(path, key, public, fault) == 0 ? 1 : -1;
}

int next_key_make(const struct state *state, ssh_key *key, struct public_key *public,
                  struct fault *fault)
{
    char path[STATE_PATH_SIZE];
    if (state_path(state, NAME, path, fault) != 0 || site_key_make(path, fault) != 0)
        return -1;
    CRASH_POINT("agent.next_key_made");
    return site_key_load(path, key, public, fault);
}

int next_key_adopt(const struct state *state, const struct public_key *public, struct fault *fault)
{
    char next[STATE_PATH_SIZE], path[STATE_PATH_SIZE], public_path[STATE_PATH_SIZE];
    if (state_path(state, NAME, next, fault) != 0 || state_path(state, "key", path, fault) != 0 ||
        state_path(state, "key.pub", public_path, fault) != 0 ||
        site_key_write_public(public_path, public, fault) != 0)
        return -1;
    CRASH_POINT("agent.next_key_public");
    if (file_rename(next, path, fault) != 0)
        return -1;
    CRASH_POINT("agent.next_key_adopted");
    return 0;
}

bool key_is_older(const struct state *state, uint64_t age_ms)
{
    char path[STATE_PATH_SIZE];
    struct stat status;
    if (state_path(state, "key", path, NULL) != 0 || stat(path, &status) != 0)
        return false;
    int64_t age_s = clock_wall_s() - (int64_t)status.st_mtime;
    return age_s > 0 && (uint64_t)age_s > age_ms / 1000;
}
