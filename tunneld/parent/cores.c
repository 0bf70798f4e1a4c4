/*
 * Which core a worker runs on.  Left to itself, the kernel likes to put whoever is woken by a
 * packet beside whoever sent it, and a worker that is always busy then shares a core while another
 * idles.
 */
#define _GNU_SOURCE
#include "parent/cores.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

size_t cores_count(void)
{
    cpu_set_t mine;
    if (sched_getaffinity(0, sizeof mine, &mine) == 0)
        return (size_t)CPU_COUNT(&mine);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more than a cpu_set_t holds */
    return online > 0 ? (size_t)online : 1;
}

int cores_keep(pid_t pid, size_t index)
{
    cpu_set_t mine, one;
    if (sched_getaffinity(0, sizeof mine, &mine) != 0)
        return -1;
    CPU_ZERO(&one);
    for (size_t core = 0; core < CPU_SETSIZE; core++) {
        if (!CPU_ISSET(core, &mine) || index-- > 0)
            continue;
        CPU_SET(core, &one);
        return sched_setaffinity(pid, sizeof one, &one);
    }
    errno = EINVAL;
    return -1;
}
