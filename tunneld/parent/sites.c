/*
 * Sites in memory.  The store is written first, memory second, so that what is refused on disk
 * never happened.  What a forward or a session does is theirs; this file only holds them together.
 */
#define _GNU_SOURCE
#include "parent/sites.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "parent/forwards.h"
#include "parent/operators.h"
#include "parent/outbound.h"
#include "parent/sessions.h"
#include "parent/snapshots.h"

static int compare_names(const void *a, const void *b)
{
    const struct site *left = a, *right = b;
    return strcmp(left->row.name, right->row.name);
}

struct site *site_find(const struct hub *hub, const char *name)
{
    struct site wanted;
    if (!text_copy(wanted.row.name, sizeof wanted.row.name, name))
        return NULL;
    struct site *const *found = tfind(&wanted, &hub->sites_by_name, compare_names);
    return found ? *found : NULL;
}

/* Sites come from the store in order, so that the search from the tail is short. */
static void insert_ordered(struct hub *hub, struct site *site)
{
    struct site *before = TAILQ_LAST(&hub->sites, site_list);
    while (before && strcmp(before->row.name, site->row.name) > 0)
        before = TAILQ_PREV(before, site_list, entry);
    if (before)
        TAILQ_INSERT_AFTER(&hub->sites, before, site, entry);
    else
        TAILQ_INSERT_HEAD(&hub->sites, site, entry);
}

struct site *site_remember(struct hub *hub, const struct site_row *row)
{
    struct site *site = calloc(1, sizeof *site);
    if (!site)
        return NULL;
    site->id = (uint64_t)row->id;
    site->row = *row;
    site->hub = hub;
    site->log_level = LOG_DEFAULT;
    TAILQ_INIT(&site->sessions);
    TAILQ_INIT(&site->outbounds);
    if (registry_add(&hub->sites_by_id, site) != 0) {
        free(site);
        return NULL;
    }
    if (!tsearch(site, &hub->sites_by_name, compare_names)) {
        registry_remove(&hub->sites_by_id, site);
        free(site);
        return NULL;
    }
    insert_ordered(hub, site);
    hub->site_count++;
    return site;
}

static void site_free(struct site *site)
{
    struct hub *hub = site->hub;
    while (site->forward_count > 0) {
        struct forward *last = site->forwards[site->forward_count - 1];
        site_drop_forward(site, last);
        forward_free(last);
    }
    free(site->forwards);
    struct outbound *outbound;
    while ((outbound = TAILQ_FIRST(&site->outbounds)))
        outbound_free(outbound, "site removed");
    timeout_clear(&site->contest);
    events_forget_site(hub, site);
    TAILQ_REMOVE(&hub->sites, site, entry);
    (void)tdelete(site, &hub->sites_by_name, compare_names);
    registry_remove(&hub->sites_by_id, site);
    hub->site_count--;
    refusals_release(&site->refusals);
    free(site);
}

struct loading {
    struct hub *hub;
    bool out_of_memory;
};

static void on_site(void *owner, const struct site_row *row)
{
    struct loading *loading = owner;
    if (!site_remember(loading->hub, row))
        loading->out_of_memory = true;
}

static void on_grant(void *owner, int64_t site_id, const struct grant *grant)
{
    struct loading *loading = owner;
    struct site *site = registry_find(&loading->hub->sites_by_id, (uint64_t)site_id);
    struct forward *forward = site ? forward_new(site, grant) : NULL;
    if (forward && site_add_forward(site, forward) == 0)
        return;
    forward_free(forward);
    loading->out_of_memory = true;
}

static void on_outbound(void *owner, int64_t site_id, const struct outbound_row *row)
{
    struct loading *loading = owner;
    struct site *site = registry_find(&loading->hub->sites_by_id, (uint64_t)site_id);
    if (!site || !outbound_new(site, row))
        loading->out_of_memory = true;
}

int sites_load(struct hub *hub, struct fault *fault)
{
    struct loading loading = {.hub = hub};
    if (store_sites(hub->store, on_site, &loading, fault) != 0 ||
        store_grants(hub->store, on_grant, &loading, fault) != 0 ||
        store_outbounds(hub->store, on_outbound, &loading, fault) != 0)
        return -1;
    if (loading.out_of_memory)
        return fault_set(fault, "out of memory while reading the sites from the store");
    return 0;
}

void sites_release(struct hub *hub)
{
    struct site *site;
    while ((site = TAILQ_FIRST(&hub->sites)))
        site_free(site);
}

int site_add(struct hub *hub, const char *name, struct site **out, struct fault *fault)
{
    struct site_row row = {.enabled = true, .created_s = clock_wall_s()};
    if (!text_copy(row.name, sizeof row.name, name))
        return fault_set(fault, "the site's name is too long");
    if (operator_find(hub, name))
        return fault_set(fault, "%s is the name of an operator: choose another for the site", name);
    if (store_site_add(hub->store, name, row.created_s, &row.id, fault) != 0)
        return -1;
    *out = site_remember(hub, &row);
    if (*out)
        return 0;
    if (store_site_remove(hub->store, row.id, fault) != 0)
        return -1;
    return fault_set(fault, "out of memory: site %s was not added", name);
}

size_t site_close_sessions(struct site *site, const char *but_fingerprint, const char *reason)
{
    size_t closed = 0;
    struct session *session;
    TAILQ_FOREACH(session, &site->sessions, of_site)
    {
        bool kept = but_fingerprint && strcmp(session->fingerprint, but_fingerprint) == 0;
        if (kept || session->state == SESSION_CLOSING)
            continue;
        session_close(session, reason);
        closed++;
    }
    return closed;
}

void site_close_revoked(struct site *site)
{
    struct session *session;
    TAILQ_FOREACH(session, &site->sessions, of_site)
    {
        struct key_row row;
        if (session->key && store_key_find(site->hub->store, session->key, &row, NULL) == 0)
            session_close(session, "its keyfile was revoked");
    }
}

/* Sessions outlive their site until their worker has said GONE. */
static void disown_sessions(struct site *site, const char *reason)
{
    (void)site_close_sessions(site, NULL, reason);
    struct session *session;
    while ((session = TAILQ_FIRST(&site->sessions))) {
        TAILQ_REMOVE(&site->sessions, session, of_site);
        if (session->serving && --site->serving_count == 0)
            site->hub->sites_online--;
        session->site = NULL;
    }
}

void site_forget(struct site *site)
{
    disown_sessions(site, "site removed");
    site_free(site);
}

int site_remove(struct site *site, struct fault *fault)
{
    if (store_site_remove(site->hub->store, site->row.id, fault) != 0)
        return -1;
    site_forget(site);
    return 0;
}

void site_set_enabled(struct site *site, bool enabled)
{
    site->row.enabled = enabled;
    if (enabled)
        return;
    /* In this order: a session that ends leaves its listeners to be held. */
    (void)site_close_sessions(site, NULL, "site disabled");
    for (size_t i = 0; i < site->forward_count; i++)
        forward_cut(site->forwards[i], "site disabled");
}

int site_enable(struct site *site, bool enabled, struct fault *fault)
{
    if (store_site_enable(site->hub->store, site->row.id, enabled, fault) != 0)
        return -1;
    site_set_enabled(site, enabled);
    return 0;
}

struct session *site_main_session(const struct site *site)
{
    struct session *session, *serving = NULL;
    TAILQ_FOREACH(session, &site->sessions, of_site)
    {
        if (session->state != SESSION_UP)
            continue;
        if (session_is_publisher(session))
            return session;
        if (session->serving)
            serving = session;
    }
    return serving;
}

/* The first index whose port is not below. */
static size_t lower_bound(const struct site *site, uint64_t port)
{
    size_t low = 0, high = site->forward_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (site->forwards[middle]->grant->port < port)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct forward *site_forward(const struct site *site, uint64_t port)
{
    size_t at = lower_bound(site, port);
    bool found = at < site->forward_count && site->forwards[at]->grant->port == port;
    return found ? site->forwards[at] : NULL;
}

int site_add_forward(struct site *site, struct forward *forward)
{
    struct forward **grown = reallocarray(site->forwards, site->forward_count + 1, sizeof *grown);
    if (!grown)
        return -1;
    site->forwards = grown;
    size_t at = lower_bound(site, forward->grant->port);
    memmove(grown + at + 1, grown + at, (site->forward_count - at) * sizeof *grown);
    grown[at] = forward;
    site->forward_count++;
    LIST_INSERT_HEAD(&site->hub->forwards_by_port[forward->grant->port], forward, same_port);
    return 0;
}

void site_drop_forward(struct site *site, struct forward *forward)
{
    size_t at = lower_bound(site, forward->grant->port);
    site->forward_count--;
    memmove(site->forwards + at, site->forwards + at + 1,
            (site->forward_count - at) * sizeof *site->forwards);
    LIST_REMOVE(forward, same_port);
}

void site_forwards_changed(struct site *site)
{
    site->generation++;
    struct session *session;
    TAILQ_FOREACH(session, &site->sessions, of_site)
    {
        if (session->following && session->state == SESSION_UP)
            snapshot_send(session);
    }
}

void site_refused(struct site *site, const char *peer, const char *text)
{
    refusals_add(&site->refusals, text);
    if (refusals_may_audit(&site->refusals))
        event_say(site->hub, "site.refused", site->row.name, NULL, peer, "%s", text);
}
