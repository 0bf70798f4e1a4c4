/*
 * A listening TCP socket at the site, for an outbound grant.
 */
#ifndef AGENT_SITE_LISTENER_H
#define AGENT_SITE_LISTENER_H

#include <uv.h>

#include "base/address.h"

struct site_listener;

/* `socket` is the callee's. */
typedef void site_listener_accepted(void *owner, int socket);

/* Binds and listens; an IPv6 address takes IPv6 alone. */
int site_listener_open(uv_loop_t *loop, const struct host_port *at,
                       site_listener_accepted *accepted, void *owner, struct site_listener **out,
                       struct fault *fault) MUST_CHECK;
/* No one is accepted any more, and the port is free, when it returns.  NULL is fine. */
void site_listener_close(struct site_listener *listener);

/* Closes a socket with a reset. */
void site_listener_reset(int socket);

#endif
