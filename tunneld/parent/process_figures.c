/* Reads /proc.  Never fails: what cannot be read is unknown. */
#define _GNU_SOURCE
#include "parent/process_figures.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 64

/* Passes `skip` fields and reads the one behind them. */
static bool next_number(const char **at, int skip, uint64_t *value)
{
    char *end;
    for (; skip >= 0; skip--) {
        *at += strspn(*at, " ");
        if (skip > 0)
            *at += strcspn(*at, " ");
    }
    if (**at < '0' || **at > '9')
        return false;
    *value = strtoull(*at, &end, 10);
    *at = end;
    return true;
}

bool process_stat_parse(const char *line, int64_t *cpu_ms, int64_t *rss_bytes)
{
    /* The second field is the program's name, which may hold blanks and brackets itself.  Behind
     * it: user and kernel time are the fields 14 and 15, pages the field 24. */
    const char *at = strrchr(line, ')');
    uint64_t user, kernel, pages;
    long ticks = sysconf(_SC_CLK_TCK), page = sysconf(_SC_PAGESIZE);
    if (!at || ticks <= 0 || page <= 0)
        return false;
    at++;
    if (!next_number(&at, 11, &user) || !next_number(&at, 0, &kernel) ||
        !next_number(&at, 8, &pages))
        return false;
    *cpu_ms = (int64_t)((user + kernel) * 1000 / (uint64_t)ticks);
    *rss_bytes = (int64_t)(pages * (uint64_t)page);
    return true;
}

static FILE *open_file(int pid, const char *name)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    return fopen(path, "re");
}

static void read_stat(int pid, struct process_figures *figures)
{
    char line[1024];
    FILE *file = open_file(pid, "stat");
    if (!file)
        return;
    if (fgets(line, sizeof line, file))
        (void)process_stat_parse(line, &figures->cpu_ms, &figures->rss_bytes);
    (void)fclose(file);
}

/* The number behind KEY, at the start of a line of /proc/PID/NAME. */
static int64_t read_number(int pid, const char *name, const char *key)
{
    char line[256];
    bool found = false;
    uint64_t number = 0;
    FILE *file = open_file(pid, name);
    while (file && !found && fgets(line, sizeof line, file)) {
        found = strncmp(line, key, strlen(key)) == 0;
        const char *at = line + (found ? strlen(key) : 0);
        found = found && next_number(&at, 0, &number);
    }
    if (file)
        (void)fclose(file);
    return found && number <= INT64_MAX ? (int64_t)number : FIGURE_UNKNOWN;
}

static int64_t read_pss(int pid)
{
    int64_t kib = read_number(pid, "smaps_rollup", "Pss:");
    return kib == FIGURE_UNKNOWN ? kib : kib * 1024;
}

static int64_t count_entries(const char *path, bool ours)
{
    int64_t count = ours ? -1 : 0; /* the one we count with */
    DIR *directory = opendir(path);
    if (!directory)
        return FIGURE_UNKNOWN;
    const struct dirent *entry;
    while ((entry = readdir(directory)))
        count += entry->d_name[0] != '.';
    (void)closedir(directory);
    return count;
}

/* Linux 6.2 and later tell the count without a walk. */
static int64_t count_descriptors(int pid)
{
    char path[PATH_SIZE];
    struct stat status;
    (void)snprintf(path, sizeof path, "/proc/%d/fd", pid);
    if (access(path, R_OK | X_OK) != 0)
        return FIGURE_UNKNOWN;
    if (stat(path, &status) == 0 && status.st_size > 0)
        return status.st_size;
    return count_entries(path, pid == getpid());
}

/* From a file, because prlimit(2) of another user's process wants a capability that changes it,
 * too.
 */
static int64_t read_limit(int pid)
{
    return read_number(pid, "limits", "Max open files");
}

struct process_figures process_figures_read(int pid, bool thorough)
{
    struct process_figures figures = {
        .cpu_ms = FIGURE_UNKNOWN,
        .rss_bytes = FIGURE_UNKNOWN,
        .pss_bytes = thorough ? read_pss(pid) : FIGURE_UNKNOWN,
        .descriptors = count_descriptors(pid),
        .descriptor_limit = read_limit(pid),
    };
    read_stat(pid, &figures);
    return figures;
}
