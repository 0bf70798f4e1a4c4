/*
 * From the hub's channel-open to the stream and its end.  The open message is held, unanswered,
 * while the target is dialled: a visitor sees an accepted connection only when there is a target
 * behind it.  Relaying is common/ssh/stream.c's; which forward may be dialled is decided by the
 * literal target and allow_targets, here, at the moment of dialling.
 */
#define _GNU_SOURCE
#include "connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "forward_list.h"
#include "net/dial.h"
#include "ssh/stream.h"
#include "ssh/transport.h"

struct connection {
    struct connections *all;
    struct connection *previous, *next;
    uint64_t id;
    char address[HOST_SIZE]; /* the forward's name */
    uint16_t port;
    struct host_port target;
    uint64_t connect_timeout_ms;
    char visitor[HOST_PORT_SIZE];
    uint64_t started_ms;
    struct transport *transport; /* borrowed; outlives us */
    ssh_message message;         /* held until the target answered */
    struct dial *dial;           /* while dialling */
    struct stream *stream;       /* after it */
};

struct connections {
    uv_loop_t *loop;
    const struct agent_settings *settings;
    connection_done *done;
    void *owner;
    struct connection *first;
    uint64_t count, last_id;
};

struct connections *connections_new(uv_loop_t *loop, const struct agent_settings *settings,
                                    connection_done *done, void *owner)
{
    struct connections *connections = calloc(1, sizeof *connections);
    if (connections == NULL)
        return NULL;
    connections->loop = loop;
    connections->settings = settings;
    connections->done = done;
    connections->owner = owner;
    return connections;
}

void connections_free(struct connections *connections)
{
    free(connections);
}

void connections_refuse(struct transport *transport, ssh_message message)
{
    (void)ssh_message_reply_default(message);
    ssh_message_free(message);
    transport_kick(transport);
}

static void unlink_and_free(struct connection *connection)
{
    struct connections *all = connection->all;
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        all->first = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    all->count--;
    free(connection);
}

static void report(struct connection *connection, const struct stream_result *result,
                   const char *failure)
{
    struct connection_result outcome = {
        .address = connection->address,
        .port = connection->port,
        .bytes_in = result->from_channel_bytes,
        .bytes_out = result->from_socket_bytes,
        .failure = failure,
    };
    log_debug(KV("forward", connection->port), KV("connection", connection->id), SAY("closed"),
              KV("visitor", connection->visitor), KV("bytes_in", outcome.bytes_in),
              KV("bytes_out", outcome.bytes_out),
              KV("duration_ms", clock_monotonic_ms() - connection->started_ms),
              KV("reason", failure != NULL ? failure : result->reason));
    connection->all->done(connection->all->owner, &outcome);
}

static void report_failure(struct connection *connection, const char *reason)
{
    report(connection, &(struct stream_result){.reason = reason}, reason);
}

static void fail(struct connection *connection, const char *reason)
{
    report_failure(connection, reason); /* first, so that the hub knows why */
    connections_refuse(connection->transport, connection->message);
    unlink_and_free(connection);
}

static void on_stream_done(void *owner, const struct stream_result *result)
{
    struct connection *connection = owner;
    report(connection, result, NULL);
    unlink_and_free(connection);
}

static void on_target(void *owner, int socket)
{
    struct connection *connection = owner;
    connection->dial = NULL;
    ssh_channel channel = ssh_message_channel_request_open_reply_accept(connection->message);
    if (channel == NULL) {
        close(socket);
        fail(connection, "the channel could not be accepted");
        return;
    }
    ssh_message_free(connection->message);
    connection->message = NULL;
    int rc = stream_start(connection->transport, channel, socket, on_stream_done, connection,
                          &connection->stream);
    transport_kick(connection->transport);
    if (rc == 0)
        return;
    close(socket);
    ssh_channel_free(channel); /* closes it first */
    report_failure(connection, "out of memory");
    unlink_and_free(connection);
}

static void on_no_target(void *owner, const char *reason)
{
    struct connection *connection = owner;
    connection->dial = NULL;
    fail(connection, reason);
}

static const struct dial_handlers DIAL_HANDLERS = {
    .on_connected = on_target,
    .on_failed = on_no_target,
    .at_once = true,
};

static struct connection *add(struct connections *connections)
{
    if (connections->count >= connections->settings->max_connections)
        return NULL;
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->all = connections;
    connection->id = ++connections->last_id;
    connection->started_ms = clock_monotonic_ms();
    connection->next = connections->first;
    if (connections->first != NULL)
        connections->first->previous = connection;
    connections->first = connection;
    connections->count++;
    return connection;
}

static void dial_target(struct connection *connection)
{
    struct fault fault = {0};
    const struct agent_settings *settings = connection->all->settings;
    char target[HOST_PORT_SIZE];
    host_port_format(connection->target.host, connection->target.port, target);
    log_debug(KV("forward", connection->port), KV("connection", connection->id), SAY("opened"),
              KV("visitor", connection->visitor), KV("target", target));
    if (!agent_target_allowed(&settings->allow_targets, &connection->target)) {
        fault_set(&fault, "target %s is not in allow_targets", target);
        fail(connection, fault.text);
        return;
    }
    if (dial_start(connection->all->loop, &connection->target, connection->connect_timeout_ms,
                   &DIAL_HANDLERS, connection, &connection->dial, &fault) != 0)
        fail(connection, fault.text);
}

void connections_open(struct connections *connections, struct transport *transport,
                      ssh_message message, const struct forward *forward)
{
    struct connection *connection = add(connections);
    if (connection == NULL) {
        struct connection_result full = {.address = forward->address,
                                         .port = forward->port,
                                         .failure = "too many connections at once"};
        connections_refuse(transport, message);
        connections->done(connections->owner, &full);
        return;
    }
    const char *visitor = ssh_message_channel_request_open_originator(message);
    int visitor_port = ssh_message_channel_request_open_originator_port(message);
    snprintf(connection->address, sizeof connection->address, "%s", forward->address);
    snprintf(connection->visitor, sizeof connection->visitor, "%.200s:%d",
             visitor != NULL ? visitor : "", visitor_port);
    connection->port = forward->port;
    connection->target = forward->target;
    connection->connect_timeout_ms = forward->connect_timeout_ms != 0
                                         ? forward->connect_timeout_ms
                                         : connections->settings->target_timeout_ms;
    connection->transport = transport;
    connection->message = message;
    dial_target(connection);
}

void connections_drop_dialling(struct connections *connections)
{
    struct connection *next;
    for (struct connection *c = connections->first; c != NULL; c = next) {
        next = c->next;
        if (c->dial == NULL)
            continue;
        dial_cancel(c->dial);
        ssh_message_free(c->message);
        unlink_and_free(c);
    }
}

static const char *reason_to_end(const struct connection *c, struct forward_list *list)
{
    if (!agent_target_allowed(&c->all->settings->allow_targets, &c->target))
        return "target left allow_targets";
    const struct forward *forward = forward_list_find(list, c->address, c->port);
    bool elsewhere = forward != NULL && forward->listed &&
                     (forward->target.port != c->target.port ||
                      strcmp(forward->target.host, c->target.host) != 0);
    return elsewhere ? "the grant's target changed" : NULL;
}

/* A stream that is aborted reports and frees its connection later, at the loop's next turn. */
void connections_judge(struct connections *connections, struct forward_list *list)
{
    struct connection *next;
    for (struct connection *c = connections->first; c != NULL; c = next) {
        next = c->next;
        const char *reason = reason_to_end(c, list);
        if (reason == NULL)
            continue;
        if (c->stream != NULL) {
            stream_abort(c->stream, reason);
            continue;
        }
        dial_cancel(c->dial);
        fail(c, reason);
    }
}

void connections_count(const struct connections *connections, const char *address, uint16_t port,
                       uint64_t *count, uint64_t *bytes_in, uint64_t *bytes_out)
{
    *count = *bytes_in = *bytes_out = 0;
    for (const struct connection *c = connections->first; c != NULL; c = c->next) {
        if (c->port != port || strcmp(c->address, address) != 0)
            continue;
        ++*count;
        if (c->stream == NULL)
            continue;
        *bytes_in += stream_from_channel_bytes(c->stream);
        *bytes_out += stream_from_socket_bytes(c->stream);
    }
}
