/*
 * The `forwards` channel: a session channel that runs the hub's command of that name, and carries
 * JSON lines both ways (docs/architecture.md, "The forwards channel").
 */
#ifndef AGENT_SUBSCRIPTION_H
#define AGENT_SUBSCRIPTION_H

#include <jansson.h>
#include <libssh/libssh.h>
#include <stdbool.h>

#include "base/fault.h"

struct subscription;

enum subscription_result {
    SUBSCRIPTION_WAIT, /* nothing new; call again after the next turn */
    SUBSCRIPTION_LINE, /* *line is one of the hub's (the caller's); call again for more */
    SUBSCRIPTION_LOST, /* refused, closed or malformed: the session is of no more use */
};

/* `session` is authenticated. */
int subscription_new(ssh_session session, struct subscription **out,
                     struct fault *fault) MUST_CHECK;
/* When the session has freed its channels (on_down in ssh/transport.h): this one is not touched. */
void subscription_free(struct subscription *subscription);

/* One step: opens, asks for the command, writes what waits, reads a line.  Once a turn, and again
 * after each line. */
enum subscription_result subscription_step(struct subscription *subscription, json_t **line,
                                           struct fault *fault);

/* Writes a line (borrowed), or queues what the hub does not take yet; false when so much waits that
 * it was dropped.  Not inside a libssh callback. */
bool subscription_send(struct subscription *subscription, const json_t *line);

#endif
