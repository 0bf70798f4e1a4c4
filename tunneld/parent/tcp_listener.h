/*
 * A listening TCP socket on the loop; accepts and hands over, never reads.  For SSH and for
 * visitors alike.
 */
#ifndef PARENT_TCP_LISTENER_H
#define PARENT_TCP_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/address.h"

struct tcp_listener;

/* The descriptor (non-blocking, close-on-exec) is the callee's.  The listener may be closed in
 * here. */
typedef void tcp_accepted(void *owner, int descriptor, const struct sockaddr *peer);

/* Listens on a literal address; `::` serves IPv4 too unless `v6_only`, and becomes 0.0.0.0 where
 * the kernel has no IPv6.  The fault names the address and what to do. */
int tcp_listener_open(uv_loop_t *loop, const char *address, uint16_t port, bool v6_only,
                      tcp_accepted *accepted, void *owner, struct tcp_listener **out,
                      struct fault *fault) MUST_CHECK;
/* The socket is closed at once.  NULL is fine. */
void tcp_listener_close(struct tcp_listener *listener);

/* As bound: "[::]:2222". */
const char *tcp_listener_text(const struct tcp_listener *listener);
const char *tcp_listener_address(const struct tcp_listener *listener);
uint16_t tcp_listener_port(const struct tcp_listener *listener);

/* Could one listen there now?  Tries and lets go again; the fault names the program that does. */
int tcp_listener_try(const char *address, uint16_t port, struct fault *fault) MUST_CHECK;

/* Has the kernel IPv6? */
bool tcp_has_v6(void);

/* Closes with a reset: the other side learns that nothing was delivered. */
void tcp_reset(int descriptor);

#endif
