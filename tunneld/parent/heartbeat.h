/*
 * Does a worker still turn?  A question each round, at most one unanswered.  Rounds are counted,
 * not time: whoever asks may have been stopped itself, or the whole machine suspended, and then
 * only one round has passed.  Pure, but for what is said to the workers.
 */
#ifndef PARENT_HEARTBEAT_H
#define PARENT_HEARTBEAT_H

#include "base/fault.h"
#include "ipc/message.h"

#define HEARTBEAT_ROUND_MS 1000
#define HEARTBEAT_ROUNDS   10 /* without an answer: stuck */

struct hub;
struct worker;

struct heartbeat {
    uint64_t asked, answered; /* numbers of questions; equal: none is open */
    unsigned silent;          /* rounds since the open one was asked */
};

enum heartbeat_verdict {
    HEARTBEAT_ASK,  /* question number `asked` is to be sent */
    HEARTBEAT_WAIT, /* one is open */
    HEARTBEAT_STUCK,
};

/* One round has passed. */
enum heartbeat_verdict heartbeat_round(struct heartbeat *heartbeat);
/* -1: nobody asked that. */
int heartbeat_answer(struct heartbeat *heartbeat, uint64_t number) MUST_CHECK;

/* Asks all workers each round, and ends those that are stuck, until the hub stops. */
void heartbeats_begin(struct hub *hub);
int heartbeat_on_pong(struct worker *worker, const struct message *message,
                      struct fault *fault) MUST_CHECK;

#endif
