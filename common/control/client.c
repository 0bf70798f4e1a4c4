/*
 * The asking side of the control socket, with blocking calls that all have a time limit except
 * waiting for the next event.  Knows no verb, and prints nothing.
 */
#define _GNU_SOURCE
#include "control/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/secret.h"
#include "control/frames.h"

#define PATIENCE_S 60 /* for connect, for sending, and for each piece of a reply */
#define CHUNK_SIZE 65536

struct control_client {
    int fd;
    char *path;
    struct frames frames;
};

static int unreachable(struct fault *fault, const char *path, const char *why)
{
    fault_set(fault, "no daemon answers on %s: %s", path, why);
    return CONTROL_UNREACHABLE;
}

static int gone(struct control_client *client, struct fault *fault, const char *what)
{
    fault_set(fault, "the daemon on %s %s", client->path, what);
    return CONTROL_UNREACHABLE;
}

static void set_patience(int fd, int option, time_t seconds)
{
    struct timeval limit = {.tv_sec = seconds};
    (void)setsockopt(fd, SOL_SOCKET, option, &limit, sizeof(limit));
}

static int connect_to(const char *path, struct fault *fault)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof(address.sun_path))
        return unreachable(fault, path, "the path is too long for a socket (107 bytes at most)");
    memcpy(address.sun_path, path, length);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return unreachable(fault, path, strerror(errno));
    set_patience(fd, SO_SNDTIMEO, PATIENCE_S);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        int cause = errno;
        close(fd);
        return unreachable(fault, path, strerror(cause));
    }
    return fd;
}

int control_client_open(const char *path, struct control_client **out, struct fault *fault)
{
    int fd = connect_to(path, fault);
    if (fd < 0)
        return fd;
    struct control_client *client = calloc(1, sizeof(*client));
    char *copy = strdup(path);
    if (!client || !copy) {
        free(client);
        free(copy);
        close(fd);
        return unreachable(fault, path, "out of memory");
    }
    client->fd = fd;
    client->path = copy;
    frames_init(&client->frames, FRAME_REPLY_MAX);
    *out = client;
    return 0;
}

void control_client_close(struct control_client *client)
{
    if (!client)
        return;
    close(client->fd);
    frames_release(&client->frames);
    free(client->path);
    free(client);
}

/* A failed send is no verdict: the daemon may have refused half-way and left its reason. */
static void send_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, text, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return;
        text += sent;
        length -= (size_t)sent;
    }
}

static int receive_some(struct control_client *client, struct fault *fault)
{
    char chunk[CHUNK_SIZE];
    ssize_t got = recv(client->fd, chunk, sizeof(chunk), 0);
    if (got < 0 && errno == EINTR)
        return CONTROL_INTERRUPTED;
    if (got < 0 && errno == EAGAIN)
        return gone(client, fault, "does not answer");
    if (got < 0)
        return gone(client, fault, strerror(errno));
    if (got == 0)
        return gone(client, fault, "closed the connection");
    int result = frames_feed(&client->frames, chunk, (size_t)got, fault);
    secret_wipe(chunk, (size_t)got);
    if (result < 0)
        fault_prefix(fault, "reply from %s", client->path);
    return result < 0 ? CONTROL_UNREACHABLE : 0;
}

/* A poll that fails is no reason to give up: then receiving tells. */
static int wait_for_bytes(const struct control_client *client, int reader)
{
    struct pollfd ends[] = {{.fd = client->fd, .events = POLLIN}, {.fd = reader}};
    if (reader < 0)
        return 0;
    if (poll(ends, 2, -1) < 0)
        return errno == EINTR ? CONTROL_INTERRUPTED : 0;
    return (ends[1].revents & (POLLERR | POLLHUP)) != 0 ? CONTROL_INTERRUPTED : 0;
}

static int next_line(struct control_client *client, int reader, json_t **line, struct fault *fault)
{
    for (;;) {
        int result = frames_next(&client->frames, line, fault);
        if (result > 0)
            return 0;
        if (result < 0) {
            fault_prefix(fault, "reply from %s", client->path);
            return CONTROL_UNREACHABLE;
        }
        result = wait_for_bytes(client, reader);
        if (result == 0)
            result = receive_some(client, fault);
        if (result < 0)
            return result;
    }
}

static int send_request(struct control_client *client, const char *verb, json_t *args,
                        struct fault *fault)
{
    json_t *request = json_pack("{s:s, s:o}", "verb", verb, "args", args ? args : json_object());
    size_t length = 0;
    char *text = request ? frame_text(request, &length) : NULL;
    json_decref(request);
    if (!text) {
        fault_set(fault, "%s: out of memory, or not UTF-8", verb);
        return CONTROL_REFUSED;
    }
    send_all(client->fd, text, length);
    secret_wipe(text, length);
    free(text);
    return 0;
}

int control_client_call(struct control_client *client, const char *verb, json_t *args,
                        json_t **data, struct fault *fault)
{
    int result = send_request(client, verb, args, fault);
    if (result < 0)
        return result;
    set_patience(client->fd, SO_RCVTIMEO, PATIENCE_S);
    json_t *reply = NULL;
    do
        result = next_line(client, -1, &reply, fault);
    while (result == CONTROL_INTERRUPTED);
    if (result < 0)
        return result;
    const json_t *ok = json_object_get(reply, "ok");
    const char *error = json_string_value(json_object_get(reply, "error"));
    json_t *answer = json_object_get(reply, "data");
    if (json_is_true(ok) && answer) {
        *data = json_incref(answer);
    } else if (json_is_false(ok) && error) {
        fault_set(fault, "%s", error);
        result = CONTROL_REFUSED;
    } else {
        result = gone(client, fault, "sent something that is no reply; is it tunneld's socket?");
    }
    json_decref(reply);
    return result;
}

int control_client_next_event(struct control_client *client, int reader, json_t **event,
                              struct fault *fault)
{
    set_patience(client->fd, SO_RCVTIMEO, 0);
    json_t *line = NULL;
    int result = next_line(client, reader, &line, fault);
    if (result < 0)
        return result;
    json_t *found = json_object_get(line, "event");
    if (json_is_object(found))
        *event = json_incref(found);
    else
        result = gone(client, fault, "sent something that is no event");
    json_decref(line);
    return result;
}

int control_default_path(char *path, size_t size, struct fault *fault)
{
    const char *named = getenv("TUNNELD_SOCKET");
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int length;
    if (named && *named)
        length = snprintf(path, size, "%s", named);
    else if (runtime && *runtime)
        length = snprintf(path, size, "%s/tunneld/control.sock", runtime);
    else
        length = snprintf(path, size, "/run/tunneld/control.sock");
    if (length < 0 || (size_t)length >= size)
        return fault_set(fault, "the control socket's path is longer than %zu bytes", size - 1);
    return 0;
}
