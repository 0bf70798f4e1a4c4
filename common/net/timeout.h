/*
 * One thing to do later, once.  A thin skin over uv_timer_t, whose memory must outlive its
 * asynchronous close: here it frees itself, so that an owner may vanish at any moment.
 */
#ifndef NET_TIMEOUT_H
#define NET_TIMEOUT_H

#include <uv.h>

#include "base/fault.h"

struct timeout;

/* Calls `ring` once after `ms`; *timeout is NULL again when it is called.  One that is set already
 * is replaced.  -1 when out of memory (then *timeout is NULL). */
int timeout_set(uv_loop_t *loop, struct timeout **timeout, uint64_t ms, void (*ring)(void *owner),
                void *owner) MUST_CHECK;
/* NULL inside is fine. */
void timeout_clear(struct timeout **timeout);

#endif
