/*
 * From an accepted socket to the stream and its end.  Nothing is read from the client before the
 * hub has dialled.  libssh must not free a channel that is still opening: one that nobody waits for
 * any more stays until the hub has answered.
 */
#define _GNU_SOURCE
#include "outbound_connection.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/kept_text.h"
#include "base/log.h"
#include "site_listener.h"
#include "ssh/opening.h"
#include "ssh/stream.h"
#include "ssh/transport.h"

#define OPENING_MS 40000 /* the hub's dialer gives up earlier */
#define ASKED_MAX  48    /* the hub has a bound for each session; more wait here */
#define REASON_MAX 320

struct outbound_connection {
    TAILQ_ENTRY(outbound_connection) next;
    struct outbound_connections *all;
    uint64_t id;
    void *outlet; /* borrowed; NULL: reported already */
    int socket;   /* while it is opening; -1: nobody waits */
    struct host_port target;
    ssh_channel channel;   /* NULL: the hub has not been asked yet */
    struct stream *stream; /* once it is open */
    struct transport *transport;
    uint64_t deadline_ms;
};

TAILQ_HEAD(outbound_connection_list, outbound_connection);

struct outbound_connections {
    const struct agent_settings *settings;
    outbound_connection_done *done;
    struct outbound_connection_list opening, open; /* those that were asked for come first */
    size_t asked;                                  /* of those opening */
    uint64_t count, last_id;
    char *failure; /* the last that libssh told: kept_text.h */
};

struct outbound_connections *outbound_connections_new(const struct agent_settings *settings,
                                                      outbound_connection_done *done)
{
    struct outbound_connections *connections = calloc(1, sizeof *connections);
    if (connections == NULL)
        return NULL;
    connections->settings = settings;
    connections->done = done;
    TAILQ_INIT(&connections->opening);
    TAILQ_INIT(&connections->open);
    return connections;
}

void outbound_connections_free(struct outbound_connections *connections)
{
    if (connections != NULL)
        kept_text_drop(&connections->failure);
    free(connections);
}

/* --- ends --- */

static void report(struct outbound_connection *connection, const struct outbound_result *result)
{
    void *outlet = connection->outlet;
    connection->outlet = NULL;
    if (outlet != NULL)
        connection->all->done(outlet, result);
}

/* Not opened, and the client hears of it. */
static void fail(struct outbound_connection *connection, const char *reason)
{
    if (connection->socket < 0)
        return;
    site_listener_reset(connection->socket);
    connection->socket = -1;
    log_debug(KV("outbound_connection", connection->id), SAY("not opened"), KV("reason", reason));
    report(connection, &(struct outbound_result){.failure = reason});
}

static void leave_opening(struct outbound_connection *connection)
{
    TAILQ_REMOVE(&connection->all->opening, connection, next);
    if (connection->channel != NULL)
        connection->all->asked--;
}

static void unlink_and_free(struct outbound_connection *connection)
{
    struct outbound_connections *all = connection->all;
    if (connection->stream != NULL)
        TAILQ_REMOVE(&all->open, connection, next);
    else
        leave_opening(connection);
    all->count--;
    free(connection);
}

static void on_stream_done(void *owner, const struct stream_result *result)
{
    struct outbound_connection *connection = owner;
    log_debug(KV("outbound_connection", connection->id), SAY("closed"),
              KV("bytes_in", result->from_socket_bytes),
              KV("bytes_out", result->from_channel_bytes), KV("reason", result->reason));
    report(connection, &(struct outbound_result){.bytes_in = result->from_socket_bytes,
                                                 .bytes_out = result->from_channel_bytes});
    unlink_and_free(connection);
}

/* --- opening --- */

static void on_open(struct outbound_connection *connection)
{
    struct transport *transport = connection->transport;
    struct outbound_connections *all = connection->all;
    if (connection->socket >= 0 &&
        stream_start(transport, connection->channel, connection->socket, on_stream_done, connection,
                     &connection->stream) == 0) {
        leave_opening(connection);
        TAILQ_INSERT_TAIL(&all->open, connection, next);
        return;
    }
    fail(connection, "out of memory");
    stream_drop_channel(transport, connection->channel);
    unlink_and_free(connection);
}

static void on_denied(struct outbound_connection *connection)
{
    char reason[REASON_MAX];
    opening_reason(kept_text(connection->all->failure), "the hub", reason, sizeof reason);
    ssh_channel_free(connection->channel);
    fail(connection, reason);
    unlink_and_free(connection);
}

/* Another call for a channel that is opening sends nothing; it says how it stands. */
static bool is_denied(const struct outbound_connection *connection)
{
    return connection->channel != NULL && !ssh_channel_is_open(connection->channel) &&
           ssh_channel_open_forward(connection->channel, "", 0, "", 0) == SSH_ERROR &&
           ssh_is_connected(transport_session(connection->transport));
}

static int start_opening(struct outbound_connection *connection)
{
    struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof peer;
    char host[HOST_SIZE] = "";
    ssh_channel channel = ssh_channel_new(transport_session(connection->transport));
    if (channel == NULL)
        return -1;
    (void)getpeername(connection->socket, (struct sockaddr *)&peer, &length);
    int port = address_host((struct sockaddr *)&peer, host);
    if (ssh_channel_open_forward(channel, connection->target.host, connection->target.port, host,
                                 port) == SSH_ERROR) {
        ssh_channel_free(channel);
        return -1;
    }
    connection->channel = channel;
    connection->all->asked++;
    return 0;
}

/* Asks the hub for those that waited for their turn, and lets go of those that nobody wants. */
static void start_waiting(struct outbound_connections *connections)
{
    struct outbound_connection *connection, *following;
    for (connection = TAILQ_FIRST(&connections->opening); connection; connection = following) {
        following = TAILQ_NEXT(connection, next);
        if (connection->channel != NULL)
            continue;
        if (connection->socket >= 0 && connections->asked >= ASKED_MAX)
            return;
        if (connection->socket >= 0 && start_opening(connection) == 0)
            continue;
        fail(connection, "no channel can be opened");
        unlink_and_free(connection);
    }
}

static void look_for_denied(struct outbound_connections *connections, struct transport *transport)
{
    struct outbound_connection *connection, *following;
    for (connection = TAILQ_FIRST(&connections->opening); connection; connection = following) {
        following = TAILQ_NEXT(connection, next);
        if (!is_denied(connection))
            continue;
        (void)opening_some_failed(transport_session(transport), &connections->failure);
        on_denied(connection);
    }
    transport_kick(transport); /* asking may have read packets */
}

void outbound_connections_turn(struct outbound_connections *connections)
{
    struct outbound_connection *connection = TAILQ_FIRST(&connections->opening), *following;
    if (connection == NULL)
        return;
    ssh_session session = transport_session(connection->transport);
    if (opening_some_failed(session, &connections->failure))
        look_for_denied(connections, connection->transport);
    if (!ssh_is_connected(session))
        return;
    for (connection = TAILQ_FIRST(&connections->opening); connection; connection = following) {
        following = TAILQ_NEXT(connection, next);
        if (ssh_channel_is_open(connection->channel))
            on_open(connection);
    }
    start_waiting(connections);
}

/* A refusal's text may have been overwritten before anybody saw it. */
bool outbound_connections_check(struct outbound_connections *connections)
{
    struct outbound_connection *connection = TAILQ_FIRST(&connections->opening);
    if (connection == NULL)
        return false;
    if (ssh_is_connected(transport_session(connection->transport)))
        look_for_denied(connections, connection->transport);
    TAILQ_FOREACH(connection, &connections->opening, next)
    {
        if (clock_monotonic_ms() >= connection->deadline_ms)
            fail(connection, "the hub did not answer in time");
    }
    return true;
}

static struct outbound_connection *add(struct outbound_connections *connections,
                                       struct transport *transport, int socket, void *outlet)
{
    struct outbound_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->all = connections;
    connection->id = ++connections->last_id;
    connection->outlet = outlet;
    connection->socket = socket;
    connection->transport = transport;
    connection->deadline_ms = clock_monotonic_ms() + OPENING_MS;
    connections->count++;
    TAILQ_INSERT_TAIL(&connections->opening, connection, next);
    return connection;
}

void outbound_connections_open(struct outbound_connections *connections,
                               struct transport *transport, int socket,
                               const struct host_port *target, void *outlet)
{
    bool full = connections->count >= connections->settings->max_connections;
    struct outbound_connection *connection =
        full ? NULL : add(connections, transport, socket, outlet);
    if (connection == NULL) {
        site_listener_reset(socket);
        connections->done(outlet,
                          &(struct outbound_result){.failure = "too many connections at once"});
        return;
    }
    connection->target = *target;
    start_waiting(connections);
    transport_kick(transport);
}

/* --- all of one kind --- */

void outbound_connections_drop_opening(struct outbound_connections *connections)
{
    struct outbound_connection *connection;
    while ((connection = TAILQ_FIRST(&connections->opening))) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): off the list */
        fail(connection, "the session with the hub ended");
        unlink_and_free(connection);
    }
}

/* A stream that is aborted reports and frees its connection later, at the loop's next turn. */
void outbound_connections_cut(struct outbound_connections *connections, const void *outlet,
                              const char *reason)
{
    struct outbound_connection *connection;
    TAILQ_FOREACH(connection, &connections->opening, next)
    {
        if (connection->outlet == outlet)
            fail(connection, reason);
    }
    TAILQ_FOREACH(connection, &connections->open, next)
    {
        if (connection->outlet == outlet)
            stream_abort(connection->stream, reason);
    }
}

void outbound_connections_count(const struct outbound_connections *connections, const void *outlet,
                                uint64_t *count, uint64_t *bytes_in, uint64_t *bytes_out)
{
    const struct outbound_connection *connection;
    *count = *bytes_in = *bytes_out = 0;
    TAILQ_FOREACH(connection, &connections->opening, next)
    {
        *count += connection->outlet == outlet;
    }
    TAILQ_FOREACH(connection, &connections->open, next)
    {
        if (connection->outlet != outlet)
            continue;
        ++*count;
        *bytes_in += stream_from_socket_bytes(connection->stream);
        *bytes_out += stream_from_channel_bytes(connection->stream);
    }
}
