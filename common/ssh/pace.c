/*
 * Who waits for a bucket's tokens, and whose turn it is.  A timer runs while somebody waits; with
 * each quantum of tokens the first in line are called, each with an equal share.  The sums are
 * bucket.c's; what streams do with their turn is flow.c's.
 */
#define _GNU_SOURCE
#include "ssh/pace.h"

#include <stdlib.h>

#include "ssh/bucket.h"
#include "ssh/pace_place.h"

#define SHARE_MIN 4096 /* bytes: with many in line, rather a packet in a later turn than crumbs */

TAILQ_HEAD(place_list, pace_place);

struct pace {
    uv_timer_t timer;
    struct bucket bucket;
    struct place_list line;
    size_t line_length;
    size_t users; /* its owner and its places; the last one closes the timer */
};

static void on_timer(uv_timer_t *timer);

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

struct pace *pace_new(uv_loop_t *loop)
{
    struct pace *pace = calloc(1, sizeof *pace);

    if (!pace)
        return NULL;
    uv_timer_init(loop, &pace->timer);
    pace->timer.data = pace;
    TAILQ_INIT(&pace->line);
    pace->users = 1;
    return pace;
}

static void release(struct pace *pace)
{
    if (--pace->users == 0)
        uv_close((uv_handle_t *)&pace->timer, on_timer_closed);
}

void pace_close(struct pace *pace)
{
    if (pace)
        release(pace);
}

/* libuv's timers count from the start of the loop's turn: one that comes early comes again. */
static void arm(struct pace *pace)
{
    uint64_t wait_ms;

    if (pace->line_length == 0) {
        uv_timer_stop(&pace->timer);
        return;
    }
    (void)bucket_count(&pace->bucket, uv_hrtime());
    wait_ms = (bucket_wait_ns(&pace->bucket) + 999999) / 1000000;
    uv_timer_start(&pace->timer, on_timer, wait_ms, 0);
}

static void enter_line(struct pace_place *place)
{
    struct pace *pace = place->pace;

    TAILQ_INSERT_TAIL(&pace->line, place, next);
    place->waiting = true;
    if (pace->line_length++ == 0)
        arm(pace);
}

static void leave_line(struct pace_place *place)
{
    TAILQ_REMOVE(&place->pace->line, place, next);
    place->pace->line_length--;
    place->waiting = false;
}

static void call(struct pace_place *place, uint64_t share)
{
    leave_line(place);
    bucket_take(&place->pace->bucket, share);
    place->granted = (size_t)share;
    place->on_turn(place->owner);
}

static void call_all(struct pace *pace)
{
    struct pace_place *place;

    while ((place = TAILQ_FIRST(&pace->line)))
        call(place, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct pace *pace = timer->data;
    uint64_t tokens = bucket_count(&pace->bucket, uv_hrtime());
    uint64_t quantum = bucket_quantum(&pace->bucket), share;
    struct pace_place *place;

    if (tokens >= quantum && pace->line_length > 0) {
        share = tokens / pace->line_length;
        if (share < quantum && share < SHARE_MIN)
            share = quantum < SHARE_MIN ? quantum : SHARE_MIN;
        while (pace->bucket.tokens >= share && (place = TAILQ_FIRST(&pace->line)))
            call(place, share);
    }
    arm(pace);
}

void pace_set_rate(struct pace *pace, uint64_t bytes_per_second)
{
    bucket_set_rate(&pace->bucket, bytes_per_second, uv_hrtime());
    if (bytes_per_second == 0)
        call_all(pace);
    arm(pace);
}

void pace_join(struct pace_place *place, struct pace *pace, void (*on_turn)(void *owner),
               void *owner)
{
    if (pace == place->pace)
        return;
    pace_leave(place);
    if (!pace)
        return;
    pace->users++;
    place->pace = pace;
    place->on_turn = on_turn;
    place->owner = owner;
}

void pace_leave(struct pace_place *place)
{
    struct pace *pace = place->pace;

    if (!pace)
        return;
    pace_rest(place);
    if (place->waiting)
        leave_line(place);
    place->pace = NULL;
    if (pace->line_length == 0)
        uv_timer_stop(&pace->timer);
    release(pace);
}

size_t pace_offer(struct pace_place *place, size_t want)
{
    struct pace *pace = place->pace;
    uint64_t tokens;

    if (!pace || pace->bucket.rate == 0 || want == 0)
        return want;
    if (place->granted > 0)
        return want < place->granted ? want : place->granted;
    if (place->waiting)
        return 0;
    if (pace->line_length == 0) {
        tokens = bucket_count(&pace->bucket, uv_hrtime());
        if (tokens >= want)
            return want;
        if (tokens >= bucket_quantum(&pace->bucket))
            return (size_t)tokens;
    }
    enter_line(place);
    return 0;
}

void pace_take(struct pace_place *place, size_t bytes)
{
    size_t granted;

    if (!place->pace)
        return;
    granted = bytes < place->granted ? bytes : place->granted;
    place->granted -= granted;
    bucket_take(&place->pace->bucket, bytes - granted);
}

void pace_rest(struct pace_place *place)
{
    if (place->granted == 0)
        return;
    bucket_give_back(&place->pace->bucket, place->granted);
    place->granted = 0;
    arm(place->pace);
}
