/* Connecting over TCP, waiting for it. */
#ifndef TUNNELCTL_DIAL_H
#define TUNNELCTL_DIAL_H

#include "base/address.h"

/* *socket is the caller's, non-blocking; `peer` (HOST_PORT_SIZE) the address that answered.
 * `timeout_ms` bounds resolving, and connecting again. */
int dial(const struct host_port *to, unsigned timeout_ms, int *socket, char *peer,
         struct fault *fault) MUST_CHECK;

#endif
