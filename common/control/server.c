/*
 * The control socket's clients: reads their requests, hands them to the handler, writes replies
 * and events.  The socket file itself is listener.c's.  Knows no verb; logs nothing.
 *
 * A request outlives its client (the client pointer is cleared when it leaves), the server
 * outlives the last of its handles.
 */
#define _GNU_SOURCE
#include "control/server.h"

#include <malloc.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/secret.h"
#include "control/frames.h"
#include "control/listener.h"

#define CHUNK_SIZE  65536
#define ACTOR_SIZE  96
#define LARGE_REPLY (1 << 20) /* its parts are worth giving back to the kernel */

struct client;

struct control_server {
    uv_pipe_t pipe;
    struct listener_file file;
    control_handler *handler;
    void *owner;
    struct client *clients; /* owned, a list */
    unsigned client_count;
    unsigned handles; /* libuv's: the pipe and each client's; the last one frees the server */
    bool closing;
    char chunk[CHUNK_SIZE]; /* libuv reads into it, and it is emptied before the next read */
};

struct client {
    struct control_server *server; /* borrowed; outlives us, see handles */
    struct client *previous, *next;
    uv_pipe_t pipe;
    struct frames frames;
    struct control_request *request; /* the one being answered, owned by whoever answers */
    bool follows;
    bool leaving; /* close after the reply that is being written */
    char actor[ACTOR_SIZE];
};

struct control_request {
    struct client *client; /* borrowed; NULL after it left */
    json_t *line;          /* owned */
    json_t *args;          /* owned */
    char actor[ACTOR_SIZE];
};

struct outgoing {
    uv_write_t write;
    struct client *client; /* borrowed; a closing client waits for its writes */
    size_t length;
    bool is_event;
    char text[];
};

static void take_request(struct client *client);

/* --- clients come and go ------------------------------------------------------------------- */

static void drop_handle(struct control_server *server)
{
    if (--server->handles == 0)
        free(server);
}

static void on_client_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    struct control_server *server = client->server;
    frames_release(&client->frames);
    free(client);
    drop_handle(server);
}

static void client_close(struct client *client)
{
    struct control_server *server = client->server;
    if (uv_is_closing((uv_handle_t *)&client->pipe))
        return;
    if (client->request)
        client->request->client = NULL;
    client->request = NULL;
    if (client->next)
        client->next->previous = client->previous;
    if (client->previous)
        client->previous->next = client->next;
    else
        server->clients = client->next;
    server->client_count--;
    uv_close((uv_handle_t *)&client->pipe, on_client_closed);
}

static void name_actor(uv_pipe_t *pipe, char *actor, size_t size)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);
    uv_os_fd_t fd;
    snprintf(actor, size, "unknown");
    if (uv_fileno((uv_handle_t *)pipe, &fd) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
        return;
    if (peer.uid == 0) {
        snprintf(actor, size, "root");
        return;
    }
    struct passwd entry, *found = NULL;
    char text[4096];
    (void)getpwuid_r(peer.uid, &entry, text, sizeof(text), &found);
    if (found)
        snprintf(actor, size, "uid %u (%s)", peer.uid, found->pw_name);
    else
        snprintf(actor, size, "uid %u", peer.uid);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct client *client = handle->data;
    *buffer = uv_buf_init(client->server->chunk, CHUNK_SIZE);
}

/* --- writing ------------------------------------------------------------------------------- */

static void on_written(uv_write_t *write, int status)
{
    struct outgoing *outgoing = write->data;
    struct client *client = outgoing->client;
    bool is_event = outgoing->is_event, is_large = outgoing->length >= LARGE_REPLY;
    secret_wipe(outgoing->text, outgoing->length); /* a reply may hold a keyfile */
    free(outgoing);
    if (is_large)
        (void)malloc_trim(0);
    if (status < 0 || (!is_event && client->leaving))
        client_close(client);
    else if (!is_event)
        take_request(client);
}

static void send_text(struct client *client, const char *text, size_t length, bool is_event)
{
    struct outgoing *outgoing = malloc(sizeof(*outgoing) + length);
    if (!outgoing) {
        client_close(client);
        return;
    }
    *outgoing = (struct outgoing){.client = client, .length = length, .is_event = is_event};
    outgoing->write.data = outgoing;
    memcpy(outgoing->text, text, length);
    uv_buf_t buffer = uv_buf_init(outgoing->text, (unsigned)length);
    if (uv_write(&outgoing->write, (uv_stream_t *)&client->pipe, &buffer, 1, on_written) == 0)
        return;
    secret_wipe(outgoing->text, length);
    free(outgoing);
    client_close(client);
}

static void send_refusal(struct client *client, const char *sentence)
{
    json_t *line = json_pack("{s:b, s:s}", "ok", 0, "error", sentence);
    if (!line) /* the sentence was no UTF-8 */
        line = json_pack("{s:b, s:s}", "ok", 0, "error", "refused");
    size_t length = 0;
    char *text = line ? frame_text(line, &length) : NULL;
    json_decref(line);
    if (text)
        send_text(client, text, length, false);
    else
        client_close(client);
    free(text);
}

static void send_reply(struct client *client, json_t *data)
{
    size_t length = 0;
    json_t *line = json_pack("{s:b, s:O}", "ok", 1, "data", data);
    char *text = line ? frame_text(line, &length) : NULL;
    json_decref(line);
    if (text && length <= FRAME_REPLY_MAX)
        send_text(client, text, length, false);
    else
        send_refusal(client, "the reply is too large; ask for one site only");
    secret_wipe(text, length);
    free(text);
}

/* --- requests ------------------------------------------------------------------------------ */

static void refuse_and_leave(struct client *client, const char *sentence)
{
    client->leaving = true;
    uv_read_stop((uv_stream_t *)&client->pipe);
    send_refusal(client, sentence);
}

static struct control_request *request_new(struct client *client, json_t *line)
{
    json_t *args = json_object_get(line, "args");
    struct control_request *request = calloc(1, sizeof(*request));
    if (!request)
        return NULL;
    request->args = args ? json_incref(args) : json_object();
    if (!request->args) {
        free(request);
        return NULL;
    }
    request->line = json_incref(line);
    request->client = client;
    memcpy(request->actor, client->actor, sizeof(request->actor));
    return request;
}

static void request_free(struct control_request *request)
{
    json_decref(request->line);
    json_decref(request->args);
    free(request);
}

static const char *malformed(const json_t *line)
{
    const json_t *args = json_object_get(line, "args");
    if (!json_is_string(json_object_get(line, "verb")))
        return "a request needs \"verb\", a string";
    if (args && !json_is_object(args))
        return "\"args\" of a request must be an object";
    return NULL;
}

static void hand_over(struct client *client, json_t *line)
{
    const char *wrong = malformed(line);
    if (wrong) {
        send_refusal(client, wrong);
        return;
    }
    struct control_request *request = request_new(client, line);
    if (!request) {
        refuse_and_leave(client, "out of memory");
        return;
    }
    client->request = request;
    client->server->handler(client->server->owner, request);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct client *client = stream->data;
    struct fault fault = {0};
    if (count < 0) {
        client_close(client);
        return;
    }
    if (count == 0)
        return;
    int result = frames_feed(&client->frames, buffer->base, (size_t)count, &fault);
    secret_wipe(buffer->base, (size_t)count);
    if (result < 0)
        refuse_and_leave(client, fault.text);
    else
        take_request(client);
}

/* Hands the next whole request over, or waits for more bytes.  Nothing is read while a request
 * is being answered: called again when its reply was written. */
static void take_request(struct client *client)
{
    json_t *line = NULL;
    struct fault fault = {0};
    if (uv_is_closing((uv_handle_t *)&client->pipe))
        return;
    int result = frames_next(&client->frames, &line, &fault);
    if (result < 0) {
        refuse_and_leave(client, fault.text);
        return;
    }
    if (result == 0) {
        int error = uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read);
        if (error < 0 && error != UV_EALREADY)
            client_close(client);
        return;
    }
    uv_read_stop((uv_stream_t *)&client->pipe);
    hand_over(client, line);
    json_decref(line);
}

const char *control_request_verb(const struct control_request *request)
{
    return json_string_value(json_object_get(request->line, "verb"));
}

const json_t *control_request_args(const struct control_request *request)
{
    return request->args;
}

const char *control_request_actor(const struct control_request *request)
{
    return request->actor;
}

/* The request is over; returns its client, if that is still there. */
static struct client *request_done(struct control_request *request)
{
    struct client *client = request->client;
    if (client)
        client->request = NULL;
    request_free(request);
    return client;
}

void control_reply(struct control_request *request, json_t *data)
{
    struct client *client = request_done(request);
    if (!data)
        data = json_object();
    if (client)
        send_reply(client, data);
    json_decref(data);
}

void control_follow(struct control_request *request, json_t *data)
{
    if (request->client)
        request->client->follows = true;
    control_reply(request, data);
}

void control_refuse(struct control_request *request, const char *format, ...)
{
    char sentence[FAULT_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    struct client *client = request_done(request);
    if (client)
        send_refusal(client, sentence);
}

/* Bytes that the kernel did not take yet. */
static size_t queued(const struct client *client)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&client->pipe);
}

void control_publish(struct control_server *server, const json_t *event)
{
    json_t *copy = json_deep_copy(event);
    json_t *line = copy ? json_pack("{s:o}", "event", copy) : NULL;
    size_t length = 0;
    char *text = line ? frame_text(line, &length) : NULL;
    json_decref(line);
    struct client *next;
    for (struct client *client = server->clients; text && client; client = next) {
        next = client->next;
        if (!client->follows)
            continue;
        if (queued(client) + length > CONTROL_QUEUE_MAX)
            client_close(client);
        else
            send_text(client, text, length, true);
    }
    free(text);
}

/* --- the listening socket ------------------------------------------------------------------ */

static void turn_away(struct client *client)
{
    static const char sentence[] =
        "{\"ok\":false,\"error\":\"too many control clients at once; end some and try again\"}\n";
    char text[sizeof(sentence)];
    memcpy(text, sentence, sizeof(sentence));
    uv_buf_t buffer = uv_buf_init(text, sizeof(sentence) - 1);
    (void)uv_try_write((uv_stream_t *)&client->pipe, &buffer, 1);
    client_close(client);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct control_server *server = stream->data;
    struct client *client = status < 0 ? NULL : calloc(1, sizeof(*client));
    if (!client)
        return;
    if (uv_pipe_init(stream->loop, &client->pipe, 0) < 0) {
        free(client);
        return;
    }
    client->server = server;
    client->pipe.data = client;
    frames_init(&client->frames, FRAME_REQUEST_MAX);
    client->next = server->clients;
    if (client->next)
        client->next->previous = client;
    server->clients = client;
    server->client_count++;
    server->handles++;
    if (uv_accept(stream, (uv_stream_t *)&client->pipe) < 0) {
        client_close(client);
        return;
    }
    if (server->client_count > CONTROL_CLIENTS_MAX) {
        turn_away(client);
        return;
    }
    name_actor(&client->pipe, client->actor, sizeof(client->actor));
    take_request(client);
}

static void on_server_closed(uv_handle_t *handle)
{
    drop_handle(handle->data);
}

void control_server_close(struct control_server *server)
{
    if (!server || server->closing)
        return;
    server->closing = true;
    listener_remove(&server->file);
    while (server->clients)
        client_close(server->clients);
    uv_close((uv_handle_t *)&server->pipe, on_server_closed);
}

int control_server_share(struct control_server *server, const char *group, struct fault *fault)
{
    return listener_share(&server->file, group, fault);
}

int control_server_open(uv_loop_t *loop, const char *path, const char *group,
                        control_handler *handler, void *owner, struct control_server **out,
                        struct fault *fault)
{
    struct control_server *server = calloc(1, sizeof(*server));
    if (!server)
        return fault_set(fault, "%s: out of memory", path);
    int fd = listener_open(path, group, &server->file, fault);
    if (fd < 0) {
        free(server);
        return -1;
    }
    server->handler = handler;
    server->owner = owner;
    int error = uv_pipe_init(loop, &server->pipe, 0);
    if (error < 0) {
        close(fd);
        listener_remove(&server->file);
        free(server);
        return fault_set(fault, "%s: %s", path, uv_strerror(error));
    }
    server->pipe.data = server;
    server->handles = 1;
    error = uv_pipe_open(&server->pipe, fd);
    if (error < 0)
        close(fd);
    else
        error = uv_listen((uv_stream_t *)&server->pipe, 64, on_connection);
    if (error < 0) {
        control_server_close(server);
        return fault_set(fault, "%s: cannot listen: %s", path, uv_strerror(error));
    }
    *out = server;
    return 0;
}
