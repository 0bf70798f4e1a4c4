/*
 * Opening a channel, asking for a command, reading until the hub ends it.  What is asked, and what
 * the answer means, is known to those who ask.
 */
#define _GNU_SOURCE
#include "remote_command.h"

#include <libssh/callbacks.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX_BYTES 65536

enum step { STEP_OPENING, STEP_REQUESTING, STEP_READING };

struct remote_command {
    const char *command;
    ssh_channel channel; /* the session's */
    struct ssh_channel_callbacks_struct callbacks;
    enum step step;
    bool ended;
    int code;
    size_t used;
    char text[TEXT_MAX_BYTES + 1];
};

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t length,
                   int is_stderr, void *userdata)
{
    (void)session;
    (void)channel;
    (void)is_stderr;
    struct remote_command *command = userdata;
    size_t room = TEXT_MAX_BYTES - command->used;
    size_t taken = length < room ? length : room;
    memcpy(command->text + command->used, data, taken);
    command->used += taken;
    return (int)length;
}

static void on_exit_status(ssh_session session, ssh_channel channel, int code, void *userdata)
{
    (void)session;
    (void)channel;
    ((struct remote_command *)userdata)->code = code;
}

static void on_end(ssh_session session, ssh_channel channel, void *userdata)
{
    (void)session;
    (void)channel;
    ((struct remote_command *)userdata)->ended = true;
}

int remote_command_new(ssh_session session, const char *text, struct remote_command **out)
{
    struct remote_command *command = calloc(1, sizeof *command);
    if (command == NULL)
        return -1;
    command->command = text;
    command->code = -1;
    command->channel = ssh_channel_new(session);
    command->callbacks.userdata = command;
    command->callbacks.channel_data_function = on_data;
    command->callbacks.channel_exit_status_function = on_exit_status;
    command->callbacks.channel_eof_function = on_end;
    command->callbacks.channel_close_function = on_end;
    ssh_callbacks_init(&command->callbacks);
    if (command->channel == NULL ||
        ssh_set_channel_callbacks(command->channel, &command->callbacks) != SSH_OK) {
        ssh_channel_free(command->channel);
        free(command);
        return -1;
    }
    *out = command;
    return 0;
}

void remote_command_free(struct remote_command *command, bool session_alive)
{
    if (command == NULL)
        return;
    if (session_alive) {
        ssh_remove_channel_callbacks(command->channel, &command->callbacks);
        ssh_channel_free(command->channel);
    }
    free(command);
}

static int advance(struct remote_command *command)
{
    int rc = SSH_OK;
    if (command->step == STEP_OPENING) {
        rc = ssh_channel_open_session(command->channel);
        if (rc == SSH_OK)
            command->step = STEP_REQUESTING;
    }
    if (rc == SSH_OK && command->step == STEP_REQUESTING) {
        rc = ssh_channel_request_exec(command->channel, command->command);
        if (rc == SSH_OK)
            command->step = STEP_READING;
    }
    return rc;
}

enum remote_command_result remote_command_step(struct remote_command *command)
{
    int rc = advance(command);
    if (rc != SSH_OK && rc != SSH_AGAIN)
        return REMOTE_COMMAND_LOST;
    return command->ended ? REMOTE_COMMAND_ENDED : REMOTE_COMMAND_WAIT;
}

const char *remote_command_text(const struct remote_command *command)
{
    return command->text;
}

int remote_command_code(const struct remote_command *command)
{
    return command->code;
}
