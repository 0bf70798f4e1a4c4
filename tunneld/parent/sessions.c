/*
 * Sessions: their bounds, their life, what makes a site online.  Who a peer is decides
 * identify.c, what it may publish publish.c; this file reads nothing from any socket.
 */
#define _GNU_SOURCE
#include "parent/sessions.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/kept_text.h"
#include "base/log.h"
#include "parent/connections.h"
#include "parent/opens.h"
#include "parent/operators.h"
#include "parent/outbound_open.h"
#include "parent/peer_text.h"
#include "parent/publish.h"
#include "parent/sites.h"
#include "parent/strangers.h"
#include "parent/tracing.h"
#include "parent/workers.h"

#define LAST_LOOK_MS 1000
#define OVERDUE_MS   30000 /* from CLOSE to GONE */

static const char *const state_names[] = {
    [SESSION_LOGIN] = "login", [SESSION_UP] = "up", [SESSION_CLOSING] = "closing"};

void session_set_state(struct session *session, enum session_state state)
{
    log_debug(KV("session", session->id), SAY("state"), KV("from", state_names[session->state]),
              KV("to", state_names[state]));
    session->state = state;
}

static struct session *session_new(struct hub *hub, struct worker *worker,
                                   const struct sockaddr *peer)
{
    struct session *session = calloc(1, sizeof *session);
    if (!session)
        return NULL;
    char text[HOST_PORT_SIZE], host[HOST_SIZE];
    (void)address_host(peer, host);
    (void)text_copy(session->peer, sizeof session->peer, address_format(peer, text));
    (void)text_copy(session->host, sizeof session->host, host);
    session->id = ++hub->last_id;
    session->hub = hub;
    session->worker = worker;
    session->since_s = clock_wall_s();
    session->since_ms = clock_monotonic_ms();
    TAILQ_INIT(&session->connections);
    TAILQ_INIT(&session->requests);
    TAILQ_INIT(&session->opens);
    TAILQ_INIT(&session->opened);
    if (registry_add(&hub->sessions, session) == 0)
        return session;
    free(session);
    return NULL;
}

struct session *session_begin(struct worker *worker, const struct sockaddr *peer)
{
    struct session *session = session_new(worker->hub, worker, peer);
    if (!session)
        return NULL;
    TAILQ_INSERT_TAIL(&worker->sessions, session, of_worker);
    worker->session_count++;
    return session;
}

static void leave_worker(struct session *session)
{
    session->worker->session_count--;
    TAILQ_REMOVE(&session->worker->sessions, session, of_worker);
    registry_remove(&session->hub->sessions, session);
}

void session_drop(struct session *session)
{
    leave_worker(session);
    free(session);
}

static void note_hub_host(struct session *session, int descriptor)
{
    struct sockaddr_storage local = {0};
    socklen_t length = sizeof local;
    char host[HOST_SIZE];
    if (getsockname(descriptor, (struct sockaddr *)&local, &length) != 0)
        return;
    (void)address_host((struct sockaddr *)&local, host);
    (void)text_copy(session->hub_host, sizeof session->hub_host, host);
}

void session_hand_over(struct session *session, int descriptor)
{
    struct message message;
    note_hub_host(session, descriptor);
    message_init(&message, MESSAGE_SESSION);
    message.sid = session->id;
    (void)text_copy(message.peer, sizeof message.peer, session->peer);
    message.descriptor = descriptor;
    worker_send(session->worker, &message);
    (void)close(descriptor);
}

void session_identify(struct session *session, struct site *site, enum session_role role,
                      const char *fingerprint)
{
    session->site = site;
    session->role = role;
    (void)text_copy(session->site_name, sizeof session->site_name, site->row.name);
    (void)text_copy(session->fingerprint, sizeof session->fingerprint, fingerprint);
    TAILQ_INSERT_TAIL(&site->sessions, session, of_site);
    tracing_tell(session);
}

bool session_is_publisher(const struct session *session)
{
    return session->site && session->site->claim.state != CLAIM_FREE &&
           session->site->claim.holder == session->id;
}

static void on_overdue(void *owner)
{
    struct session *session = owner;
    /* This process may have been asleep meanwhile: then GONE is there, and not read yet. */
    if (!session->last_look) {
        session->last_look = true;
        if (timeout_set(session->hub->loop, &session->overdue, LAST_LOOK_MS, on_overdue, session) ==
            0)
            return;
    }
    worker_kill(session->worker, "a session that was to be closed has not ended");
}

void session_close(struct session *session, const char *reason)
{
    if (session->state == SESSION_CLOSING)
        return;
    kept_text_set(&session->reason, reason);
    struct message message;
    message_init(&message, MESSAGE_CLOSE);
    message.sid = session->id;
    (void)text_copy(message.text, sizeof message.text, reason);
    worker_send(session->worker, &message);
    session_set_state(session, SESSION_CLOSING);
    stranger_leave(session);
    forwards_hold_session(session, reason);
    publish_forget(session);
    outbound_forget_session(session);
    opens_cut(session);
    if (timeout_set(session->hub->loop, &session->overdue, OVERDUE_MS, on_overdue, session) != 0)
        log_warning(KV("session", session->id), SAY("closes without a deadline: out of memory"));
}

static void leave_site(struct session *session, const char *reason)
{
    struct site *site = session->site;
    int64_t now_s = clock_wall_s();
    TAILQ_REMOVE(&site->sessions, session, of_site);
    if (!session->serving)
        return;
    site->row.last_seen_s = now_s;
    site->row.last_disconnect_s = now_s;
    peer_text(site->row.last_reason, sizeof site->row.last_reason, reason);
    events_site_changed(session->hub, site);
    if (--site->serving_count > 0)
        return;
    session->hub->sites_online--;
    event_say(session->hub, "site.offline", site->row.name, NULL, session->peer, "%s", reason);
}

static void log_end(const struct session *session, const char *reason)
{
    long long age_s = (long long)((clock_monotonic_ms() - session->since_ms) / 1000);
    if (!session->authenticated)
        log_debug(KV("session", session->id), SAY("ended before it was authenticated"),
                  KV("peer", session->peer), KV("reason", reason));
    else if (session->role == ROLE_OPERATOR)
        log_info(KV("operator", kept_text(session->operator_name)), KV("session", session->id),
                 SAY("ended"), KV("peer", session->peer), KV("duration_s", age_s),
                 KV("reason", reason));
    else
        log_info(KV("site", session->site_name), KV("session", session->id), SAY("ended"),
                 KV("peer", session->peer), KV("duration_s", age_s), KV("reason", reason));
}

void session_end(struct session *session, const char *reason)
{
    int before = tracing_enter(session->site);
    if (session->reason)
        reason = session->reason;
    timeout_clear(&session->overdue);
    forwards_hold_session(session, reason);
    publish_forget(session);
    outbound_forget_session(session);
    opens_forget(session);
    connections_lose(session, reason);
    operator_leave(session);
    if (session->site)
        leave_site(session, reason);
    log_end(session, reason);
    if (session->authenticated)
        session->hub->session_count--;
    stranger_forget(session);
    leave_worker(session);
    kept_text_drop(&session->operator_name);
    kept_text_drop(&session->software);
    kept_text_drop(&session->cipher);
    kept_text_drop(&session->reason);
    free(session->key);
    free(session);
    (void)log_scope(before);
}

void session_serve(struct session *session)
{
    struct site *site = session->site;
    if (session->serving || !site)
        return;
    session->serving = true;
    if (site->row.last_seen_s != 0)
        site->row.reconnects++;
    site->row.last_seen_s = clock_wall_s();
    events_site_changed(session->hub, site);
    if (site->serving_count++ > 0)
        return;
    session->hub->sites_online++;
    event_say(session->hub, "site.online", site->row.name, NULL, session->peer, "%s",
              kept_text(session->software));
}

/* The key of this session took the place of another. */
static void end_old_key(struct session *session, struct session *kept, bool rotation)
{
    struct site *site = session->site;
    if (!rotation || refusals_may_audit(&site->refusals))
        event_say(session->hub, rotation ? "site.rotated" : "site.activated", site->row.name, NULL,
                  session->peer, "key %s is current now", session->fingerprint);
    if (kept)
        (void)text_copy(kept->fingerprint, sizeof kept->fingerprint, session->fingerprint);
    (void)site_close_sessions(site, session->fingerprint, "replaced by a new key");
    if (!site->rotate)
        return;
    site->rotate = false;
    site_forwards_changed(site);
}

int session_activate_key(struct session *session, struct session *kept, struct fault *fault)
{
    struct key_row row;
    struct site *site = session->site;
    if (!session->key)
        return 0;
    int found = store_key_find(session->hub->store, session->key, &row, fault);
    if (found < 0)
        return -1;
    if (found == 0 || row.site != site->row.id)
        return fault_set(fault, "this key was revoked before its first use: ask for a new keyfile");
    if (row.state == KEY_PENDING) {
        CRASH_POINT("parent.activation_asked");
        if (store_key_activate(session->hub->store, site->row.id, session->key, clock_wall_s(),
                               fault) != 0)
            return -1;
        CRASH_POINT("parent.activation_committed");
        end_old_key(session, kept, row.rotation);
    }
    free(session->key);
    session->key = NULL;
    return 0;
}
