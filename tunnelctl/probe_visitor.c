/*
 * The way of a visitor, from the hub itself: what the control socket tells, then a connection to
 * the grant's listener.  For public grants; a private one has no listener.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tunnelctl/access.h"
#include "tunnelctl/dial.h"
#include "tunnelctl/hub.h"
#include "tunnelctl/probe.h"

/* The agent gives a target 30 s unless its policy says otherwise. */
#define TARGET_MS 60000u
#define LOOK_MS   50
#define REPORT_MS 300
/* What a private grant has in place of an address. */
#define PRIVATE "private:"

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* Asks a verb about the site (NULL: about the hub).  The data is the caller's. */
static enum outcome ask(struct probe *probe, const char *verb, const char *key, json_t **data,
                        struct fault *fault)
{
    json_t *args = key ? json_pack("{s:s}", key, probe->site) : json_object();
    enum outcome outcome = REFUSED;
    if (args)
        outcome = hub_ask(probe->invocation, verb, args, data, fault);
    else
        fault_set(fault, "out of memory");
    json_decref(args);
    return outcome;
}

/* As ask, and a failure is the next step's. */
static bool learn(struct probe *probe, const char *verb, const char *key, json_t **data)
{
    struct fault fault;
    *data = NULL;
    return ask(probe, verb, key, data, &fault) == DONE || probe_fail(probe, NULL, "%s", fault.text);
}

/* Where a program on the same machine reaches what listens there. */
static int near_address(const char *listen, struct host_port *out, struct fault *fault)
{
    if (host_port_parse(listen, false, out, fault) < 0)
        return -1;
    if (strcmp(out->host, "0.0.0.0") == 0)
        strcpy(out->host, "127.0.0.1");
    else if (strcmp(out->host, "::") == 0)
        strcpy(out->host, "::1");
    return 0;
}

/* --- the hub ---------------------------------------------------------------------------------- */

static bool reach_hub(struct probe *probe, const json_t *status, struct ssh_client **client)
{
    struct fault fault;
    struct host_port hub;
    char peer[HOST_PORT_SIZE];
    int socket;
    const char *listen = json_string_value(json_array_get(json_object_get(status, "listen"), 0));
    if (!listen)
        return probe_fail(probe, "see 'listen' in tunneld.yaml", "the hub listens nowhere");
    if (near_address(listen, &hub, &fault) < 0 ||
        dial(&hub, ACCESS_WAIT_MS, &socket, peer, &fault) < 0 ||
        ssh_client_new(socket, client, &fault) < 0)
        return probe_fail(probe, "see 'listen' in tunneld.yaml", "%s", fault.text);
    probe_pass(probe, "control socket, and reached at %s", peer);
    return true;
}

static bool meet_hub(struct probe *probe, struct ssh_client *client)
{
    struct fault fault;
    struct public_key key;
    char print[FINGERPRINT_SIZE];
    json_t *keys;
    if (ssh_client_handshake(client, ACCESS_WAIT_MS, &key, &fault) != DONE)
        return probe_fail(probe, NULL, "%s", fault.text);
    if (!learn(probe, "host-key.show", NULL, &keys))
        return false;
    public_key_fingerprint(&key, print);
    bool current = false;
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *row = json_array_get(keys, i);
        if (strcmp(text_of(row, "kind"), "current") == 0)
            current = strcmp(text_of(row, "fingerprint"), print) == 0;
    }
    json_decref(keys);
    if (!current)
        return probe_fail(probe, "see which program listens there", "%s is not the hub's host key",
                          print);
    probe_pass(probe, "%s is the hub's", print);
    return true;
}

/* --- the site --------------------------------------------------------------------------------- */

static bool say_absent(struct probe *probe)
{
    json_t *site;
    if (!learn(probe, "site.show", "name", &site))
        return false;
    const char *reason = text_of(site, "last_reason"), *state = text_of(site, "state");
    if (strcmp(state, "never") == 0)
        (void)probe_fail(probe, "make a keyfile for it with: tunnelctl keyfile issue",
                         "site %s was never enrolled", probe->site);
    else
        (void)probe_fail(probe, "'tunnelctl site check' says what it needs", "site %s is %s%s%s",
                         probe->site, state, *reason ? ", last: " : "", reason);
    json_decref(site);
    return false;
}

static bool find_session(struct probe *probe)
{
    json_t *sessions;
    const json_t *found = NULL;
    if (!learn(probe, "session.list", "site", &sessions))
        return false;
    for (size_t i = 0; i < json_array_size(sessions); i++) {
        const json_t *row = json_array_get(sessions, i);
        bool publishes = strcmp(text_of(row, "role"), "publisher") == 0;
        if (publishes || (!found && strcmp(text_of(row, "role"), "site") == 0))
            found = row;
    }
    if (found) {
        const json_t *rtt = json_object_get(found, "rtt_ms");
        if (json_is_number(rtt))
            probe_pass(probe, "%s from %s since %s, %.0f ms away", probe->site,
                       text_of(found, "peer"), text_of(found, "since"), json_number_value(rtt));
        else
            probe_pass(probe, "%s from %s since %s", probe->site, text_of(found, "peer"),
                       text_of(found, "since"));
    }
    json_decref(sessions);
    return found || say_absent(probe);
}

/* The row of the list that is the probed port's; borrowed. */
static const json_t *find_row(const json_t *rows, const char *listen)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (strcmp(text_of(row, "listen"), listen) == 0)
            return row;
    }
    return NULL;
}

static const json_t *find_port(const json_t *rows, uint16_t port)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (json_integer_value(json_object_get(row, "port")) == port)
            return row;
    }
    return NULL;
}

/* The listener as text, and the forward's row as it is now (the caller's). */
struct forward {
    char listen[HOST_PORT_SIZE];
    char target[HOST_PORT_SIZE];
    json_int_t errors;
    struct fault last_error; /* empty: none */
    json_t *refused;         /* visitors so far, by reason; owned */
};

static bool judge_grant(struct probe *probe, const json_t *grant, struct forward *forward)
{
    if (!grant)
        return probe_fail(probe, "allow it with: tunnelctl port allow",
                          "%s has no grant for port %u", probe->site, probe->port);
    if (strncmp(text_of(grant, "listen"), PRIVATE, strlen(PRIVATE)) == 0)
        return probe_fail(probe, "probe it with --hub, --user and --identity",
                          "%s:%u is private, operators alone reach it", probe->site, probe->port);
    (void)text_copy(forward->listen, sizeof(forward->listen), text_of(grant, "listen"));
    (void)text_copy(forward->target, sizeof(forward->target), text_of(grant, "target"));
    forward->refused = json_incref(json_object_get(grant, "refused"));
    return true;
}

static bool read_forward(struct probe *probe, struct forward *forward, char state[32],
                         struct fault *reason)
{
    json_t *forwards;
    if (!learn(probe, "forward.list", "site", &forwards))
        return false;
    const json_t *row = find_row(forwards, forward->listen);
    (void)text_copy(state, 32, text_of(row, "state"));
    fault_set(reason, "%s", text_of(row, "reason"));
    forward->errors = json_integer_value(json_object_get(row, "errors"));
    fault_set(&forward->last_error, "%s", text_of(row, "last_error"));
    json_decref(forwards);
    return true;
}

static bool find_forward(struct probe *probe, struct forward *forward)
{
    struct fault reason;
    char state[32];
    json_t *grants;
    if (!learn(probe, "port.list", "site", &grants))
        return false;
    bool granted = judge_grant(probe, find_port(grants, probe->port), forward);
    json_decref(grants);
    if (!granted || !read_forward(probe, forward, state, &reason))
        return false;
    if (strcmp(state, "published") != 0)
        return probe_fail(probe, "'tunnelctl site check' says more", "%s is %s%s%s",
                          forward->listen, *state ? state : "not there", *reason.text ? ": " : "",
                          reason.text);
    probe_pass(probe, "%s -> %s is published", forward->listen, forward->target);
    return true;
}

/* --- the target ------------------------------------------------------------------------------- */

static bool poll_readable(int socket, int timeout_ms)
{
    struct pollfd polled = {.fd = socket, .events = POLLIN};
    return poll(&polled, 1, timeout_ms) > 0;
}

/* Is our connection through?  -1: the hub did not say. */
static int is_open(struct probe *probe, const char *visitor, bool *open)
{
    json_t *rows = NULL;
    struct fault fault;
    *open = false;
    if (ask(probe, "connection.list", "site", &rows, &fault) != DONE)
        return -1;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (strcmp(text_of(row, "visitor"), visitor) == 0)
            *open = strcmp(text_of(row, "state"), "open") == 0;
    }
    json_decref(rows);
    return 0;
}

static const char *refusal_text(const char *reason)
{
    static const struct {
        const char *reason, *text;
    } texts[] = {
        {"network", "this machine's address is in none of its networks"},
        {"connections", "as many connections are there as it allows"},
        {"rate", "as many came in this second as it allows"},
        {"expired", "it has expired"},
        {"waiting", "its site is away, and as many visitors wait as may"},
        {"hub", "the hub has as many connections as it may have"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (strcmp(texts[i].reason, reason) == 0)
            return texts[i].text;
    return reason;
}

/* Did the policy refuse a visitor meanwhile?  Then it was we. */
static bool say_refused(struct probe *probe, const struct forward *forward)
{
    json_t *grants, *count;
    const char *reason;
    bool passes = true;
    if (!learn(probe, "port.list", "site", &grants))
        return false;
    json_object_foreach(json_object_get(find_port(grants, probe->port), "refused"), reason, count)
    {
        if (passes && json_integer_value(count) >
                          json_integer_value(json_object_get(forward->refused, reason)))
            passes = probe_fail(probe, "'tunnelctl port show' has its policy",
                                "the grant refuses the visitor: %s", refusal_text(reason));
    }
    json_decref(grants);
    return passes;
}

/* The connection ended before anything came: the site says why, or nobody does.  An agent's own
 * words may come a little later than those of its SSH library. */
static bool say_not_connected(struct probe *probe, struct forward *forward, bool *connected)
{
    struct fault reason;
    char state[32];
    json_int_t errors = forward->errors;
    (void)poll(NULL, 0, REPORT_MS);
    if (!read_forward(probe, forward, state, &reason))
        return false;
    if (forward->errors > errors && *forward->last_error.text)
        return probe_fail(probe, "see that the target runs, and that the agent may dial it", "%s",
                          forward->last_error.text);
    if (!say_refused(probe, forward))
        return false;
    *connected = true; /* and closed again, which the last step is about */
    return true;
}

/* A target that refuses at once may have us reset before we notice that we were connected. */
static bool say_not_reached(struct probe *probe, struct forward *forward, const char *why)
{
    bool accepted = false;
    if (!say_not_connected(probe, forward, &accepted))
        return false;
    return probe_fail(probe, "'tunnelctl events' on the hub says more", "%s", why);
}

static bool await_target(struct probe *probe, struct forward *forward, int socket,
                         const char *visitor)
{
    char byte;
    uint64_t end_ms = clock_monotonic_ms() + TARGET_MS;
    bool open = false;
    while (!open) {
        if (is_open(probe, visitor, &open) < 0)
            return probe_fail(probe, NULL, "the hub does not answer over its control socket");
        if (!open && poll_readable(socket, LOOK_MS)) {
            if (recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
                open = true;
            else if (!say_not_connected(probe, forward, &open))
                return false;
        }
        if (!open && clock_monotonic_ms() >= end_ms)
            return probe_fail(probe, "see the agent's log",
                              "the site did not connect to %s within %u s", forward->target,
                              TARGET_MS / 1000);
    }
    probe_pass(probe, "%s connected", forward->target);
    return true;
}

static bool visit(struct probe *probe, struct forward *forward, int *socket)
{
    struct fault fault;
    struct host_port listen;
    struct sockaddr_storage near = {0};
    socklen_t length = sizeof(near);
    char peer[HOST_PORT_SIZE], visitor[HOST_PORT_SIZE];
    if (near_address(forward->listen, &listen, &fault) < 0 ||
        dial(&listen, ACCESS_WAIT_MS, socket, peer, &fault) < 0)
        return say_not_reached(probe, forward, fault.text);
    (void)getsockname(*socket, (struct sockaddr *)&near, &length);
    address_format((const struct sockaddr *)&near, visitor);
    return await_target(probe, forward, *socket, visitor);
}

static void hear_target(const struct probe *probe, int socket, struct first_bytes *first)
{
    ssize_t length = 0;
    if (probe->send_length > 0)
        (void)send(socket, probe->send, probe->send_length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (!poll_readable(socket, (int)probe->wait_ms)) {
        first->what = FIRST_SILENCE;
        return;
    }
    length = recv(socket, first->bytes, sizeof(first->bytes), MSG_DONTWAIT);
    first->length = length > 0 ? (size_t)length : 0;
    first->what = length > 0 ? FIRST_BYTES : FIRST_END;
}

/* --- the way ---------------------------------------------------------------------------------- */

static bool find_hub(struct probe *probe, const json_t *status)
{
    struct ssh_client *client = NULL;
    bool found = reach_hub(probe, status, &client) && meet_hub(probe, client);
    ssh_client_free(client);
    return found;
}

enum outcome probe_as_visitor(struct probe *probe, struct fault *fault)
{
    json_t *status = NULL;
    struct forward forward = {.errors = 0};
    struct first_bytes first = {.length = 0};
    int socket = -1;
    enum outcome outcome = ask(probe, "status", NULL, &status, fault);
    if (outcome != DONE)
        return outcome;
    if (find_hub(probe, status) && find_session(probe) && find_forward(probe, &forward) &&
        visit(probe, &forward, &socket)) {
        hear_target(probe, socket, &first);
        (void)probe_first_bytes(probe, &first);
    }
    if (socket >= 0)
        close(socket);
    json_decref(forward.refused);
    json_decref(status);
    return DONE;
}
