/*
 * The cores that the hub may run on: as many as its affinity mask has (cpuset, CPUAffinity= of the
 * unit, taskset), see sched(7).
 */
#ifndef PARENT_CORES_H
#define PARENT_CORES_H

#include <stddef.h>
#include <sys/types.h>

/* At least 1. */
size_t cores_count(void);
/* From now on the process runs on the core of that index only, of cores_count() many. */
int cores_keep(pid_t pid, size_t index);

#endif
