/*
 * Bytes that a socket did not take, in the order in which they came.  Blocks are freed as they are
 * written, so that the memory of a stall is given back with its end.  Nobody but the streams
 * includes this.
 */
#ifndef SSH_BACKLOG_H
#define SSH_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/fault.h"

TAILQ_HEAD(backlog_list, backlog_block);

/* Embedded in its owner. */
struct backlog {
    struct backlog_list blocks;
    size_t bytes;
};

void backlog_init(struct backlog *backlog);
void backlog_release(struct backlog *backlog);
/* A copy at the end.  False: out of memory, nothing was added. */
bool backlog_add(struct backlog *backlog, const uint8_t *bytes, size_t length) MUST_CHECK;
/* The first bytes that lie together: their number, 0 when there are none. */
size_t backlog_first(const struct backlog *backlog, const uint8_t **bytes);
/* So many of them are done with. */
void backlog_pass(struct backlog *backlog, size_t bytes);

#endif
