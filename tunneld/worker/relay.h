/*
 * A relay: the worker's half of a connection, from CONNECT to CLOSED.
 */
#ifndef WORKER_RELAY_H
#define WORKER_RELAY_H

#include "worker/office.h"

struct share;

/* CONNECT, or a VISITOR with its fields that was accepted here; takes the message's descriptor. */
void relay_open(struct office *office, const struct message *message);
/* The parent is told of it, unless it was. */
void relay_introduce(struct relay *relay);
/* ATTACH of a connection that is counted here; takes the descriptor, and the open channel. */
void relay_attach(struct peer *peer, const struct message *message, ssh_channel channel);
/* ATTACH that comes too late: closes the descriptor. */
void relay_lost(struct office *office, const struct message *message, const char *reason);
/* Asynchronous; CLOSED follows. */
void relay_abort(struct relay *relay, const char *reason);
/* The share is new, or the limits in it have changed. */
void relays_mind_policy(struct peer *peer, const struct share *share);
/* Whose it is. */
struct peer *relay_peer(const struct relay *relay);
/* In each turn of a peer: channels that have opened or were refused. */
void relays_turn(struct peer *peer);
/* The transport is down. */
void relays_release(struct peer *peer, const char *reason);
/* Every second: counters that changed, channels that take too long. */
void relays_second(struct office *office);

#endif
