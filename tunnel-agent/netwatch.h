/*
 * Tells when links, addresses or routes of this machine change (rtnetlink(7)): a changed network is
 * noticed at once, not after the time that silence takes.
 */
#ifndef AGENT_NETWATCH_H
#define AGENT_NETWATCH_H

#include <stdbool.h>
#include <uv.h>

#include "base/fault.h"

#define NETWATCH_SETTLE_MS 250  /* after the first change of a burst */
#define NETWATCH_PAUSE_MS  1000 /* between two reports at least */

struct netwatch;

/* `on_changed` is called once for a burst of changes. */
int netwatch_open(uv_loop_t *loop, void (*on_changed)(void *owner), void *owner,
                  struct netwatch **out, struct fault *fault) MUST_CHECK;
/* Asynchronous; NULL is fine. */
void netwatch_close(struct netwatch *netwatch);

/* Would a connection to where `socket` (connected TCP) leads still start at its address?  False
 * when that address is gone, another is preferred now, or there is no way there. */
bool netwatch_same_way(int socket);

#endif
