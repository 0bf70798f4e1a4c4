/*
 * The header that tells a target who the visitor is (the PROXY protocol of HAProxy, versions 1 and
 * 2, doc/proxy-protocol.txt), sent before the visitor's first byte.  Pure.
 */
#ifndef PARENT_PROXY_PROTOCOL_H
#define PARENT_PROXY_PROTOCOL_H

#include <sys/socket.h>

#include "parent/policy.h"

#define PROXY_HEADER_MAX 107 /* bytes; version 1's longest */

/* `visitor` and `local` (where it connected to): of one family, or v4-mapped, or anything else for
 * "unknown".  Returns the header's length; 0 for PROXY_PROTOCOL_OFF. */
size_t proxy_header(enum proxy_protocol version, const struct sockaddr *visitor,
                    const struct sockaddr *local, unsigned char out[PROXY_HEADER_MAX]);

#endif
