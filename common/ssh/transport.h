/*
 * One libssh session driven by a libuv loop: the only place that pumps packets.
 *
 * The transport owns session and descriptor.  A turn is: read packets (a bounded number, so that
 * no session starves the others), hand messages to the owner, tell the owner that a turn passed,
 * serve the streams that can move again.  libssh's message queue is used, not its callbacks, so
 * that a message may be answered later: its owner keeps it and frees it with ssh_message_free.
 *
 * Nothing is ever freed inside a libssh callback or inside one of the handlers below:
 * transport_close takes effect at the end of the turn.  All of the handlers are called in a turn,
 * none of them inside a libssh callback.
 */
#ifndef SSH_TRANSPORT_H
#define SSH_TRANSPORT_H

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
     * "protocol error: ...", or what transport_close was given).  All streams have ended before,
     * and libssh has freed every channel: forget them.  Messages that are still kept must be freed
     * now.  The transport is freed right after. */
    void (*on_down)(void *owner, const char *reason);
    /* A probe was answered; may be NULL. */
    void (*on_rtt)(void *owner, uint64_t rtt_us);
};

/* Takes a non-blocking session for which ssh_connect or ssh_handle_key_exchange was called once,
 * and its descriptor.  The owner calls those again in on_turn until they are done.  On failure
 * both are still the caller's. */
int transport_open(uv_loop_t *loop, ssh_session session, int descriptor,
                   const struct transport_handlers *handlers, void *owner,
                   struct transport **out) MUST_CHECK;

/* Asynchronous, idempotent: streams end (their sockets are reset), an SSH disconnect is sent if
 * the line takes it, then on_down. */
void transport_close(struct transport *transport, const char *reason);

ssh_session transport_session(struct transport *transport); /* borrowed */

/* Stops handing out messages, and reading packets at all, until released: for the time a verdict
 * from elsewhere is pending.  Bounds what a peer can queue, and keeps libssh, which answers
 * keepalives by itself, from overtaking our reply to a global request (RFC 4254, 4).  Not counted:
 * one release ends any number of holds. */
void transport_hold(struct transport *transport);
void transport_release(struct transport *transport);
/* Then nothing is heard of the peer, and it is not to blame. */
bool transport_is_held(const struct transport *transport);

/* Asks for a turn at the loop's next iteration: after the owner wrote something. */
void transport_kick(struct transport *transport);

/* Returns how many bytes were written to the channel, at most what its window takes; 0 in a key
 * exchange, less than 0 when it is closed.  A peer that takes no packets of 256 bytes is closed. */
enum channel_data { CHANNEL_STDOUT, CHANNEL_STDERR };
int transport_write(struct transport *transport, ssh_channel channel, enum channel_data type,
                    const void *bytes, uint32_t length);

/* Monotonic ms at which the last byte of the peer arrived: liveness is judged by this alone. */
uint64_t transport_last_heard_ms(const struct transport *transport);
uint64_t transport_bytes_in(const struct transport *transport);
uint64_t transport_bytes_out(const struct transport *transport);

/* Sends keepalive@openssh.com and measures the answer; on_rtt comes any time later or never.
 * A second probe while one is unanswered does nothing. */
void transport_probe(struct transport *transport);
/* Of the last answered probe, microseconds; 0 before the first. */
uint64_t transport_rtt_us(const struct transport *transport);
/* Is a global request of ours (probe or tcpip-forward) unanswered?  libssh has one place only. */
bool transport_probe_pending(const struct transport *transport);
/* Around a global request of the owner's (ssh_channel_listen_forward until it no longer says
 * SSH_AGAIN): false while a probe is unanswered (try again in on_turn, which comes once it is
 * answered).  No probe is sent in between. */
bool transport_global_begin(struct transport *transport) MUST_CHECK;
void transport_global_end(struct transport *transport);

/* The level of log lines while this session is served; LOG_DEFAULT at first. */
void transport_set_log_level(struct transport *transport, int level);
/* libssh logs when traces are, and not otherwise; its lines go to whom ssh_set_log_callback named,
 * with the transport's owner as userdata (NULL: between sessions). */
void transport_match_log(void);
/* What is done to a session outside of the handlers stands between these two, so that its log
 * lines, libssh's among them, come at its level. */
struct transport_scope {
    int level;
    void *owner;
};
struct transport_scope transport_enter(const struct transport *transport);
void transport_leave(struct transport_scope before);

#endif
