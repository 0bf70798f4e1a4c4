/*
 * Visitors' connections at the site: the hub opens a channel, the agent dials the target, and only
 * when that answers is the channel accepted and the two joined by a stream.
 */
#ifndef AGENT_CONNECTION_H
#define AGENT_CONNECTION_H

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdint.h>
#include <uv.h>

#include "base/address.h"
#include "config/agent_settings.h"

struct transport;
struct connections;
struct forward;
struct forward_list;

/* What became of one; `forward` is looked up by address and port, it may be gone. */
struct connection_result {
    const char *address;
    uint16_t port;
    uint64_t bytes_in, bytes_out; /* visitor -> target, target -> visitor */
    const char *failure;          /* the target was not reached; NULL: it was */
};

typedef void connection_done(void *owner, const struct connection_result *result);

/* `settings` is borrowed. */
struct connections *connections_new(uv_loop_t *loop, const struct agent_settings *settings,
                                    connection_done *done, void *owner);
/* When none is left. */
void connections_free(struct connections *connections);

/* Takes `message` (a forwarded-tcpip open on `transport`) and answers it sooner or later: dials
 * the forward's target, in its connect_timeout_ms or else in target_timeout.  Refused at once when
 * allow_targets forbids the target or max_connections are there. */
void connections_open(struct connections *connections, struct transport *transport,
                      ssh_message message, const struct forward *forward);
/* Answers with a refusal; takes `message`. */
void connections_refuse(struct transport *transport, ssh_message message);

/* The session is gone: forgets those still dialling (streams have ended by themselves). */
void connections_drop_dialling(struct connections *connections);
/* Ends those whose target allow_targets forbids now, or the hub's list does not name any more: the
 * hub cuts those that it knew of when the grant changed, and one may have been on its way. */
void connections_judge(struct connections *connections, struct forward_list *list);

/* Sums over those open now of one forward. */
void connections_count(const struct connections *connections, const char *address, uint16_t port,
                       uint64_t *count, uint64_t *bytes_in, uint64_t *bytes_out);

#endif
