/*
 * What a daemon tells systemd about itself (sd_notify(3)'s protocol; without systemd nothing
 * happens).  One per process: the parent's, never its workers'.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Reads NOTIFY_SOCKET and WATCHDOG_* from the environment and removes them from it: what this
 * process starts is not to speak for it. */
void notify_open(void);
/* Is there anybody to hear it? */
bool notify_is_heard(void);
/* How often notify_alive is expected, half of what systemd waits; 0: not at all. */
uint64_t notify_alive_every_ms(void);

void notify_ready(void);
void notify_alive(void);
void notify_reloading(void); /* notify_ready follows when it is done */
void notify_stopping(void);
/* One line for people; sent only when it is another than before. */
void notify_status(const char *status);

#endif
