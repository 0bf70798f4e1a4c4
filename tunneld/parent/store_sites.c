/* Sites and grants at rest. */
#define _GNU_SOURCE
#include "parent/store_internal.h"

#include <stdlib.h>

#include "parent/policy_json.h"

struct sites_walk {
    void (*on_site)(void *owner, const struct site_row *row);
    void *owner;
};

static void on_site_row(void *owner, sqlite3_stmt *row)
{
    const struct sites_walk *walk = owner;
    struct site_row site = {
        .id = sqlite3_column_int64(row, 0),
        .enabled = sqlite3_column_int64(row, 2) != 0,
        .created_s = sqlite3_column_int64(row, 3),
        .last_seen_s = sqlite3_column_int64(row, 4),
        .last_disconnect_s = sqlite3_column_int64(row, 5),
        .reconnects = sqlite3_column_int64(row, 7),
    };
    store_text(row, 1, site.name, sizeof site.name);
    store_text(row, 6, site.last_reason, sizeof site.last_reason);
    walk->on_site(walk->owner, &site);
}

int store_sites(struct store *store, void (*on_site)(void *owner, const struct site_row *row),
                void *owner, struct fault *fault)
{
    struct sites_walk walk = {on_site, owner};
    int rows = store_query(store, fault, on_site_row, &walk,
                           "SELECT id, name, enabled, created, last_seen, last_disconnect,"
                           " last_reason, reconnects FROM sites ORDER BY name",
                           "");
    return rows < 0 ? -1 : 0;
}

int store_site_add(struct store *store, const char *name, int64_t created_s, int64_t *id,
                   struct fault *fault)
{
    int rc = store_query(store, fault, NULL, NULL, "INSERT INTO sites(name, created) VALUES (?, ?)",
                         "ti", name, created_s);
    if (rc < 0)
        return rc;
    *id = sqlite3_last_insert_rowid(store->db);
    return 0;
}

int store_site_remove(struct store *store, int64_t id, struct fault *fault)
{
    int rc = store_query(store, fault, NULL, NULL, "DELETE FROM sites WHERE id = ?", "i", id);
    return rc < 0 ? -1 : 0;
}

int store_site_enable(struct store *store, int64_t id, bool enabled, struct fault *fault)
{
    int rc = store_query(store, fault, NULL, NULL, "UPDATE sites SET enabled = ? WHERE id = ?",
                         "ii", (int64_t)enabled, id);
    return rc < 0 ? -1 : 0;
}

int store_site_seen(struct store *store, const struct site_row *row, struct fault *fault)
{
    int rc = store_query(store, fault, NULL, NULL,
                         "UPDATE sites SET last_seen = ?, last_disconnect = ?, last_reason = ?,"
                         " reconnects = ? WHERE id = ?",
                         "iitii", row->last_seen_s, row->last_disconnect_s, row->last_reason,
                         row->reconnects, row->id);
    return rc < 0 ? -1 : 0;
}

struct grants_walk {
    void (*on_grant)(void *owner, int64_t site, const struct grant *grant);
    void *owner;
    struct fault *fault;
    bool failed;
};

static int read_policy(sqlite3_stmt *row, int column, struct policy *policy, struct fault *fault)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    int rc = policy_from_json(policy, json, fault);
    json_decref(json);
    return rc;
}

/* A policy that cannot be read lets nobody in: the walk fails. */
static void on_grant_row(void *owner, sqlite3_stmt *row)
{
    struct grants_walk *walk = owner;
    struct grant grant = {
        .id = sqlite3_column_int64(row, 0),
        .port = (uint16_t)sqlite3_column_int64(row, 2),
        .enabled = sqlite3_column_int64(row, 5) != 0,
        .created_s = sqlite3_column_int64(row, 6),
    };
    store_text(row, 3, grant.address, sizeof grant.address);
    store_text(row, 4, grant.target, sizeof grant.target);
    if (walk->failed)
        return;
    if (read_policy(row, 7, &grant.policy, walk->fault) != 0) {
        (void)fault_prefix(walk->fault, "the policy of port %u in the store", (unsigned)grant.port);
        walk->failed = true;
        return;
    }
    walk->on_grant(walk->owner, sqlite3_column_int64(row, 1), &grant);
}

int store_grants(struct store *store,
                 void (*on_grant)(void *owner, int64_t site, const struct grant *grant),
                 void *owner, struct fault *fault)
{
    struct grants_walk walk = {on_grant, owner, fault, false};
    int rows = store_query(store, fault, on_grant_row, &walk,
                           "SELECT id, site, port, address, target, enabled, created, policy"
                           " FROM grants ORDER BY site, port",
                           "");
    return rows < 0 || walk.failed ? -1 : 0;
}

/* As the store keeps it; NULL (and a fault) when out of memory.  The caller frees it. */
static char *policy_text(const struct policy *policy, struct fault *fault)
{
    json_t *json = policy_to_json(policy);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text)
        (void)fault_set(fault, "out of memory");
    return text;
}

int store_grant_add(struct store *store, int64_t site, struct grant *grant, struct fault *fault)
{
    char *policy = policy_text(&grant->policy, fault);
    if (!policy)
        return -1;
    int rc = store_query(store, fault, NULL, NULL,
                         "INSERT INTO grants(site, port, address, target, enabled, created, policy)"
                         " VALUES (?, ?, ?, ?, ?, ?, ?)",
                         "iittiit", site, (int64_t)grant->port, grant->address, grant->target,
                         (int64_t)grant->enabled, grant->created_s, policy);
    free(policy);
    if (rc < 0)
        return rc;
    grant->id = sqlite3_last_insert_rowid(store->db);
    return 0;
}

int store_grant_set(struct store *store, const struct grant *grant, struct fault *fault)
{
    char *policy = policy_text(&grant->policy, fault);
    if (!policy)
        return -1;
    int rc = store_query(store, fault, NULL, NULL,
                         "UPDATE grants SET address = ?, target = ?, enabled = ?, policy = ?"
                         " WHERE id = ?",
                         "ttiti", grant->address, grant->target, (int64_t)grant->enabled, policy,
                         grant->id);
    free(policy);
    return rc < 0 ? rc : 0;
}

int store_grant_remove(struct store *store, int64_t id, struct fault *fault)
{
    int rc = store_query(store, fault, NULL, NULL, "DELETE FROM grants WHERE id = ?", "i", id);
    return rc < 0 ? -1 : 0;
}
