/*
 * One libssh session driven by a libuv loop: the only place that pumps packets.
 *
 * The transport owns session and descriptor.  A turn is: read packets (a bounded number, so that
 * no session starves the others), hand messages to the owner, tell the owner that a turn passed,
 * serve the streams that can move again.  libssh's message queue is used, not its callbacks, so
 * that a message may be answered later: its owner keeps it and frees it with ssh_message_free.
 *
 * Nothing is ever freed inside a libssh callback or inside one of the handlers below:
 * transport_close takes effect at the end of the turn.
 */
#ifndef SSH_TRANSPORT_H
#define SSH_TRANSPORT_H

#define LIBSSH_STATIC_UNUSED
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/fault.h"

struct transport;
struct stream;

struct transport_handlers {
    /* A message from the peer; the handler owns it (ssh_message_free after the reply). */
    void (*on_message)(void *owner, ssh_message message);
    /* Packets were processed or output drained: look at what was waiting (key exchange,
     * authentication, channels being opened, global requests). */
    void (*on_turn)(void *owner);
    /* The session is over, once; `reason` is a phrase for log and people ("closed by peer",
     * "protocol error: ...", or what transport_close was given).  All streams have ended before.
     * The transport is freed right after. */
    void (*on_down)(void *owner, const char *reason);
};

/* Takes session (non-blocking, connected or accepted) and its descriptor.  On failure both are
 * still the caller's. */
int transport_open(uv_loop_t *loop, ssh_session session, int descriptor,
                   const struct transport_handlers *handlers, void *owner,
                   struct transport **out) MUST_CHECK;

/* Asynchronous, idempotent: streams end (their sockets are reset), an SSH disconnect is sent if
 * the line takes it, then on_down. */
void transport_close(struct transport *transport, const char *reason);

ssh_session transport_session(struct transport *transport); /* borrowed */

/* Stops handing out messages (and reading more) until released: for the time a verdict from
 * elsewhere is pending.  Bounds what a peer can queue. */
void transport_hold(struct transport *transport);
void transport_release(struct transport *transport);

/* Asks for a turn at the loop's next iteration: after the owner wrote something. */
void transport_kick(struct transport *transport);

/* Monotonic ms at which the last byte of the peer arrived: liveness is judged by this alone. */
uint64_t transport_last_heard_ms(const struct transport *transport);
uint64_t transport_bytes_in(const struct transport *transport);
uint64_t transport_bytes_out(const struct transport *transport);

/* Sends keepalive@openssh.com and measures the answer; on_rtt may come any time later or never.
 * A second probe while one is unanswered does nothing. */
void transport_probe(struct transport *transport);
/* Of the last answered probe, microseconds; 0 before the first. */
uint64_t transport_rtt_us(const struct transport *transport);
/* Is a global request of ours (probe or tcpip-forward) unanswered?  libssh has one place only. */
bool transport_probe_pending(const struct transport *transport);

#endif
