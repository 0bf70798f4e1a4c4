/*
 * Dialling host:port over TCP: resolve (anew each time), then try the addresses, IPv6 and IPv4
 * alternating, each DIAL_STAGGER_MS after the one before or as soon as that one failed; the first
 * that answers wins (RFC 8305).  Names are resolved in libuv's thread pool.
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include <uv.h>

#include "base/address.h"

#define DIAL_ADDRESSES_MAX 8
#define DIAL_STAGGER_MS    250

struct dial;

struct dial_handlers {
    void (*on_resolved)(void *owner); /* the addresses are known; NULL: not interested */
    /* Exactly one of these, inside dial_start only if `at_once`; the dial is over with it. */
    void (*on_connected)(void *owner, int socket); /* non-blocking; the owner's */
    void (*on_failed)(void *owner, const char *reason);
    /* Why this address, which the host is or resolved to, must not be dialled, or NULL; then it is
     * dialled as it is.  Without a judge all may be. */
    const char *(*judge)(void *owner, const struct sockaddr *address);
    bool at_once; /* the two may come inside dial_start, which returns 0 all the same */
};

/* `out` is written before any handler is called.  `handlers` are borrowed for as long as the dial
 * lives.  `timeout_ms` bounds resolving and,
 * counted again, connecting. */
int dial_start(uv_loop_t *loop, const struct host_port *to, uint64_t timeout_ms,
               const struct dial_handlers *handlers, void *owner, struct dial **out,
               struct fault *fault) MUST_CHECK;
/* No handler is called any more.  NULL is fine. */
void dial_cancel(struct dial *dial);

#endif
