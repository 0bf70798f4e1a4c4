/*
 * Session channels: a site's commands (`status`, `forwards`, `activate`), an operator's (`status`),
 * and the greeting of one that has just enrolled.
 */
#ifndef WORKER_COMMAND_H
#define WORKER_COMMAND_H

#include <jansson.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <sys/queue.h>

#include "control/frames.h"
#include "ipc/message.h"

#define COMMANDS_MAX 4 /* of a site or operator at once; one that has enrolled gets 1 */

struct peer;
struct command;
TAILQ_HEAD(command_list, command);

/* Messages about channels, of a peer that is up; each takes the message. */
void command_on_open(struct peer *peer, ssh_message message);
void command_on_request(struct peer *peer, ssh_message message);
/* A piece of the forwards list, from the parent. */
void command_on_snapshot(struct peer *peer, const struct message *message);
/* A line for the peer's forwards channel, between two lists; dropped when there is no channel.  An
 * older one that still waits makes place. */
void command_say(struct peer *peer, const json_t *line);
/* What an agent has said so far is told to the parent now: it says there why it refuses a channel,
 * before it does. */
void commands_read(struct peer *peer);
/* In each turn: reads, writes and ends what can be. */
void commands_turn(struct peer *peer);
/* The transport is down, and libssh has freed the channels. */
void commands_release(struct peer *peer);

#endif
