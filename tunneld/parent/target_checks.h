/*
 * Checks of targets through the tunnel (setting `target_check`, or the grant's own): a connection
 * of nobody's to each published forward once in a while, closed as soon as the site has answered.
 * It is no visitor's: counted in no figure and against no limit.
 */
#ifndef PARENT_TARGET_CHECKS_H
#define PARENT_TARGET_CHECKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ipc/message.h"
#include "net/timeout.h"
#include "parent/registry.h"
#include "parent/store.h"

struct forward;
struct hub;
struct target_check;
struct worker;

TAILQ_HEAD(checked_forwards, forward);

LIST_HEAD(target_check_list, target_check);

enum target_checked {
    CHECKED_NEVER,    /* the grant says so */
    CHECKED_IN_TURN,  /* in the hub's interval, if it has one */
    CHECKED_WHEN_DUE, /* in the grant's own */
};

struct target_checks {
    struct registry running;       /* by the id that their messages have */
    struct target_check_list list; /* the same; owned */
    struct checked_forwards queue; /* CHECKED_IN_TURN, the one whose turn is next first */
    uint64_t count;                /* of them */
    struct checked_forwards own;   /* CHECKED_WHEN_DUE */
    bool started;
    uint64_t credit; /* turns that are due, each worth as many as the interval has milliseconds */
    uint64_t ticked_ms;
    struct timeout *tick;
    uint64_t judged_total;
};

void target_checks_init(struct target_checks *checks);
/* The setting may have changed. */
void target_checks_start(struct hub *hub);
void target_checks_stop(struct hub *hub);

/* The forward is there; it is going away. */
void target_checks_enter(struct forward *forward);
void target_checks_leave(struct forward *forward);
/* Its grant may have another interval than before. */
void target_checks_regrant(struct forward *forward);

/* NULL: none of that worker's has this id. */
struct target_check *target_check_find(const struct hub *hub, const struct worker *worker,
                                       uint64_t id);
/* OPENED, CLOSED. */
int target_check_on_message(struct target_check *check, const struct message *message,
                            struct fault *fault);
/* The worker died. */
void target_checks_forget(struct worker *worker);

#endif
