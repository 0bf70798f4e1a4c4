/*
 * When the hub warns: a table of what is measured against which limit.  Pure: a rule, what is used
 * and the limit go in, what became of the warning comes out.  A warning is raised at one share of
 * the limit and over at a lower one, so that a figure at the brink is told once.
 */
#ifndef PARENT_HEALTH_RULES_H
#define PARENT_HEALTH_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum health_rule {
    HEALTH_DESCRIPTORS,   /* of a process, of RLIMIT_NOFILE */
    HEALTH_WORKER_MEMORY, /* of a worker, of what its sessions and connections explain */
    HEALTH_MEMORY,        /* of all processes, of the machine's or the control group's */
    HEALTH_SESSIONS,      /* of max_sessions */
    HEALTH_CONNECTIONS,   /* of max_connections, waiting visitors included */
    HEALTH_LOGINS,        /* of max_logins */
    HEALTH_DISK,          /* of the last gibibyte where the state is */
    HEALTH_EVENTS,        /* that could not be kept lately, of one */
    HEALTH_RULES,
};

enum health_change { HEALTH_SAME, HEALTH_RAISED, HEALTH_OVER };

struct health_measure {
    uint64_t used, limit; /* limit 0: not known, nothing to warn of */
};

/* What became of the warning, which was `raised` or not, by a new measure. */
enum health_change health_judge(enum health_rule rule, bool raised,
                                const struct health_measure *measure);

/* What a worker with so many sessions and connections may well use. */
uint64_t health_worker_memory_limit(uint64_t sessions, uint64_t connections);
/* The room that is left on a disk, as a measure of its last gibibyte. */
struct health_measure health_disk(uint64_t free_bytes, uint64_t size_bytes);

/* "descriptors", "disk". */
const char *health_rule_name(enum health_rule rule);
/* "sessions: 17 of 20 (85 %); raise max_sessions".  `subject`: of what ("worker 1"), or "". */
void health_describe(enum health_rule rule, const char *subject,
                     const struct health_measure *measure, char *text, size_t size);

#endif
