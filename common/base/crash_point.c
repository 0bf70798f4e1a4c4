/*
 * Dying on command, for tests alone: this file is in no build without TUNNEL_CRASH_POINTS.  The
 * file is mapped before main, so that a confined worker needs no right to open it.
 */
#define _GNU_SOURCE
#include "base/crash_point.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char *wanted; /* NULL: none */

__attribute__((constructor)) static void map_wanted(void)
{
    const char *path = getenv("TUNNEL_CRASH_FILE");
    int descriptor = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (descriptor < 0)
        return;
    void *map = mmap(NULL, CRASH_NAME_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (map != MAP_FAILED)
        wanted = map;
}

void crash_point(const char *name)
{
    static const char hit[] = "hit";
    if (wanted == NULL || strncmp(wanted, name, CRASH_NAME_SIZE) != 0)
        return;
    memcpy(wanted, hit, sizeof hit);
    (void)kill(getpid(), SIGKILL);
}
