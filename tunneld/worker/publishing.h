/*
 * tcpip-forward and cancel-tcpip-forward (RFC 4254, 7.1): asked of the parent one after the other.
 */
#ifndef WORKER_PUBLISHING_H
#define WORKER_PUBLISHING_H

#include <libssh/libssh.h>
#include <libssh/server.h>

struct peer;

/* Takes the message. */
void publishing_on_message(struct peer *peer, ssh_message message);
void publishing_release(struct peer *peer);

#endif
