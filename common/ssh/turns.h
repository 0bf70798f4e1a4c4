/*
 * Whose turn it is to send on a session: a round robin of those that have something to send, by
 * bytes.  In each round everybody may send the same, its credit; who was interrupted goes on first
 * with what is left of it.  Who comes along and has credit left in this round goes before those
 * that wait for their turn: a short answer does not wait behind many long ones, who runs short of
 * bytes for a moment loses nothing, and nobody has more than the others.
 *
 * Pure: it knows neither sockets nor channels.  Between turns.c and the streams; nobody else
 * includes this.
 */
#ifndef SSH_TURNS_H
#define SSH_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define TURN_PACKET 32758             /* of payload: what libssh puts into a packet of 32 KiB */
#define TURN_LEAST  (2 * TURN_PACKET) /* what pays for the calls of a turn */
#define TURN_MOST   (4 * TURN_PACKET) /* with few in line */
#define TURNS_ROUND                                                                                \
    (16 * TURN_PACKET) /* a round, unless more are in line than that is enough for */

enum turn_list {
    TURN_NOT_IN_LINE,
    TURN_FRESH,   /* came after this round began, and has credit left in it */
    TURN_NOW,     /* has its turn in this round */
    TURN_NEXT,    /* in the next one */
    TURN_WAITING, /* cannot send, whoever's turn it is */
    TURN_LISTS
};

/* Embedded in its owner; all zero at first, but for that. */
struct turn {
    TAILQ_ENTRY(turn) next;
    enum turn_list list;
    uint64_t round; /* in which it had its last turn... */
    void *owner;    /* for whom turns_next is called */
    size_t credit;  /* ...and bytes that it may still send in it */
};

TAILQ_HEAD(turn_queue, turn);

struct turns {
    struct turn_queue lists[TURN_LISTS];
    uint64_t round;
    size_t in_line; /* without those that cannot */
    size_t quantum; /* of this round */
};

void turns_init(struct turns *turns);
/* Has something to send.  Nothing if it is in line, or cannot. */
void turns_enter(struct turns *turns, struct turn *turn);
/* Has nothing more to send; nothing if it is not in line. */
void turns_leave(struct turns *turns, struct turn *turn);
/* Whose turn it is: out of the line, with its credit; NULL: nobody's. */
struct turn *turns_next(struct turns *turns);
/* Back in line after its turn, one of: has used its credit and has more; was interrupted, and goes
 * on before all others; cannot send until it is woken. */
void turns_again(struct turns *turns, struct turn *turn);
void turns_resume(struct turns *turns, struct turn *turn);
void turns_wait(struct turns *turns, struct turn *turn);
/* Back in line are those of the waiting for whom this is true. */
void turns_wake(struct turns *turns, bool (*can_send)(const struct turn *turn));

#endif
