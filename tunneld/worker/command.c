/*
 * Session channels.  A command is asked of the parent; what it answers is written to the channel,
 * then the channel ends, except for `forwards`: that one stays, gets each new list, and brings the
 * agent's reports.  Nothing is ever executed.
 */
#define _GNU_SOURCE
#include "worker/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ssh/stream.h"
#include "worker/peer.h"
#include "worker/reports.h"

#define FOLLOW       "forwards"
#define SNAPSHOT_MAX FRAME_LINE_MAX

/* Bytes for the channel. */
struct output {
    char *data;
    size_t length, sent;
};

struct command {
    TAILQ_ENTRY(command) next;
    struct peer *peer;
    ssh_channel channel;
    struct ssh_channel_callbacks_struct callbacks;
    bool asked;
    bool wants_list;     /* `forwards` was asked for */
    bool following;      /* it is the forwards channel, and granted */
    bool ending;         /* once all is written: exit status, EOF, CLOSE */
    bool failed;         /* exit status 1, output on the error stream */
    bool peer_ended;     /* EOF or CLOSE came */
    struct output now;   /* is being written */
    struct output said;  /* the newest answer to a line, when `now` has gone out */
    struct output later; /* the newest complete list, when both have gone out */
    struct output parts; /* of a list that is not complete yet */
    struct frames lines; /* of the agent's */
};

static void output_drop(struct output *output)
{
    free(output->data);
    memset(output, 0, sizeof *output);
}

static int output_add(struct output *output, const void *data, size_t length)
{
    char *longer = realloc(output->data, output->length + length + 1);

    if (!longer)
        return -1;
    output->data = longer;
    if (length > 0)
        memcpy(longer + output->length, data, length);
    output->length += length;
    return 0;
}

static void command_free(struct command *command)
{
    struct peer *peer = command->peer;

    office_forget(peer, command);
    if (peer->forwards == command)
        peer->forwards = NULL;
    TAILQ_REMOVE(&peer->commands, command, next);
    peer->command_count--;
    output_drop(&command->now);
    output_drop(&command->said);
    output_drop(&command->later);
    output_drop(&command->parts);
    frames_release(&command->lines);
    free(command);
}

static void malformed(struct peer *peer, struct fault *fault)
{
    log_debug(KV("session", peer->sid), SAY("malformed line on the forwards channel"),
              KV("reason", fault->text));
    fault_prefix(fault, "protocol error: forwards channel");
    peer_close(peer, fault->text);
}

/* --- libssh's callbacks: they set marks, the turn does the rest --- */

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t length,
                   int is_stderr, void *userdata)
{
    struct command *command = userdata;
    struct fault fault = {""};

    (void)session, (void)channel;
    if (command->peer->forwards != command || is_stderr || command->peer->state != PEER_UP)
        return (int)length; /* nobody reads it */
    if (frames_feed(&command->lines, data, length, &fault) < 0)
        malformed(command->peer, &fault);
    return (int)length;
}

static void on_end(ssh_session session, ssh_channel channel, void *userdata)
{
    struct command *command = userdata;

    (void)session, (void)channel;
    command->peer_ended = true;
}

/* --- the channel's opening --- */

static struct command *command_new(struct peer *peer, ssh_message message)
{
    struct command *command = calloc(1, sizeof *command);

    if (!command)
        return NULL;
    command->peer = peer;
    command->callbacks.userdata = command;
    command->callbacks.channel_data_function = on_data;
    command->callbacks.channel_eof_function = on_end;
    command->callbacks.channel_close_function = on_end;
    ssh_callbacks_init(&command->callbacks);
    frames_init(&command->lines, FRAME_LINE_MAX);
    command->channel = ssh_message_channel_request_open_reply_accept(message);
    if (!command->channel) {
        free(command);
        return NULL;
    }
    if (ssh_set_channel_callbacks(command->channel, &command->callbacks) != SSH_OK) {
        stream_drop_channel(peer->transport, command->channel);
        free(command);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&peer->commands, command, next);
    peer->command_count++;
    return command;
}

static const char *channel_type(ssh_message message)
{
    switch (ssh_message_subtype(message)) {
    case SSH_CHANNEL_SESSION:
        return "one session channel more";
    case SSH_CHANNEL_DIRECT_TCPIP: /* of one that has just enrolled */
        return "direct-tcpip channel";
    case SSH_CHANNEL_X11:
        return "x11 channel";
    case SSH_CHANNEL_AUTH_AGENT:
        return "agent channel";
    default:
        return "channel of an unknown type";
    }
}

void command_on_open(struct peer *peer, ssh_message message)
{
    size_t most = peer->role == ROLE_ENROLLED ? 1 : COMMANDS_MAX;

    if (ssh_message_subtype(message) != SSH_CHANNEL_SESSION || peer->command_count >= most) {
        peer_refuse(peer, "%s", channel_type(message));
        (void)ssh_message_reply_default(message);
    } else if (!command_new(peer, message)) {
        peer_close(peer, "out of memory");
    }
    ssh_message_free(message);
    transport_kick(peer->transport);
}

/* --- requests on a channel --- */

/* `forwards`, or with the software that asks: `forwards tunnel-agent/0.1.0`. */
static bool is_follow(const char *text)
{
    size_t length = sizeof FOLLOW - 1;

    return strncmp(text, FOLLOW, length) == 0 && (text[length] == '\0' || text[length] == ' ');
}

static void on_answer(struct peer *peer, void *subject, const struct message *reply)
{
    struct command *command = subject;
    bool granted = reply->code == VERDICT_GRANTED;
    int code;

    if (granted && command->wants_list) {
        command->following = true;
        transport_kick(peer->transport);
        return;
    }
    command->ending = true;
    command->failed = !granted;
    if (granted)
        code = output_add(&command->now, reply->data, reply->data_length);
    else
        code = output_add(&command->now, reply->text, strlen(reply->text)) < 0
                   ? -1
                   : output_add(&command->now, "\n", 1);
    if (code < 0)
        output_drop(&command->now);
    transport_kick(peer->transport);
}

/* Which commands there are is known here; whether this peer gets an answer, to the parent. */
static const char *command_text(const struct peer *peer, ssh_message message)
{
    const char *text = ssh_message_channel_request_command(message);

    if (peer->role == ROLE_ENROLLED)
        return "enrolled";
    if (ssh_message_subtype(message) == SSH_CHANNEL_REQUEST_SHELL)
        return "status";
    if (peer->role == ROLE_OPERATOR)
        return text && strcmp(text, "status") == 0 ? text : NULL;
    if (text && (strcmp(text, "status") == 0 || strcmp(text, "activate") == 0 || is_follow(text)))
        return text;
    return NULL;
}

/* True: it was accepted, and the parent is asked. */
static bool start(struct command *command, ssh_message message)
{
    struct peer *peer = command->peer;
    const char *text = command_text(peer, message);
    struct message question;

    if (command->asked || !text) {
        const char *asked = ssh_message_channel_request_command(message);
        peer_refuse(peer, "command '%.200s'", asked ? asked : "shell");
        return false;
    }
    if (is_follow(text) && peer->forwards) {
        peer_refuse(peer, "a second channel 'forwards' on one session");
        return false;
    }
    message_init(&question, MESSAGE_QUERY);
    office_text(question.text, text);
    if (office_ask(peer, &question, on_answer, command) < 0)
        return false;
    command->asked = true;
    command->wants_list = is_follow(text);
    if (command->wants_list)
        peer->forwards = command;
    return true;
}

/* False: to be refused, and the parent told if it is more than a client's habit. */
static bool on_request(struct command *command, ssh_message message)
{
    const char *subsystem = ssh_message_channel_request_subsystem(message);

    switch (ssh_message_subtype(message)) {
    case SSH_CHANNEL_REQUEST_SHELL:
    case SSH_CHANNEL_REQUEST_EXEC:
        return start(command, message);
    case SSH_CHANNEL_REQUEST_SUBSYSTEM:
        peer_refuse(command->peer, "subsystem '%.200s'", subsystem ? subsystem : "");
        return false;
    case SSH_CHANNEL_REQUEST_X11:
        peer_refuse(command->peer, "X11 forwarding");
        return false;
    default: /* `ssh` asks for a terminal and an environment before it asks for a shell */
        return false;
    }
}

void command_on_request(struct peer *peer, ssh_message message)
{
    ssh_channel channel = ssh_message_channel_request_channel(message);
    struct command *command;

    TAILQ_FOREACH(command, &peer->commands, next)
    {
        if (command->channel == channel)
            break;
    }
    /* A channel of a connection, or one that was freed meanwhile: its message must not be answered,
     * the reply would look into the channel. */
    if (command && on_request(command, message))
        (void)ssh_message_channel_request_reply_success(message);
    else if (command)
        (void)ssh_message_reply_default(message);
    ssh_message_free(message);
    transport_kick(peer->transport);
}

void command_on_snapshot(struct peer *peer, const struct message *message)
{
    struct command *command = peer->forwards;

    if (!command || !command->following)
        return;
    if (command->parts.length + message->data_length > SNAPSHOT_MAX ||
        output_add(&command->parts, message->data, message->data_length) < 0) {
        peer_close(peer, "the list of forwards is too long");
        return;
    }
    if (!(message->flags & MESSAGE_LAST))
        return;
    output_drop(&command->later);
    command->later = command->parts;
    command->parts = (struct output){0};
    transport_kick(peer->transport);
}

void command_say(struct peer *peer, const json_t *line)
{
    struct command *command = peer->forwards;
    size_t length;
    char *text = command && command->following ? frame_text(line, &length) : NULL;

    if (!text)
        return;
    output_drop(&command->said);
    command->said = (struct output){.data = text, .length = length};
    transport_kick(peer->transport);
}

/* --- in each turn --- */

static void read_lines(struct command *command)
{
    struct fault fault = {""};
    bool well = true;
    json_t *line;

    while (well && frames_next(&command->lines, &line, &fault) > 0) {
        well = reports_on_line(command->peer, line, &fault) == 0;
        json_decref(line);
    }
    if (fault.text[0] != '\0')
        malformed(command->peer, &fault);
}

void commands_read(struct peer *peer)
{
    if (peer->forwards && peer->forwards->following && peer->state == PEER_UP)
        read_lines(peer->forwards);
}

static bool write_output(struct command *command)
{
    struct output *output = &command->now;

    while (output->sent < output->length) {
        int written =
            transport_write(command->peer->transport, command->channel,
                            command->failed ? CHANNEL_STDERR : CHANNEL_STDOUT,
                            output->data + output->sent, (uint32_t)(output->length - output->sent));
        if (written < 0)
            command->peer_ended = true;
        if (written <= 0)
            return false; /* closed, its window is full, or a key exchange is on */
        output->sent += (size_t)written;
    }
    output_drop(output);
    return true;
}

/* The channel is handed over to be closed; the command is freed. */
static void finish(struct command *command)
{
    struct peer *peer = command->peer;
    ssh_channel channel = command->channel;

    ssh_remove_channel_callbacks(channel, &command->callbacks);
    if (command->ending)
        (void)ssh_channel_request_send_exit_status(channel, command->failed ? 1 : 0);
    command_free(command);
    stream_drop_channel(peer->transport, channel);
}

/* What goes out after what has. */
static void next_output(struct command *command)
{
    struct output *next = command->said.length > 0 ? &command->said : &command->later;

    if (next->length == 0)
        return;
    command->now = *next;
    *next = (struct output){0};
    transport_kick(command->peer->transport);
}

static void turn(struct command *command)
{
    if (command->following)
        read_lines(command);
    if (!write_output(command)) {
        if (command->peer_ended && (command->following || !ssh_channel_is_open(command->channel)))
            finish(command);
        return;
    }
    next_output(command);
    /* A client may close its input at once and wait for the answer (`ssh -n`). */
    if (command->ending || !ssh_channel_is_open(command->channel) ||
        (command->peer_ended && (command->following || !command->asked)))
        finish(command);
}

void commands_turn(struct peer *peer)
{
    struct command *command, *following;

    for (command = TAILQ_FIRST(&peer->commands); command; command = following) {
        following = TAILQ_NEXT(command, next);
        if (!ssh_is_connected(peer->ssh) || peer->state != PEER_UP)
            return;
        turn(command);
    }
}

void commands_release(struct peer *peer)
{
    struct command *command;

    while ((command = TAILQ_FIRST(&peer->commands)))
        command_free(command); /* NOLINT(clang-analyzer-unix.Malloc): off the list */
}
