/*
 * Connections: counted, handed to a worker, followed to their end.  The visitor's socket is kept
 * as a duplicate until the site has answered, so that the death of a session costs the visitor
 * time and not the connection; not one byte is read from it here.
 */
#define _GNU_SOURCE
#include "parent/connections.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/kept_text.h"
#include "base/log.h"
#include "parent/enforce.h"
#include "parent/opens.h"
#include "parent/peer_text.h"
#include "parent/sites.h"
#include "parent/tcp_listener.h"
#include "parent/waiting.h"
#include "parent/workers.h"

#define STATS_TRIPLE 24 /* bytes: cid, bytes_in, bytes_out */

bool connections_have_room(const struct hub *hub)
{
    return hub->connections.count + hub->waiting_count < hub->settings.max_connections;
}

struct site *connection_site(const struct connection *connection)
{
    if (connection->forward)
        return connection->forward->site;
    return connection->outbound ? connection->outbound->site : NULL;
}

static struct connection *connection_new(struct forward *forward, struct session *session,
                                         uint64_t id, int descriptor, const char *visitor,
                                         unsigned tries)
{
    struct hub *hub = session->hub;
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        return NULL;
    *connection = (struct connection){
        .id = id,
        .hub = hub,
        .worker = session->worker,
        .session = session,
        .forward = forward,
        .descriptor = descriptor,
        .tries = tries,
        .port = forward->grant->port,
        .since_s = clock_wall_s(),
        .since_ms = clock_monotonic_ms(),
    };
    (void)text_copy(connection->visitor, sizeof connection->visitor, visitor);
    if (registry_add(&hub->connections, connection) != 0) {
        free(connection);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&hub->connection_list, connection, entry);
    TAILQ_INSERT_TAIL(&session->connections, connection, of_session);
    TAILQ_INSERT_TAIL(&forward->connections, connection, of_forward);
    forward->connection_count++;
    connection->worker->connection_count++;
    return connection;
}

void connection_opened_by(struct connection *connection, struct session *opener)
{
    if (connection->opener)
        TAILQ_REMOVE(&connection->opener->opened, connection, of_opener);
    connection->opener = opener;
    if (!opener)
        return;
    TAILQ_INSERT_TAIL(&opener->opened, connection, of_opener);
    (void)text_copy(connection->operator_name, sizeof connection->operator_name,
                    kept_text(opener->operator_name));
}

char *connection_visitor(const struct connection *connection, char text[CONNECTION_VISITOR_SIZE])
{
    (void)snprintf(text, CONNECTION_VISITOR_SIZE, "%s%s%s", connection->operator_name,
                   connection->operator_name[0] != '\0' ? "@" : "", connection->visitor);
    return text;
}

void connection_start(struct forward *forward, int descriptor, const char *visitor, unsigned tries,
                      struct open *open)
{
    struct connection *connection = connection_new(
        forward, forward->session, ++forward->site->hub->last_id, descriptor, visitor, tries);
    if (!connection) {
        forward_error(forward, "out of memory");
        open_refuse(open, "busy: the hub is out of memory");
        tcp_reset(descriptor);
        return;
    }
    connection->open = open;
    open_connects(open, connection);
    struct message message;
    message_init(&message, MESSAGE_CONNECT);
    message.cid = connection->id;
    message.sid = connection->session->id;
    message.port = connection->port;
    (void)text_copy(message.address, sizeof message.address, forward->asked);
    (void)text_copy(message.peer, sizeof message.peer, connection->visitor);
    unsigned char header[PROXY_HEADER_MAX];
    message.timeout_ms = forward_connect_timeout_ms(forward);
    message.data = header;
    message.data_length =
        forward_header(forward, connection->visitor, connection->opener, descriptor, header);
    message.descriptor = descriptor;
    worker_send(connection->worker, &message);
}

static void leave_outbound(struct connection *connection)
{
    struct outbound *outbound = connection->outbound;
    if (!outbound)
        return;
    TAILQ_REMOVE(&outbound->connections, connection, of_forward);
    outbound->connection_count--;
    connection->outbound = NULL;
}

struct connection *connection_outbound(struct outbound *outbound, struct session *session,
                                       const char *visitor)
{
    struct hub *hub = session->hub;
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        return NULL;
    *connection = (struct connection){
        .id = ++hub->last_id,
        .hub = hub,
        .worker = session->worker,
        .session = session,
        .outbound = outbound,
        .is_outbound = true,
        .state = CONNECTION_OPEN,
        .descriptor = -1,
        .port = outbound->row.port,
        .since_s = clock_wall_s(),
        .since_ms = clock_monotonic_ms(),
    };
    (void)text_copy(connection->visitor, sizeof connection->visitor, visitor);
    if (registry_add(&hub->connections, connection) != 0) {
        free(connection);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&hub->connection_list, connection, entry);
    TAILQ_INSERT_TAIL(&session->connections, connection, of_session);
    TAILQ_INSERT_TAIL(&outbound->connections, connection, of_forward);
    outbound->connection_count++;
    outbound->connections_total++;
    connection->worker->connection_count++;
    return connection;
}

void connections_cut_outbound(struct outbound *outbound, const char *reason)
{
    struct connection *connection;
    while ((connection = TAILQ_FIRST(&outbound->connections))) {
        connection_close(connection, reason);
        leave_outbound(connection);
    }
}

void connection_close(struct connection *connection, const char *reason)
{
    if (connection->closing || connection->state == CONNECTION_LOST)
        return;
    connection->closing = true;
    struct message message;
    message_init(&message, MESSAGE_CLOSE);
    message.cid = connection->id;
    (void)text_copy(message.text, sizeof message.text, reason);
    worker_send(connection->worker, &message);
}

static void leave_forward(struct connection *connection)
{
    struct forward *forward = connection->forward;
    if (!forward)
        return;
    TAILQ_REMOVE(&forward->connections, connection, of_forward);
    forward->connection_count--;
    connection->forward = NULL;
}

static void leave_grant(struct connection *connection)
{
    leave_forward(connection);
    leave_outbound(connection);
}

static void connection_free(struct connection *connection)
{
    struct hub *hub = connection->hub;
    leave_grant(connection);
    connection_opened_by(connection, NULL);
    open_refuse(connection->open, "offline: the site's session ended");
    TAILQ_REMOVE(&hub->connection_list, connection, entry);
    registry_remove(&hub->connections, connection);
    if (connection->descriptor >= 0)
        tcp_reset(connection->descriptor);
    free(connection);
}

/* Our duplicate goes back to the queue, if there is one and anybody still wants it. */
static void return_visitor(struct connection *connection)
{
    struct forward *forward = connection->forward;
    struct open *open = connection->open;
    int descriptor = connection->descriptor;
    connection->descriptor = -1;
    if (descriptor < 0)
        return;
    connection->open = NULL;
    leave_forward(connection);
    connection_opened_by(connection, NULL);
    if (forward && !connection->closing && !connection->hub->stopping) {
        visitor_wait(forward, descriptor, connection->visitor, connection->tries + 1, open);
        return;
    }
    open_refuse(open, "offline: the connection was closed by the hub");
    tcp_reset(descriptor);
}

static void log_closed(const struct connection *connection, const char *reason)
{
    const char *site = connection->session ? connection->session->site_name : "";
    const char *kind = connection->is_outbound ? "outbound" : "forward";
    char visitor[CONNECTION_VISITOR_SIZE];
    log_info(KV("site", site), KV(kind, connection->port), KV("connection", connection->id),
             SAY("closed"), KV("visitor", connection_visitor(connection, visitor)),
             KV("bytes_in", connection->bytes_in), KV("bytes_out", connection->bytes_out),
             KV("duration_ms", clock_monotonic_ms() - connection->since_ms), KV("reason", reason));
}

void connections_lose(struct session *session, const char *reason)
{
    struct connection *connection;
    while ((connection = TAILQ_FIRST(&session->connections))) {
        TAILQ_REMOVE(&session->connections, connection, of_session);
        if (connection->state == CONNECTION_OPENING)
            return_visitor(connection);
        else
            log_closed(connection, reason);
        leave_grant(connection);
        connection->session = NULL;
        connection->state = CONNECTION_LOST;
        TAILQ_INSERT_TAIL(&connection->worker->lost, connection, of_session);
    }
}

void connections_forget(struct connection_list *lost)
{
    struct connection *connection;
    while ((connection = TAILQ_FIRST(lost))) {
        TAILQ_REMOVE(lost, connection, of_session);
        connection->worker->connection_count--;
        connection_free(connection);
    }
}

void connections_detach(struct forward *forward)
{
    struct connection *connection;
    while ((connection = TAILQ_FIRST(&forward->connections)))
        leave_forward(connection);
}

/* Once the site has answered, the visitor is the worker's alone. */
static void let_go(struct connection *connection)
{
    if (connection->descriptor >= 0)
        (void)close(connection->descriptor);
    connection->descriptor = -1;
}

/* An agent says on its `forwards` channel why it could not dial, which is better than what the
 * refused channel says; a stock client has only the latter. */
static void count_refusal(struct forward *forward, const char *reason)
{
    target_failed(&forward->health, forward_take_reported(forward, reason));
    forward_error(forward, kept_text(forward->health.reason));
}

static void refuse_open(struct connection *connection, const char *text)
{
    static const char start[] = "refused by the site: ";
    char reason[REASON_SIZE];
    struct open *open = connection->open;
    connection->open = NULL;
    if (connection->closing) {
        open_refuse(open, "policy: %s", text);
        return;
    }
    peer_text(reason, sizeof reason,
              connection->forward ? kept_text(connection->forward->last_error) : text);
    bool begins = strncmp(reason, start, sizeof start - 1) == 0;
    open_refuse(open, "%s%s", begins ? "" : start, reason);
}

static void grant(struct connection *connection)
{
    struct forward *forward = connection->forward;
    connection->state = CONNECTION_OPEN;
    let_go(connection);
    open_grant(connection->open);
    connection->open = NULL;
    if (!forward)
        return;
    forward->connections_total++;
    forward->site->figures.connections++;
    target_answered(&forward->health);
}

/* The worker says how long ago. */
static uint64_t came_ms(const struct message *message)
{
    uint64_t now_ms = clock_monotonic_ms();
    return message->count < now_ms ? now_ms - message->count : 0;
}

int connection_accepted(struct forward *forward, struct session *session,
                        const struct message *message, int descriptor)
{
    struct connection *connection =
        connection_new(forward, session, message->cid, descriptor, message->peer, 0);
    if (!connection) {
        forward_error(forward, "out of memory");
        tcp_reset(descriptor);
        return -1;
    }
    connection->since_ms = came_ms(message);
    if (message->code == VERDICT_GRANTED)
        grant(connection);
    return 0;
}

static bool awaits_opened(const struct connection *connection)
{
    return connection->state == CONNECTION_OPENING && connection->descriptor >= 0;
}

int connection_on_opened(struct connection *connection, const struct message *message,
                         struct fault *fault)
{
    if (connection->state == CONNECTION_LOST)
        return 0;
    if (!awaits_opened(connection))
        return fault_set(fault, "OPENED of connection %llu twice",
                         (unsigned long long)connection->id);
    struct forward *forward = connection->forward;
    if (message->code == VERDICT_GRANTED) {
        grant(connection);
        return 0;
    }
    if (forward && connection->closing)
        forward->error_reported = false; /* it was about this one, which we ended */
    else if (forward)
        count_refusal(forward, message->text);
    refuse_open(connection, message->text);
    tcp_reset(connection->descriptor);
    connection->descriptor = -1;
    return 0;
}

/* Figures only grow; what a worker takes back is not believed. */
static void count_bytes(struct connection *connection, uint64_t in, uint64_t out)
{
    struct forward *forward = connection->forward;
    if (in < connection->bytes_in || out < connection->bytes_out)
        return;
    if (forward) {
        forward->bytes_in += in - connection->bytes_in;
        forward->bytes_out += out - connection->bytes_out;
        forward->site->figures.bytes_in += in - connection->bytes_in;
        forward->site->figures.bytes_out += out - connection->bytes_out;
    }
    if (connection->outbound) {
        connection->outbound->bytes_in += in - connection->bytes_in;
        connection->outbound->bytes_out += out - connection->bytes_out;
    }
    connection->bytes_in = in;
    connection->bytes_out = out;
}

void connection_was(struct forward *forward, struct session *session, const struct message *message)
{
    struct connection connection = {
        .id = message->cid,
        .hub = session->hub,
        .session = session,
        .forward = forward,
        .descriptor = -1,
        .port = forward->grant->port,
        .since_ms = came_ms(message),
    };
    char reason[REASON_SIZE];
    peer_text(reason, sizeof reason, message->text);
    (void)text_copy(connection.visitor, sizeof connection.visitor, message->peer);
    grant(&connection);
    count_bytes(&connection, message->bytes_in, message->bytes_out);
    log_closed(&connection, reason);
}

int connection_on_closed(struct connection *connection, const struct message *message,
                         struct fault *fault)
{
    char reason[REASON_SIZE];
    peer_text(reason, sizeof reason, message->text);
    (void)fault;
    if (connection->state == CONNECTION_LOST) {
        TAILQ_REMOVE(&connection->worker->lost, connection, of_session);
    } else {
        count_bytes(connection, message->bytes_in, message->bytes_out);
        log_closed(connection, reason);
        return_visitor(connection);
        TAILQ_REMOVE(&connection->session->connections, connection, of_session);
    }
    connection->worker->connection_count--;
    connection_free(connection);
    return 0;
}

static uint64_t read_number(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

int connections_on_stats(struct worker *worker, const struct message *message, struct fault *fault)
{
    if (message->data_length % STATS_TRIPLE != 0)
        return fault_set(fault, "STATS of %zu bytes", message->data_length);
    for (size_t at = 0; at < message->data_length; at += STATS_TRIPLE) {
        const uint8_t *triple = message->data + at;
        struct connection *connection =
            registry_find(&worker->hub->connections, read_number(triple));
        if (!connection || connection->state == CONNECTION_LOST)
            continue;
        if (connection->worker != worker)
            return fault_set(fault, "STATS of a connection of another worker");
        count_bytes(connection, read_number(triple + 8), read_number(triple + 16));
    }
    return 0;
}
