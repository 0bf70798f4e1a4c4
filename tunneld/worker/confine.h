/*
 * Giving up what a worker does not need, once it has its host key.
 */
#ifndef WORKER_CONFINE_H
#define WORKER_CONFINE_H

#include <stddef.h>

#include "base/fault.h"

/* `user`: whom to become when started as root; if there is no such account, `nobody`.  Says in
 * `text` what is in force.  -1: the worker must not go on. */
int confine(const char *user, char *text, size_t size, struct fault *fault) MUST_CHECK;

#endif
