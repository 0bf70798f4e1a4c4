/* The hub at the other end of the control socket: where it is, and asking it. */
#ifndef TUNNELCTL_HUB_H
#define TUNNELCTL_HUB_H

#include "tunnelctl/command.h"

/* Connects if need be, and asks.  `args` is borrowed.  DONE and *data (the caller's), REFUSED
 * with the hub's sentence, or UNREACHABLE. */
enum outcome hub_ask(struct invocation *invocation, const char *verb, json_t *args, json_t **data,
                     struct fault *fault) MUST_CHECK;

#endif
