/*
 * The rule by which windows grow, the budget they share, and an account of what libssh has
 * announced.  Bytes and channels are flow.c's.
 *
 * libssh does not tell a channel's local window, so that it is counted here by the rules of its
 * 0.10: it begins with 64,000 bytes, and is made 1,280,000 again whenever less than half of that is
 * left of window and buffered bytes together.
 */
#define _GNU_SOURCE
#include "ssh/window.h"

#include <libssh/libssh.h>

#define WINDOW_FIRST 64000u
#define IDLE_US      10000000u /* who needs longer for half a window does without a grown one */

/* One loop drives every stream of the process. */
static size_t total_reserved;

bool window_can_grow(void)
{
    return ssh_version(SSH_VERSION_INT(0, 11, 0)) == NULL;
}

size_t window_allowed(size_t total, size_t reserved)
{
    size_t others = total - reserved;
    size_t left = others < WINDOW_BUDGET ? (WINDOW_BUDGET - others) / 4 : 0;

    return left < WINDOW_MAX - WINDOW_OWN ? WINDOW_OWN + left : WINDOW_MAX;
}

uint32_t window_next(const struct window_sight *sight)
{
    uint64_t target = sight->target, rtt_us = sight->rtt_us;

    if (sight->elapsed_us > IDLE_US)
        target = WINDOW_OWN;
    else if (sight->waited > target / 4 || (rtt_us > 0 && sight->elapsed_us > 12 * rtt_us))
        target = target / 2;
    else if (sight->waited <= target / 8 && sight->elapsed_us <= rtt_us + rtt_us / 2)
        target = target * 2;
    if (target > sight->allowed)
        target = sight->allowed;
    return target > WINDOW_OWN ? (uint32_t)target : WINDOW_OWN;
}

static void reserve(struct window *window, size_t waiting)
{
    size_t most = window->outstanding + waiting;

    total_reserved -= window->reserved;
    window->reserved = most > WINDOW_OWN ? most - WINDOW_OWN : 0;
    total_reserved += window->reserved;
}

void window_init(struct window *window)
{
    *window = (struct window){.target = WINDOW_OWN, .outstanding = WINDOW_FIRST};
}

void window_release(struct window *window)
{
    total_reserved -= window->reserved;
    window->reserved = 0;
}

/* What libssh does after each packet, and after each read. */
static void own_rule(struct window *window, size_t kept)
{
    if (window->outstanding + kept < WINDOW_OWN / 2)
        window->outstanding = WINDOW_OWN;
}

void window_drained(struct window *window, size_t waiting, size_t kept)
{
    own_rule(window, kept);
    reserve(window, waiting);
}

static void judge(struct window *window, uint64_t rtt_us, uint64_t now_us)
{
    struct window_sight sight = {
        .target = window->target,
        .elapsed_us = now_us - window->since_us,
        .rtt_us = rtt_us,
        .waited = window->waited,
        .allowed = window_allowed(total_reserved, window->reserved),
    };

    window->target = window_can_grow() ? window_next(&sight) : WINDOW_OWN;
    window->since_us = now_us;
    window->used = 0;
    window->waited = 0;
}

void window_used(struct window *window, size_t bytes)
{
    window->outstanding -= bytes < window->outstanding ? bytes : window->outstanding;
    window->used += bytes;
}

bool window_look(struct window *window, size_t waiting, size_t kept, uint64_t rtt_us,
                 uint64_t now_us)
{
    bool half = window->used >= window->target / 2;

    own_rule(window, kept);
    if (waiting > window->waited)
        window->waited = waiting;
    if (half)
        judge(window, rtt_us, now_us);
    reserve(window, waiting);
    return half;
}

uint32_t window_due(const struct window *window)
{
    size_t allowed = window_allowed(total_reserved, window->reserved);
    uint32_t bytes = window->target < allowed ? window->target : (uint32_t)allowed;

    return bytes > WINDOW_OWN && window->outstanding <= bytes / 4 * 3 ? bytes : 0;
}

void window_announced(struct window *window, uint32_t bytes)
{
    window->outstanding = bytes;
    reserve(window, 0);
}

bool window_is_grown(const struct window *window)
{
    return window->outstanding >= WINDOW_OWN;
}

size_t window_total(void)
{
    return total_reserved;
}
