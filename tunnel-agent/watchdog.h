/*
 * Judges whether the site's forwards are published as the hub lists them, and what to do when they
 * are not for too long.  Pure: it is told the figures and the time.
 */
#ifndef AGENT_WATCHDOG_H
#define AGENT_WATCHDOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

#define WATCHDOG_LOOK_MS    5000
#define WATCHDOG_REPAIR_MS  45000  /* without any answer: ask again; a request itself has 30 s */
#define WATCHDOG_RESTART_MS 90000  /* still none: a new session */
#define WATCHDOG_REFUSED_MS 300000 /* all refused for so long: a new session, later ones rarer */
#define WATCHDOG_RARE_MS    3600000

/* How far the forwards have come, of those that the hub lists and allow_targets permits. */
struct forward_tally {
    size_t wanted, published, refused;
    size_t leaving;   /* published still, though they should not be */
    uint64_t answers; /* of the hub to requests for forwards */
    uint64_t lost;    /* published, until the hub's list said that they are not; ever */
};

enum watchdog_verdict { WATCHDOG_FINE, WATCHDOG_ASK_AGAIN, WATCHDOG_RESTART };

struct watchdog { /* zero-initialised is fresh */
    bool watching;
    bool asked;           /* again, since the last answer */
    uint64_t answers;     /* at the last look */
    uint64_t lost;        /* at the last look, also at one of an earlier session */
    uint64_t progress_ms; /* the last answer, or the beginning of the disagreement */
    uint64_t refused_ms;  /* since when all are refused; 0: they are not */
    uint64_t patience_ms; /* with all refused; 0: the shortest */
};

/* The session is gone, or a new one begins. */
void watchdog_reset(struct watchdog *watchdog);
/* One look, while the session is online; with any verdict but FINE `why` says what is wrong. */
enum watchdog_verdict watchdog_judge(struct watchdog *watchdog, const struct forward_tally *tally,
                                     uint64_t now_ms, struct fault *why);

#endif
