/*
 * The dialer process, seen from the parent, which never resolves a name and never dials: started at
 * the first dial, started again at the first one after it died, treated as hostile.
 */
#ifndef PARENT_DIALER_H
#define PARENT_DIALER_H

#include <jansson.h>

#include "parent/hub.h"

/* Exactly once for each dial that was not cancelled, and never from within hub_dial: `descriptor`
 * (the callee's; connected, non-blocking) and the address that was dialled; or -1 and a reason for
 * people. */
typedef void dial_done(void *owner, int descriptor, const char *address, const char *reason);

/* Asks for a connection to what an outbound grant names, byte for byte: a host that is an address
 * there is dialled whatever it is, a name only where it leads to the wide world
 * (dialer/dial_rules.h).  `owner` is borrowed until `done`.  -1: refused at once, `done` is not
 * called. */
int hub_dial(struct hub *hub, const char *host, uint16_t port, dial_done *done, void *owner,
             uint64_t *id, struct fault *fault) MUST_CHECK;
/* `done` is not called any more.  One that is over is fine. */
void hub_dial_cancel(struct hub *hub, uint64_t id);

/* At the hub's end: refuses what is under way and ends the process. */
void dialer_stop(struct hub *hub);
/* Tells it what changed in the settings. */
void dialer_tell_settings(struct hub *hub);
/* The settings that it gets, as JSON.  NULL: out of memory; else the caller's to free. */
char *dialer_settings(const struct hub *hub);
/* 0 while there is no process. */
int dialer_pid(const struct hub *hub);
/* For `status`; null while there is no process. */
json_t *dialer_row(const struct hub *hub);

#endif
