/* The wheel.  What a deadline means to a peer is known to peer.c. */
#define _GNU_SOURCE
#include "worker/deadlines.h"

#include "worker/peer.h"

static void on_tick(uv_timer_t *timer);

static struct deadline_slot *slot_of(struct deadlines *deadlines, uint64_t tick)
{
    return &deadlines->slots[tick % DEADLINES_SLOTS];
}

static void arm(struct deadlines *deadlines, uint64_t tick)
{
    uint64_t now_ms = uv_now(deadlines->timer.loop), due_ms = tick * DEADLINES_TICK_MS;

    deadlines->armed = tick;
    uv_timer_start(&deadlines->timer, on_tick, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

/* The next slot that holds anybody. */
static void arm_next(struct deadlines *deadlines)
{
    deadlines->armed = 0;
    for (uint64_t tick = deadlines->turned + 1; tick <= deadlines->turned + DEADLINES_SLOTS;
         tick++) {
        if (LIST_EMPTY(slot_of(deadlines, tick)))
            continue;
        arm(deadlines, tick);
        return;
    }
}

static void look_at_slot(struct deadline_slot *slot, uint64_t tick)
{
    struct peer *peer, *following;

    for (peer = LIST_FIRST(slot); peer; peer = following) {
        following = LIST_NEXT(peer, of_slot);
        if (peer->due_tick > tick)
            continue;
        deadline_clear(peer);
        peer_overdue(peer);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct deadlines *deadlines = timer->data;
    uint64_t now = uv_now(timer->loop) / DEADLINES_TICK_MS;

    /* After a sleep each slot is looked at once. */
    if (now - deadlines->turned > DEADLINES_SLOTS)
        deadlines->turned = now - DEADLINES_SLOTS;
    while (deadlines->turned < now) {
        deadlines->turned++;
        look_at_slot(slot_of(deadlines, deadlines->turned), now);
    }
    arm_next(deadlines);
}

void deadlines_open(struct deadlines *deadlines, uv_loop_t *loop)
{
    for (size_t i = 0; i < DEADLINES_SLOTS; i++)
        LIST_INIT(&deadlines->slots[i]);
    uv_timer_init(loop, &deadlines->timer);
    deadlines->timer.data = deadlines;
    deadlines->turned = uv_now(loop) / DEADLINES_TICK_MS;
    deadlines->armed = 0;
}

void deadlines_close(struct deadlines *deadlines)
{
    if (!uv_is_closing((uv_handle_t *)&deadlines->timer))
        uv_close((uv_handle_t *)&deadlines->timer, NULL);
}

uint64_t deadline_tick(uint64_t now_ms, uint64_t delay_ms)
{
    uint64_t tick = (now_ms + delay_ms) / DEADLINES_TICK_MS + 1;

    if (delay_ms < DEADLINES_LONG_MS)
        return tick;
    return (tick + DEADLINES_TOGETHER - 1) / DEADLINES_TOGETHER * DEADLINES_TOGETHER;
}

void deadline_set(struct peer *peer, uint64_t delay_ms)
{
    struct deadlines *deadlines = &peer->office->deadlines;
    uint64_t tick = deadline_tick(uv_now(&peer->office->loop), delay_ms);

    deadline_clear(peer);
    peer->due_tick = tick;
    LIST_INSERT_HEAD(slot_of(deadlines, tick), peer, of_slot);
    if (deadlines->armed == 0 || tick < deadlines->armed)
        arm(deadlines, tick);
}

void deadline_clear(struct peer *peer)
{
    if (peer->due_tick == 0)
        return;
    peer->due_tick = 0;
    LIST_REMOVE(peer, of_slot);
}
