/*
 * One command at the hub, on a session channel of its own: its output collected, its exit code.
 */
#ifndef AGENT_REMOTE_COMMAND_H
#define AGENT_REMOTE_COMMAND_H

#include <libssh/libssh.h>
#include <stdbool.h>

#include "base/fault.h"

struct remote_command;

enum remote_command_result {
    REMOTE_COMMAND_WAIT, /* call again after the next turn */
    REMOTE_COMMAND_ENDED,
    REMOTE_COMMAND_LOST, /* the hub does not run it */
};

/* `session` is authenticated; `command` is borrowed. */
int remote_command_new(ssh_session session, const char *command,
                       struct remote_command **out) MUST_CHECK;
enum remote_command_result remote_command_step(struct remote_command *command);
/* Ends it; with `session_alive` false its channel is gone already (on_down in ssh/transport.h).
 * NULL is fine. */
void remote_command_free(struct remote_command *command, bool session_alive);

/* Both of its outputs, at most 64 KiB of them. */
const char *remote_command_text(const struct remote_command *command);
/* -1: the hub did not tell. */
int remote_command_code(const struct remote_command *command);

#endif
