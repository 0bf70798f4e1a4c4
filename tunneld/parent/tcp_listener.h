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
#include "net/acceptor.h"

struct tcp_listener;

/* Listens on a literal address; `::` serves IPv4 too unless `v6_only`, and becomes 0.0.0.0 where
 * the kernel has no IPv6.  The fault names the address and what to do. */
int tcp_listener_open(uv_loop_t *loop, const char *address, uint16_t port, bool v6_only,
                      acceptor_accepted *accepted, void *owner, struct tcp_listener **out,
                      struct fault *fault) MUST_CHECK;
/* The socket is closed at once, also where it was lent to.  NULL is fine. */
void tcp_listener_close(struct tcp_listener *listener);

/* The descriptor, borrowed: somebody else accepts on it from now on, and this process does not. */
int tcp_listener_lend(struct tcp_listener *listener);
/* Accepts here again; no-op if it does.  `renew`: whom it was lent to lives, and shall have no more
 * use of it.  -1: out of memory, or the address could not be bound anew; to be closed then. */
int tcp_listener_take_back(struct tcp_listener *listener, bool renew) MUST_CHECK;

/* As bound: "[::]:2222". */
const char *tcp_listener_text(const struct tcp_listener *listener);
const char *tcp_listener_address(const struct tcp_listener *listener);
uint16_t tcp_listener_port(const struct tcp_listener *listener);

/* Could one listen there now?  Tries and lets go again; the fault names the program that does. */
int tcp_listener_try(const char *address, uint16_t port, struct fault *fault) MUST_CHECK;

/* Has the kernel IPv6? */
bool tcp_has_v6(void);

#endif
