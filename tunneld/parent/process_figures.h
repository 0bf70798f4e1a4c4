/*
 * What a process uses: processor time, memory, descriptors, as /proc tells.  What it does not tell
 * us (a confined worker hides its descriptors from a parent that is not root) is FIGURE_UNKNOWN.
 */
#ifndef PARENT_PROCESS_FIGURES_H
#define PARENT_PROCESS_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#define FIGURE_UNKNOWN (-1)

struct process_figures {
    int64_t cpu_ms, rss_bytes;
    int64_t pss_bytes; /* its share of what several processes map; costs a walk of its memory */
    int64_t descriptors, descriptor_limit;
};

/* All that is known of the process; `pss_bytes` when `thorough`. */
struct process_figures process_figures_read(int pid, bool thorough);
/* Processor time and memory in a line of /proc/PID/stat (proc(5)).  False: it is none. */
bool process_stat_parse(const char *line, int64_t *cpu_ms, int64_t *rss_bytes);

#endif
