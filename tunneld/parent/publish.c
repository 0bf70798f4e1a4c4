/*
 * tcpip-forward and its cancelling: the grant decides whether and where, the claim decides who,
 * then the listener is bound.  A request that has to wait for a claim's probe is kept here and
 * judged anew when the claim is decided, because grants may have changed meanwhile.
 */
#define _GNU_SOURCE
#include "parent/publish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "parent/enforce.h"
#include "parent/lending.h"
#include "parent/peer_text.h"
#include "parent/sites.h"
#include "parent/tracing.h"
#include "parent/waiting.h"
#include "parent/workers.h"

#define ALARM_EVERY_S 60

struct publish_request {
    TAILQ_ENTRY(publish_request) entry;
    uint64_t request, port;
    char address[HOST_SIZE];
};

static void refuse(struct session *session, uint64_t request, const char *reason)
{
    site_refused(session->site, session->peer, reason);
    session_reply(session, request, VERDICT_REFUSED, reason);
}

/* As refuse, and the port's forward shows why it is not published. */
static void refuse_port(struct session *session, uint64_t request, uint64_t port,
                        const char *reason)
{
    struct forward *forward = session->role == ROLE_SITE ? site_forward(session->site, port) : NULL;
    if (forward && !forward->session) {
        forward->refused_by_agent = false;
        peer_text_keep(&forward->refusal, reason);
    }
    refuse(session, request, reason);
}

/* The forward that is meant, or NULL and why not. */
static struct forward *choose_forward(const struct site *site, const char *address, uint64_t port,
                                      struct fault *fault)
{
    struct grant_offer offers[GRANTS_PER_SITE_MAX];
    size_t count = 0;
    for (; count < site->forward_count && count < GRANTS_PER_SITE_MAX; count++) {
        offers[count].grant = site->forwards[count]->grant;
        offers[count].taken = site->forwards[count]->session != NULL;
        offers[count].expired = site->forwards[count]->expired;
    }
    long chosen = grants_choose(offers, count, site->row.name, address, port, fault);
    return chosen >= 0 ? site->forwards[chosen] : NULL;
}

static void publish_now(struct session *session, const struct publish_request *request)
{
    struct fault fault = {""};
    struct forward *forward =
        choose_forward(session->site, request->address, request->port, &fault);
    /* An agent that read in an older list that it is not published asks once more. */
    if (forward && forward->session == session && session->following) {
        session_reply_port(session, request->request, forward->grant->port);
        return;
    }
    if (!forward || forward_publish(forward, session, request->address, &fault) != 0) {
        refuse_port(session, request->request, request->port, fault.text);
        return;
    }
    if (session_activate_key(session, NULL, &fault) != 0) {
        forward_withdraw(forward, fault.text);
        refuse_port(session, request->request, request->port, fault.text);
        return;
    }
    session_serve(session);
    session_reply_port(session, request->request, forward->grant->port);
    forward_tell_policy(forward);
    lending_mind(forward);
    visitors_connect(forward);
}

static struct session *find_session(const struct hub *hub, uint64_t sid)
{
    return sid != 0 ? registry_find(&hub->sessions, sid) : NULL;
}

static void publish_waiting(struct session *session)
{
    struct publish_request *request;
    while ((request = TAILQ_FIRST(&session->requests))) {
        TAILQ_REMOVE(&session->requests, request, entry);
        session->request_count--;
        publish_now(session, request);
        free(request);
    }
}

static void drop_waiting(struct session *session, const char *reason)
{
    struct publish_request *request;
    while ((request = TAILQ_FIRST(&session->requests))) {
        TAILQ_REMOVE(&session->requests, request, entry);
        session->request_count--;
        if (reason)
            refuse(session, request->request, reason);
        free(request);
    }
}

static void raise_clone_alarm(struct site *site, const struct session *holder,
                              const struct session *newcomer)
{
    int64_t now_s = clock_wall_s();
    if (site->alarmed_s != 0 && now_s - site->alarmed_s < ALARM_EVERY_S)
        return;
    site->alarmed_s = now_s;
    event_say(site->hub, "clone.alarm", site->row.name, NULL, newcomer->peer,
              "session %llu from %s publishes and is alive; session %llu from %s wants to publish "
              "too: are there two copies of one key?",
              (unsigned long long)holder->id, holder->peer, (unsigned long long)newcomer->id,
              newcomer->peer);
}

static void refuse_newcomer(struct site *site, struct session *newcomer)
{
    char reason[REASON_SIZE + 64], since[CLOCK_TEXT_SIZE];
    const struct session *holder = find_session(site->hub, site->claim.holder);
    if (!holder || site->claim.state == CLAIM_CONTESTED) {
        drop_waiting(newcomer, "another session claims this site at this moment: try again");
        return;
    }
    (void)snprintf(reason, sizeof reason,
                   "site %s is published by session %llu from %s since %s, which is alive",
                   site->row.name, (unsigned long long)holder->id, holder->peer,
                   clock_format(holder->since_s, since));
    raise_clone_alarm(site, holder, newcomer);
    drop_waiting(newcomer, reason);
}

static void log_claim(const struct site *site, enum claim_state before)
{
    if (site->claim.state != before)
        log_debug(KV("site", site->row.name), SAY("claim"), KV("from", claim_state_name(before)),
                  KV("to", claim_state_name(site->claim.state)), KV("holder", site->claim.holder),
                  KV("challenger", site->claim.challenger));
}

/* Acts on what became of a claim.  The loser's forwards are held first, so that the newcomer
 * finds their listeners open. */
static void act(struct site *site, const struct claim_outcome *outcome)
{
    struct session *evicted = find_session(site->hub, outcome->evicted);
    struct session *refused = find_session(site->hub, outcome->refused);
    struct session *granted = find_session(site->hub, outcome->granted);
    if (site->claim.state != CLAIM_CONTESTED)
        timeout_clear(&site->contest);
    if (evicted) {
        site->figures.takeovers++;
        log_info(KV("site", site->row.name), KV("session", evicted->id), SAY("evicted"),
                 KV("peer", evicted->peer), KV("by", outcome->granted));
        session_close(evicted, "replaced by another session of this site");
    }
    if (granted)
        publish_waiting(granted);
    if (refused)
        refuse_newcomer(site, refused);
}

static void ring(struct site *site);

static void on_deadline(void *owner)
{
    struct site *site = owner;
    int before_level = tracing_enter(site);
    /* libuv's clock may be a millisecond ahead of ours. */
    enum claim_state before = site->claim.state;
    struct claim_outcome outcome = claim_expire(&site->claim, site->claim.deadline_ms);
    log_claim(site, before);
    if (outcome.longer)
        ring(site);
    else
        act(site, &outcome);
    (void)log_scope(before_level);
}

static void ring(struct site *site)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t wait_ms = site->claim.deadline_ms > now_ms ? site->claim.deadline_ms - now_ms : 0;
    if (timeout_set(site->hub->loop, &site->contest, wait_ms, on_deadline, site) != 0)
        on_deadline(site);
}

static void probe(struct site *site, const struct session *holder)
{
    struct message message;
    message_init(&message, MESSAGE_PROBE);
    message.sid = holder->id;
    worker_send(holder->worker, &message);
    ring(site);
}

static void ask_claim(struct session *session)
{
    struct site *site = session->site;
    const struct session *holder = find_session(site->hub, site->claim.holder);
    bool supersedes =
        session->key && holder && strcmp(holder->fingerprint, session->fingerprint) != 0;
    enum claim_state before = site->claim.state;
    struct claim_outcome outcome = claim_ask(&site->claim, session->id, supersedes,
                                             holder ? holder->rtt_us : 0, clock_monotonic_ms());
    log_claim(site, before);
    if (outcome.probe != 0 && holder)
        probe(site, holder);
    else
        act(site, &outcome);
}

/* Whose PUBLISH is not even looked at. */
static const char *reason_to_refuse(const struct session *session)
{
    if (session->hub->stopping)
        return "the hub is stopping";
    if (session->role != ROLE_SITE)
        return "this session only enrols: log in with the site's name";
    return session->site->row.enabled ? NULL : "the site is disabled";
}

static int enqueue(struct session *session, const struct message *message)
{
    struct publish_request *request = calloc(1, sizeof *request);
    if (!request || !text_copy(request->address, sizeof request->address, message->address)) {
        free(request);
        return -1;
    }
    request->request = message->request;
    request->port = message->port;
    TAILQ_INSERT_TAIL(&session->requests, request, entry);
    session->request_count++;
    return 0;
}

int publish_on_publish(struct session *session, const struct message *message, struct fault *fault)
{
    struct fault refusal = {""};
    const char *reason = reason_to_refuse(session);
    if (!reason && !choose_forward(session->site, message->address, message->port, &refusal))
        reason = refusal.text;
    if (!reason && session->request_count >= REQUESTS_MAX)
        return fault_set(fault, "more than %d requests of session %llu at once", REQUESTS_MAX,
                         (unsigned long long)session->id);
    if (!reason && enqueue(session, message) != 0)
        reason = "out of memory";
    if (reason)
        refuse_port(session, message->request, message->port, reason);
    else
        ask_claim(session);
    return 0;
}

int publish_on_unpublish(struct session *session, const struct message *message,
                         struct fault *fault)
{
    (void)fault;
    struct forward *forward = site_forward(session->site, message->port);
    if (!forward || forward->session != session || !grant_means(forward->grant, message->address)) {
        session_reply(session, message->request, VERDICT_REFUSED,
                      "this session does not publish that port");
        return 0;
    }
    forward_withdraw(forward, "cancelled by the site");
    session_reply_port(session, message->request, forward->grant->port);
    return 0;
}

void publish_heard(struct session *session)
{
    if (session->site)
        claim_heard(&session->site->claim, session->id);
}

void publish_alive(struct session *session)
{
    if (!session->site || session->site->claim.state != CLAIM_CONTESTED)
        return;
    enum claim_state before = session->site->claim.state;
    struct claim_outcome outcome = claim_alive(&session->site->claim, session->id);
    log_claim(session->site, before);
    if (outcome.refused != 0)
        act(session->site, &outcome);
}

void publish_forget(struct session *session)
{
    drop_waiting(session, NULL);
    session->following = false;
    if (!session->site)
        return;
    enum claim_state before = session->site->claim.state;
    struct claim_outcome outcome = claim_gone(&session->site->claim, session->id);
    log_claim(session->site, before);
    act(session->site, &outcome);
    /* Whoever was refused because of it asks again with another list. */
    if (before != CLAIM_FREE && session->site->claim.state == CLAIM_FREE)
        site_forwards_changed(session->site);
}
