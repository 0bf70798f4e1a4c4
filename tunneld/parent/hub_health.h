/*
 * The hub's own health: what its processes use, looked at every few seconds and whenever somebody
 * asks, and warnings before a limit is hit.
 */
#ifndef PARENT_HUB_HEALTH_H
#define PARENT_HUB_HEALTH_H

#include <jansson.h>
#include <stdio.h>

#include "parent/health_rules.h"
#include "parent/hub.h"

/* The workers are counted by then. */
int hub_health_start(struct hub *hub, struct fault *fault) MUST_CHECK;
/* Nothing is measured any more.  NULL inside is fine. */
void hub_health_stop(struct hub *hub);

/* For `status`, fresh: [{process, pid, cpu_s, cpu_percent, ...}], [{rule, detail, since}]. */
json_t *hub_health_processes(struct hub *hub);
json_t *hub_health_warnings(struct hub *hub);
/* The same as metrics. */
void hub_health_expose(struct hub *hub, FILE *out);

#endif
