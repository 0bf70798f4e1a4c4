/*
 * A forward's life.  The listener is bound at the first publish and outlives its publisher by the
 * hold time; what administration takes away is closed at once.  Which session may publish decides
 * publish.c; what travels through decides nobody here.
 */
#define _GNU_SOURCE
#include "parent/forwards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/kept_text.h"
#include "base/log.h"
#include "parent/connections.h"
#include "parent/enforce.h"
#include "parent/lending.h"
#include "parent/peer_text.h"
#include "parent/sessions.h"
#include "parent/sites.h"
#include "parent/tcp_listener.h"
#include "parent/tracing.h"
#include "parent/waiting.h"
#include "parent/workers.h"

static const char *const state_names[] = {
    [FORWARD_PUBLISHED] = "published", [FORWARD_WAITING] = "waiting",
    [FORWARD_OFFLINE] = "offline",     [FORWARD_REFUSED] = "refused",
    [FORWARD_DISABLED] = "disabled",   [FORWARD_EXPIRED] = "expired",
};

static void name_listen(const struct grant *grant, char out[ENDPOINT_SIZE])
{
    char text[HOST_PORT_SIZE];
    (void)text_copy(
        out, ENDPOINT_SIZE,
        host_port_format(grant->policy.private ? "private" : grant->address, grant->port, text));
}

struct forward *forward_new(struct site *site, const struct grant *grant)
{
    struct forward *forward = calloc(1, sizeof *forward);
    if (!forward)
        return NULL;
    forward->site = site;
    forward->grant = grant_keep(grant);
    if (!forward->grant) {
        free(forward);
        return NULL;
    }
    forward->expired = forward_has_expired(grant, clock_wall_s());
    name_listen(grant, forward->listen);
    TAILQ_INIT(&forward->waiting);
    TAILQ_INIT(&forward->connections);
    target_checks_enter(forward);
    return forward;
}

void forward_free(struct forward *forward)
{
    if (!forward)
        return;
    forward_cut(forward, "grant removed");
    connections_detach(forward);
    target_checks_leave(forward);
    free(forward->usage);
    free(forward->grant);
    kept_text_drop(&forward->last_error);
    kept_text_drop(&forward->refusal);
    kept_text_drop(&forward->health.reason);
    free(forward);
}

bool forward_has_expired(const struct grant *grant, int64_t now_s)
{
    return grant->policy.expires_s != 0 && now_s >= grant->policy.expires_s;
}

bool forward_is_held(const struct forward *forward)
{
    return !forward->session && (forward->listener || forward->hold);
}

enum forward_state forward_state(const struct forward *forward)
{
    if (!forward->grant->enabled || !forward->site->row.enabled)
        return FORWARD_DISABLED;
    if (forward->expired)
        return FORWARD_EXPIRED;
    if (forward->session)
        return FORWARD_PUBLISHED;
    if (forward->refusal && !TAILQ_EMPTY(&forward->site->sessions))
        return FORWARD_REFUSED;
    return forward_is_held(forward) ? FORWARD_WAITING : FORWARD_OFFLINE;
}

const char *forward_state_name(enum forward_state state)
{
    return state_names[state];
}

const char *forward_reason(const struct forward *forward)
{
    switch (forward_state(forward)) {
    case FORWARD_DISABLED:
        return forward->grant->enabled ? "the site is disabled" : "the grant is disabled";
    case FORWARD_EXPIRED:
        return "the grant has expired";
    case FORWARD_REFUSED:
        return kept_text(forward->refusal);
    case FORWARD_WAITING:
        return "the publisher is away; visitors wait for it";
    case FORWARD_OFFLINE:
        if (forward->site->serving_count > 0)
            return "the site is online but has not published it";
        return "no session of the site";
    default:
        return "";
    }
}

const char *forward_fault(const struct forward *forward)
{
    switch (forward_state(forward)) {
    case FORWARD_PUBLISHED:
        return forward->health.state == TARGET_FAILS ? "target" : "";
    case FORWARD_REFUSED:
        return forward->refused_by_agent ? "agent" : "hub";
    case FORWARD_DISABLED:
    case FORWARD_EXPIRED:
        return "hub";
    default:
        return forward->site->serving_count > 0 ? "agent" : "session";
    }
}

/* A visitor came.  Nothing of it is read here. */
static void take_visitor(struct forward *forward, int descriptor, const struct sockaddr *peer)
{
    char text[HOST_PORT_SIZE];
    address_format(peer, text);
    if (forward_admit(forward, text) != POLICY_ADMITS)
        tcp_reset(descriptor);
    else if (forward->session)
        connection_start(forward, descriptor, text, 0, NULL);
    else
        visitor_wait(forward, descriptor, text, 0, NULL);
}

static void on_visitor(void *owner, int descriptor, const struct sockaddr *peer)
{
    struct forward *forward = owner;
    int before = tracing_enter(forward->site);
    take_visitor(forward, descriptor, peer);
    (void)log_scope(before);
}

static int bind_listener(struct forward *forward, struct fault *fault)
{
    if (forward->listener || forward->grant->policy.private)
        return 0;
    struct hub *hub = forward->site->hub;
    if (tcp_listener_open(hub->loop, forward->grant->address, forward->grant->port, false,
                          on_visitor, forward, &forward->listener, fault) == 0)
        return 0;
    forward->refused_by_agent = false;
    peer_text_keep(&forward->refusal, fault->text);
    return -1;
}

int forward_publish(struct forward *forward, struct session *session, const char *asked,
                    struct fault *fault)
{
    if (forward->session == session)
        return fault_set(fault, "port %u is published by this session already",
                         (unsigned)forward->grant->port);
    if (bind_listener(forward, fault) != 0)
        return -1;
    timeout_clear(&forward->hold);
    if (!forward->session)
        forward->site->hub->published_count++;
    forward->session = session;
    kept_text_drop(&forward->refusal);
    (void)text_copy(forward->asked, sizeof forward->asked, asked);
    event_say(forward->site->hub, "forward.published", forward->site->row.name, NULL, session->peer,
              "%s -> %s", forward->listen, forward->grant->target);
    return 0;
}

static void lose_publisher(struct forward *forward, const char *reason)
{
    if (!forward->session)
        return;
    lending_end(forward);
    forward->session = NULL;
    forward->site->hub->published_count--;
    event_say(forward->site->hub, "forward.withdrawn", forward->site->row.name, NULL, NULL,
              "%s: %s", forward->listen, reason);
}

static void deafen(struct forward *forward)
{
    lending_end(forward);
    tcp_listener_close(forward->listener);
    forward->listener = NULL;
}

void forward_withdraw(struct forward *forward, const char *reason)
{
    timeout_clear(&forward->hold);
    timeout_clear(&forward->retry);
    lose_publisher(forward, reason);
    deafen(forward);
    visitors_reset(forward, reason);
}

void forward_cut(struct forward *forward, const char *reason)
{
    forward_withdraw(forward, reason);
    struct connection *connection;
    TAILQ_FOREACH(connection, &forward->connections, of_forward)
    connection_close(connection, reason);
}

static void on_hold_over(void *owner)
{
    struct forward *forward = owner;
    int before = tracing_enter(forward->site);
    log_info(KV("site", forward->site->row.name), KV("forward", forward->grant->port),
             SAY("listener closed"), KV("reason", "its publisher did not come back"),
             KV("waiting", forward->waiting_count));
    forward_withdraw(forward, "the publisher did not come back");
    (void)log_scope(before);
}

static uint64_t hold_ms(const struct forward *forward)
{
    const struct policy *policy = &forward->grant->policy;
    return policy->own_hold ? policy->hold_ms : forward->site->hub->settings.hold_ms;
}

static int set_hold(struct forward *forward)
{
    uint64_t wanted_ms = hold_ms(forward), passed_ms = clock_monotonic_ms() - forward->held_ms;
    return timeout_set(forward->site->hub->loop, &forward->hold,
                       wanted_ms > passed_ms ? wanted_ms - passed_ms : 0, on_hold_over, forward);
}

void forward_hold(struct forward *forward, const char *reason)
{
    bool lives = forward->session && forward->session->worker->pipe;
    lose_publisher(forward, reason);
    forward->held_ms = clock_monotonic_ms();
    if (forward->site->hub->stopping || hold_ms(forward) == 0 || set_hold(forward) != 0 ||
        (forward->listener && tcp_listener_take_back(forward->listener, lives) != 0))
        forward_withdraw(forward, reason);
}

void forward_rehold(struct forward *forward)
{
    if (forward->hold && set_hold(forward) != 0)
        forward_withdraw(forward, "the hub is out of memory");
}

void forward_move(struct forward *forward)
{
    struct fault fault = {""};
    char listen[ENDPOINT_SIZE];
    name_listen(forward->grant, listen);
    if (strcmp(listen, forward->listen) == 0)
        return;
    (void)text_copy(forward->listen, sizeof forward->listen, listen);
    if (!forward->session && !forward_is_held(forward))
        return;
    deafen(forward);
    if (bind_listener(forward, &fault) != 0)
        forward_withdraw(forward, fault.text);
    else if (forward->session && forward->session->following)
        forward_hold(forward, "the grant's address changed");
    else
        lending_mind(forward);
}

void forwards_hold_session(struct session *session, const char *reason)
{
    struct site *site = session->site;
    for (size_t i = 0; site && i < site->forward_count; i++) {
        if (site->forwards[i]->session == session)
            forward_hold(site->forwards[i], reason);
    }
}

void forward_error(struct forward *forward, const char *reason)
{
    forward->errors++;
    forward->site->figures.errors++;
    peer_text_keep(&forward->last_error, reason);
    log_debug(KV("site", forward->site->row.name), KV("forward", forward->grant->port),
              SAY("error"), KV("reason", kept_text(forward->last_error)));
}

const char *forward_take_reported(struct forward *forward, const char *otherwise)
{
    bool reported = forward->error_reported;
    forward->error_reported = false;
    return reported ? kept_text(forward->last_error) : otherwise;
}

static void refuse_by_agent(struct session *session, struct forward *forward, const char *text)
{
    char reason[REASON_SIZE], said[REASON_SIZE * 2];
    peer_text(reason, sizeof reason, text);
    if (strcmp(kept_text(forward->refusal), reason) == 0)
        return;
    kept_text_set(&forward->refusal, reason);
    forward->refused_by_agent = true;
    (void)snprintf(said, sizeof said, "port %u: %s", (unsigned)forward->grant->port, reason);
    site_refused(session->site, session->peer, said);
}

int forward_on_report(struct session *session, const struct message *message, struct fault *fault)
{
    (void)fault;
    if (message->flags == MESSAGE_OUTBOUND && session->following) {
        outbound_on_report(session, message);
        return 0;
    }
    struct forward *forward =
        session->role == ROLE_SITE ? site_forward(session->site, message->port) : NULL;
    if (!forward || !session->serving)
        return 0;
    if ((message->flags & MESSAGE_FAILED) != 0) {
        forward->error_reported = true;
        peer_text_keep(&forward->last_error, message->text);
    } else if (message->generation == session->site->generation) {
        refuse_by_agent(session, forward, message->text);
    }
    return 0;
}
