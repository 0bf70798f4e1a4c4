/*
 * JSON lines: one JSON object a line, bounded.  Used on the control sockets, and on the
 * `forwards` channel between hub and agent.
 */
#ifndef CONTROL_FRAMES_H
#define CONTROL_FRAMES_H

#include <jansson.h>
#include <stddef.h>

#include "base/fault.h"

#define FRAME_LINE_MAX    (1u << 20)  /* bytes of a line between hub and agent */
#define FRAME_REQUEST_MAX (16u << 20) /* bytes of a request: one may hold all sites */
#define FRAME_REPLY_MAX   (64u << 20) /* bytes of a reply */

/* Collects bytes and gives them back as lines. */
struct frames {
    char *data;
    size_t used, size, max, scanned;
};

void frames_init(struct frames *frames, size_t max);
void frames_release(struct frames *frames); /* wipes: requests carry tokens */

/* Takes bytes in.  -1: a line is longer than the maximum, or out of memory. */
int frames_feed(struct frames *frames, const void *data, size_t length,
                struct fault *fault) MUST_CHECK;
/* The next whole line as an object: 1 and *object (the caller's), 0 when more bytes are wanted,
 * -1 when a line is no JSON object. */
int frames_next(struct frames *frames, json_t **object, struct fault *fault) MUST_CHECK;

/* The object as one line with its newline; malloc'ed, NULL when out of memory. */
char *frame_text(const json_t *object, size_t *length);

#endif
