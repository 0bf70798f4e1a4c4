/* One thing to do later, once.  Knows nothing of what it is set for. */
#define _GNU_SOURCE
#include "net/timeout.h"

#include <stdlib.h>

struct timeout {
    uv_timer_t timer;
    struct timeout **place; /* the owner's pointer, NULLed before the ring */
    void (*ring)(void *owner);
    void *owner;
};

static void on_close(uv_handle_t *handle)
{
    free(handle->data);
}

void timeout_clear(struct timeout **timeout)
{
    if (!*timeout)
        return;
    uv_close((uv_handle_t *)&(*timeout)->timer, on_close);
    *timeout = NULL;
}

static void on_timer(uv_timer_t *timer)
{
    struct timeout *timeout = timer->data;
    void (*ring)(void *) = timeout->ring;
    void *owner = timeout->owner;
    timeout_clear(timeout->place);
    ring(owner);
}

int timeout_set(uv_loop_t *loop, struct timeout **timeout, uint64_t ms, void (*ring)(void *owner),
                void *owner)
{
    timeout_clear(timeout);
    struct timeout *fresh = calloc(1, sizeof *fresh);
    if (!fresh)
        return -1;
    *fresh = (struct timeout){.place = timeout, .ring = ring, .owner = owner};
    (void)uv_timer_init(loop, &fresh->timer);
    fresh->timer.data = fresh;
    (void)uv_timer_start(&fresh->timer, on_timer, ms, 0);
    *timeout = fresh;
    return 0;
}
