/*
 * Policies in force.  The verdicts are policy.c's; here is what is counted for them, who is asked
 * about, and what follows.  Bytes a second and silence are measured by the publisher's worker,
 * which is told; all else is decided in this process, so that it holds over all workers.
 */
#define _GNU_SOURCE
#include "parent/enforce.h"

#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/kept_text.h"
#include "base/log.h"
#include "parent/connections.h"
#include "parent/lending.h"
#include "parent/sessions.h"
#include "parent/sites.h"
#include "parent/tracing.h"
#include "parent/waiting.h"
#include "parent/workers.h"

#define RECHECK_S          60    /* the wall clock may jump */
#define CONNECT_TIMEOUT_MS 30000 /* unless a grant says otherwise */

/* "address:port"; zero if it is none. */
static struct host_port split(const char *visitor)
{
    struct host_port from;
    if (host_port_parse(visitor, true, &from, NULL) != 0)
        from = (struct host_port){0};
    return from;
}

/* --- visitors --- */

/* What is in use, and what came lately where there is a rate to be kept. */
static enum policy_verdict judge(struct forward *forward, const char *host)
{
    const struct policy *policy = &forward->grant->policy;
    struct policy_usage now = {0}, *usage = &now;
    if (policy->max_rate != 0) {
        if (!forward->usage)
            forward->usage = calloc(1, sizeof *forward->usage);
        if (!forward->usage)
            return POLICY_RATE;
        usage = forward->usage;
    }
    usage->connections = forward->connection_count + forward->waiting_count;
    return policy_admit(policy, usage, host, clock_monotonic_ms(), clock_wall_s());
}

enum policy_verdict forward_admit(struct forward *forward, const char *visitor)
{
    struct host_port from = split(visitor);
    enum policy_verdict verdict = POLICY_HUB;
    if (connections_have_room(forward->site->hub))
        verdict = judge(forward, from.host);
    if (verdict != POLICY_ADMITS)
        forward_refuse(forward, verdict, visitor);
    return verdict;
}

void forward_refuse(struct forward *forward, enum policy_verdict verdict, const char *visitor)
{
    forward->refused[verdict]++;
    forward->site->figures.refused[verdict]++;
    log_debug(KV("site", forward->site->row.name), KV("forward", forward->grant->port),
              SAY("visitor refused"), KV("visitor", visitor),
              KV("reason", policy_verdict_text(verdict)));
}

const char *forward_reason_to_cut(const struct forward *forward, const char *visitor,
                                  bool is_operator)
{
    struct host_port from = split(visitor);
    const struct policy *policy = &forward->grant->policy;
    if (policy->private && !is_operator)
        return "the grant is private now";
    enum policy_verdict verdict = policy_keep(policy, from.host, clock_wall_s());
    return verdict == POLICY_ADMITS ? NULL : policy_verdict_text(verdict);
}

/* Where it connected to.  An operator comes through no socket of its own: it is the address that
 * its SSH session came to, with the port that it asked for. */
static bool find_local(const struct forward *forward, const struct session *opener, int descriptor,
                       struct sockaddr_storage *local)
{
    socklen_t length = sizeof *local;
    if (opener)
        return opener->hub_host[0] != '\0' &&
               address_from_literal(opener->hub_host, forward->grant->port, local, &length, NULL) ==
                   0;
    return getsockname(descriptor, (struct sockaddr *)local, &length) == 0;
}

size_t forward_header(const struct forward *forward, const char *visitor,
                      const struct session *opener, int descriptor,
                      unsigned char out[PROXY_HEADER_MAX])
{
    struct host_port from = split(visitor);
    struct sockaddr_storage source = {0}, local = {0};
    socklen_t length;
    enum proxy_protocol version = forward->grant->policy.proxy_protocol;
    if (version == PROXY_PROTOCOL_OFF ||
        address_from_literal(from.host, from.port, &source, &length, NULL) != 0 ||
        !find_local(forward, opener, descriptor, &local))
        return proxy_header(version, NULL, NULL, out);
    return proxy_header(version, (struct sockaddr *)&source, (struct sockaddr *)&local, out);
}

/* --- the worker --- */

uint64_t forward_connect_timeout_ms(const struct forward *forward)
{
    uint64_t own_ms = forward->grant->policy.connect_timeout_ms;
    return own_ms != 0 ? own_ms : CONNECT_TIMEOUT_MS;
}

void forward_tell_policy(struct forward *forward)
{
    const struct session *session = forward->session;
    const struct policy *policy = &forward->grant->policy;
    bool limits =
        policy->bandwidth_in != 0 || policy->bandwidth_out != 0 || policy->idle_timeout_ms != 0;
    if (!session || (!limits && forward->limited_sid != session->id))
        return;
    forward->limited_sid = limits ? session->id : 0;
    struct message message;
    message_init(&message, MESSAGE_POLICY);
    message.sid = session->id;
    message.port = forward->grant->port;
    message.rate_in = policy->bandwidth_in;
    message.rate_out = policy->bandwidth_out;
    message.timeout_ms = policy->idle_timeout_ms;
    worker_send(session->worker, &message);
}

/* --- expiry --- */

static void set_expired(struct forward *forward, bool expired)
{
    if (forward->expired == expired)
        return;
    int before = tracing_enter(forward->site);
    forward->expired = expired;
    log_info(KV("site", forward->site->row.name), KV("forward", forward->grant->port),
             SAY(expired ? "the grant has expired" : "the grant is in force again"));
    if (expired)
        forward_cut(forward, "the grant has expired");
    site_forwards_changed(forward->site);
    (void)log_scope(before);
}

static void on_expiry_due(void *owner)
{
    forwards_mind_expiry(owner);
}

static void look_again(struct hub *hub, int64_t now_s, int64_t due_s)
{
    hub->expiry_due_s = due_s;
    if (timeout_set(hub->loop, &hub->expiry, (uint64_t)(due_s - now_s) * 1000, on_expiry_due,
                    hub) != 0)
        log_warning(SAY("grants expire for new visitors only: out of memory"));
}

void forwards_mind_expiry(struct hub *hub)
{
    const struct site *site;
    int64_t now_s = clock_wall_s(), due_s = now_s + RECHECK_S;
    if (hub->stopping)
        return;
    TAILQ_FOREACH(site, &hub->sites, entry)
    {
        for (size_t i = 0; i < site->forward_count; i++) {
            struct forward *forward = site->forwards[i];
            int64_t expires_s = forward->grant->policy.expires_s;
            set_expired(forward, forward_has_expired(forward->grant, now_s));
            if (expires_s > now_s && expires_s < due_s)
                due_s = expires_s;
        }
    }
    look_again(hub, now_s, due_s);
}

static void mind_expiry(struct forward *forward)
{
    struct hub *hub = forward->site->hub;
    int64_t now_s = clock_wall_s(), expires_s = forward->grant->policy.expires_s;
    set_expired(forward, forward_has_expired(forward->grant, now_s));
    if (expires_s > now_s && expires_s < hub->expiry_due_s)
        look_again(hub, now_s, expires_s);
}

/* --- changes --- */

static void cut_connections(struct forward *forward, bool new_target)
{
    struct connection *connection;
    TAILQ_FOREACH(connection, &forward->connections, of_forward)
    {
        const char *reason = forward_reason_to_cut(forward, connection->visitor,
                                                   connection->operator_name[0] != '\0');
        if (!reason && new_target)
            reason = "the grant's target changed";
        if (reason)
            connection_close(connection, reason);
    }
}

void forward_regrant(struct forward *forward, const struct grant *before)
{
    bool new_target = strcmp(before->target, forward->grant->target) != 0;
    kept_text_drop(&forward->refusal);
    forward->generation += new_target;
    if (new_target)
        forward->health = (struct target_health){0};
    if (before->policy.own_target_check != forward->grant->policy.own_target_check ||
        before->policy.target_check_ms != forward->grant->policy.target_check_ms)
        target_checks_regrant(forward);
    mind_expiry(forward);
    if (!forward->grant->enabled)
        forward_cut(forward, "grant disabled");
    cut_connections(forward, new_target);
    visitors_judge(forward);
    forward_rehold(forward);
    forward_move(forward);
    forward_tell_policy(forward);
    lending_mind(forward);
}
