/*
 * direct-tcpip channels (RFC 4254, 7.2): an operator's way to a forward, a site's way out.  Each
 * waits unanswered until the parent has a socket for it, or a reason to refuse it.
 */
#ifndef WORKER_DIRECT_H
#define WORKER_DIRECT_H

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <sys/queue.h>

#include "worker/office.h"

#define DIRECT_WAITING_MAX  256  /* channels of one peer that wait for the parent */
#define DIRECT_A_SECOND_MAX 1000 /* channels that one peer may ask for */

struct direct;
TAILQ_HEAD(direct_list, direct);

/* What a peer has in this file's care. */
struct directs {
    struct direct_list waiting;
    size_t waiting_count;
    uint64_t second; /* `asked` counts in this one */
    unsigned asked;
};

void directs_init(struct directs *directs);
/* Takes the message, which opens a direct-tcpip channel. */
void direct_on_open(struct peer *peer, ssh_message message);
/* ATTACH; takes the message's descriptor. */
void direct_on_attach(struct office *office, const struct message *message);
/* The transport is down. */
void directs_release(struct peer *peer);

#endif
