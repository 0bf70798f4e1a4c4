/*
 * The agent looks after itself: are the forwards published (watchdog.h), did the network change
 * (netwatch.h), and what does systemd learn about it (base/notify.h).  One for each agent,
 * embedded.
 */
#ifndef AGENT_SUPERVISION_H
#define AGENT_SUPERVISION_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "watchdog.h"

struct agent;
struct netwatch;

struct supervision {
    struct agent *agent;       /* borrowed */
    uv_timer_t look;           /* at the forwards */
    uv_timer_t alive;          /* systemd's watchdog */
    struct netwatch *netwatch; /* NULL: the network cannot be watched */
    struct watchdog watchdog;
    bool ready;   /* systemd was told */
    bool trimmed; /* the heap, since its forwards are published */
    unsigned repairs;
    int64_t repaired_s;  /* wall time of the last; 0: none */
    struct fault repair; /* why */
};

void supervision_init(struct supervision *supervision, struct agent *agent);
/* Asynchronous. */
void supervision_close(struct supervision *supervision);

/* Something changed: a look at the loop's next turn. */
void supervision_soon(struct supervision *supervision);
/* For `status`; NULL when out of memory. */
json_t *supervision_status(const struct supervision *supervision);

#endif
