/* The hub and its sites as Prometheus metrics. */
#ifndef PARENT_METRICS_H
#define PARENT_METRICS_H

#include <stddef.h>

#include "parent/hub.h"

/* The whole exposition; the caller's to free.  NULL: out of memory. */
char *metrics_text(struct hub *hub, size_t *length);

#endif
