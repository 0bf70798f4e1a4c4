/*
 * A site's new key, announced by its agent on the forwards channel: read, and asked of the parent.
 */
#ifndef WORKER_ROTATION_H
#define WORKER_ROTATION_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

struct peer;

/* The `new_key` of a line; the parent's verdict goes back on the channel.  -1: it is not as
 * agreed. */
int rotation_on_key(struct peer *peer, const json_t *new_key, struct fault *fault) MUST_CHECK;

/* "TYPE BASE64" as a blob; how many bytes, or -1.  Which kinds of keys are good is the parent's to
 * say. */
long rotation_read_key(const char *text, uint8_t *blob, size_t size);

#endif
