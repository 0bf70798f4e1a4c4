/* Connecting over TCP, waiting for it. */
#ifndef TUNNELCTL_DIAL_H
#define TUNNELCTL_DIAL_H

#include "base/address.h"

/* Tries the addresses of the name one after the other.  *socket is the caller's, non-blocking;
 * `peer` (HOST_PORT_SIZE) the address that answered. */
int dial(const struct host_port *to, unsigned timeout_ms, int *socket, char *peer,
         struct fault *fault) MUST_CHECK;

#endif
