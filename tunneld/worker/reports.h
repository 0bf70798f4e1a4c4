/*
 * What an agent says on its `forwards` channel, line by line, as messages to the parent.
 */
#ifndef WORKER_REPORTS_H
#define WORKER_REPORTS_H

#include <jansson.h>

#include "base/fault.h"

struct peer;

/* One line.  -1: it is not as agreed. */
int reports_on_line(struct peer *peer, const json_t *line, struct fault *fault) MUST_CHECK;

#endif
