/*
 * How much a channel's peer may have under way towards us: libssh's own window, or a larger one for
 * a long line.  Between window.c and the streams; nobody else includes this.
 *
 * A window is grown only where it pays: the peer used half of it within one and a half round trips,
 * and the socket took everything.  All that is announced beyond libssh's own window comes out of
 * one budget of the process, and what is announced cannot be taken back: it counts until the peer
 * has used it.  Nobody gets more than a quarter of what is left, so that there is something for the
 * next one, and those who have more than that get no more until they are level.
 */
#ifndef SSH_WINDOW_H
#define SSH_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOW_OWN    1280000u    /* libssh 0.10's */
#define WINDOW_MAX    (16u << 20) /* more than a kernel's largest socket buffer by default */
#define WINDOW_BUDGET ((size_t)256 << 20) /* beyond WINDOW_OWN, of all streams of the process */

/* Embedded in a stream. */
struct window {
    uint32_t target;    /* to announce while the socket takes all; WINDOW_OWN: libssh does it */
    size_t outstanding; /* what the peer may still send, by the rules of libssh 0.10 */
    size_t reserved;    /* of the budget */
    size_t used;        /* bytes since `since_us` */
    uint64_t since_us;
    size_t waited; /* the most that waited for the socket in that time */
};

/* What was seen while the peer used half of a window. */
struct window_sight {
    uint32_t target;
    uint64_t elapsed_us, rtt_us; /* 0: not known */
    size_t waited;               /* the most that waited for the socket */
    size_t allowed;              /* by the budget */
};

/* The rule, pure: the next target. */
uint32_t window_next(const struct window_sight *sight);
/* What one stream that has `reserved` may have, when all have `total` (its own included). */
size_t window_allowed(size_t total, size_t reserved);

/* Does the libssh that is there let a window be grown?  0.10 does, 0.11 has a fixed 2 MiB. */
bool window_can_grow(void);

void window_init(struct window *window);
/* `bytes` came: the peer may send so many less. */
void window_used(struct window *window, size_t bytes);
/* May bytes be taken out of libssh's buffer without its announcing more for them? */
bool window_is_grown(const struct window *window);
/* After window_used and what was done with the bytes: `waiting` for the socket now, `kept` of those
 * in libssh's buffer.  True: half a window was used, and the target may have changed. */
bool window_look(struct window *window, size_t waiting, size_t kept, uint64_t rtt_us,
                 uint64_t now_us);
/* Fewer bytes wait than before. */
void window_drained(struct window *window, size_t waiting, size_t kept);
/* How large a window to announce now; 0: none. */
uint32_t window_due(const struct window *window);
/* It was announced: the peer may send so much. */
void window_announced(struct window *window, uint32_t bytes);
void window_release(struct window *window);

size_t window_total(void); /* of the budget, now: for tests and figures */

#endif
