/*
 * Listening sockets that the parent has lent to a peer's worker: whoever comes is a visitor of that
 * peer's forward, with nothing to be judged.
 */
#ifndef WORKER_LISTENING_H
#define WORKER_LISTENING_H

#include <sys/queue.h>

#include "ipc/message.h"

struct office;
struct peer;

TAILQ_HEAD(listening_list, listening);

/* LISTEN, in the place of what was lent for that port before; takes the descriptor. */
void listening_on_listen(struct office *office, const struct message *message);
/* UNLISTEN. */
void listening_on_unlisten(struct office *office, const struct message *message);
/* The peer is going: no more visitors. */
void listening_release(struct peer *peer);

#endif
