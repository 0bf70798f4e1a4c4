/* The lists, and the handles.  What a turn is, transport.c knows. */
#define _GNU_SOURCE
#include "ssh/lap.h"

#include <stdlib.h>

#include "ssh/stream_internal.h"

#define TICK_MS 50

TAILQ_HEAD(transport_list, transport);

struct lap {
    LIST_ENTRY(lap) entry;
    uv_loop_t *loop;
    uv_check_t check; /* runs the turns, after all descriptors of this iteration were looked at */
    uv_idle_t idle;   /* while a turn is wanted: keeps the loop from waiting */
    uv_timer_t timer; /* for streams that have a deadline */
    int handles;      /* open ones; the last one's close callback frees the lap */
    size_t members;
    struct transport_list kicked, ticking;
};

static LIST_HEAD(lap_list, lap) laps = LIST_HEAD_INITIALIZER(laps); /* one for each loop */

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* that it is active keeps the loop from waiting; on_check does the work */
}

/* Who is kicked meanwhile has its turn in the next iteration: the others' descriptors come first.
 */
static void on_check(uv_check_t *check)
{
    struct lap *lap = check->data;
    struct transport_list now = TAILQ_HEAD_INITIALIZER(now);
    struct transport *transport;

    TAILQ_CONCAT(&now, &lap->kicked, place.kicked);
    uv_check_stop(&lap->check);
    uv_idle_stop(&lap->idle);
    while ((transport = TAILQ_FIRST(&now))) {
        TAILQ_REMOVE(&now, transport, place.kicked);
        transport->place.is_kicked = false;
        transport_turn(transport);
    }
}

void lap_kick(struct transport *transport)
{
    struct lap *lap = transport->place.lap;

    if (transport->place.is_kicked)
        return;
    transport->place.is_kicked = true;
    TAILQ_INSERT_TAIL(&lap->kicked, transport, place.kicked);
    uv_check_start(&lap->check, on_check);
    uv_idle_start(&lap->idle, on_idle);
}

static void stop_ticking(struct transport *transport)
{
    struct lap *lap = transport->place.lap;

    transport->place.is_ticking = false;
    TAILQ_REMOVE(&lap->ticking, transport, place.ticking);
    if (TAILQ_EMPTY(&lap->ticking))
        uv_timer_stop(&lap->timer);
}

static void on_timer(uv_timer_t *timer)
{
    struct lap *lap = timer->data;
    struct transport *transport, *following;

    for (transport = TAILQ_FIRST(&lap->ticking); transport; transport = following) {
        following = TAILQ_NEXT(transport, place.ticking);
        if (!transport_on_tick(transport))
            stop_ticking(transport);
    }
}

void lap_tick(struct transport *transport)
{
    struct lap *lap = transport->place.lap;

    if (transport->place.is_ticking)
        return;
    transport->place.is_ticking = true;
    TAILQ_INSERT_TAIL(&lap->ticking, transport, place.ticking);
    if (!uv_is_active((uv_handle_t *)&lap->timer))
        uv_timer_start(&lap->timer, on_timer, TICK_MS, TICK_MS);
}

static struct lap *lap_of(uv_loop_t *loop)
{
    struct lap *lap;

    LIST_FOREACH(lap, &laps, entry)
    {
        if (lap->loop == loop)
            return lap;
    }
    return NULL;
}

static struct lap *lap_new(uv_loop_t *loop)
{
    struct lap *lap = calloc(1, sizeof *lap);

    if (!lap)
        return NULL;
    lap->loop = loop;
    TAILQ_INIT(&lap->kicked);
    TAILQ_INIT(&lap->ticking);
    uv_check_init(loop, &lap->check);
    uv_idle_init(loop, &lap->idle);
    uv_timer_init(loop, &lap->timer);
    lap->check.data = lap->idle.data = lap->timer.data = lap;
    lap->handles = 3;
    LIST_INSERT_HEAD(&laps, lap, entry);
    return lap;
}

int lap_join(uv_loop_t *loop, struct transport *transport)
{
    struct lap *lap = lap_of(loop);

    if (!lap)
        lap = lap_new(loop);
    if (!lap)
        return -1;
    lap->members++;
    transport->place.lap = lap;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct lap *lap = handle->data;

    if (--lap->handles == 0)
        free(lap);
}

void lap_leave(struct transport *transport)
{
    struct lap *lap = transport->place.lap;

    if (transport->place.is_kicked)
        TAILQ_REMOVE(&lap->kicked, transport, place.kicked);
    transport->place.is_kicked = false;
    if (transport->place.is_ticking)
        stop_ticking(transport);
    if (--lap->members > 0)
        return;
    LIST_REMOVE(lap, entry);
    uv_close((uv_handle_t *)&lap->check, on_closed);
    uv_close((uv_handle_t *)&lap->idle, on_closed);
    uv_close((uv_handle_t *)&lap->timer, on_closed);
}
