/*
 * Connections of clients at the site to what an outbound grant names: each accepted socket gets a
 * direct-tcpip channel (RFC 4254, 7.2), and a stream once the hub has dialled.
 */
#ifndef AGENT_OUTBOUND_CONNECTION_H
#define AGENT_OUTBOUND_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "config/agent_settings.h"

struct transport;
struct outbound_connections;

struct outbound_result {
    uint64_t bytes_in, bytes_out; /* client -> dialled host, and back */
    const char *failure;          /* it was not opened; NULL: it was */
};

/* Once for each that was opened; `outlet` is what it was opened for. */
typedef void outbound_connection_done(void *outlet, const struct outbound_result *result);

/* `settings` is borrowed. */
struct outbound_connections *outbound_connections_new(const struct agent_settings *settings,
                                                      outbound_connection_done *done);
/* When none is left. */
void outbound_connections_free(struct outbound_connections *connections);

/* Takes the socket: it is joined to a channel, or reset.  `outlet` is borrowed until `done`. */
void outbound_connections_open(struct outbound_connections *connections,
                               struct transport *transport, int socket,
                               const struct host_port *target, void *outlet);
/* Each turn of the session: channels that have opened or were refused. */
void outbound_connections_turn(struct outbound_connections *connections);
/* Every few seconds: channels that the hub leaves unanswered.  False: none is opening. */
bool outbound_connections_check(struct outbound_connections *connections);
/* The session is gone: resets those still opening (streams have ended by themselves). */
void outbound_connections_drop_opening(struct outbound_connections *connections);
/* Ends those of one outlet. */
void outbound_connections_cut(struct outbound_connections *connections, const void *outlet,
                              const char *reason);

/* Sums over those of one outlet that are there now. */
void outbound_connections_count(const struct outbound_connections *connections, const void *outlet,
                                uint64_t *count, uint64_t *bytes_in, uint64_t *bytes_out);

#endif
