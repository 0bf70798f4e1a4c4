/* Operators at rest.  That a key is nobody else's is looked at here, and decided by the callers. */
#define _GNU_SOURCE
#include "parent/store_internal.h"

#include <string.h>

struct operators_walk {
    void (*on_operator)(void *owner, const struct operator_row *row);
    void *owner;
    struct fault *fault;
    bool damaged;
};

static void on_operator_row(void *owner, sqlite3_stmt *statement)
{
    struct operators_walk *walk = owner;
    struct operator_row row = {
        .id = sqlite3_column_int64(statement, 0),
        .expires_s = sqlite3_column_int64(statement, 4),
        .created_s = sqlite3_column_int64(statement, 5),
    };
    char scopes[SCOPES_TEXT_MAX];
    const void *blob = sqlite3_column_blob(statement, 2);
    int length = sqlite3_column_bytes(statement, 2);
    store_text(statement, 1, row.name, sizeof row.name);
    store_text(statement, 3, scopes, sizeof scopes);
    if (public_key_from_blob(blob, length > 0 ? (size_t)length : 0, &row.key, walk->fault) == 0 &&
        scopes_parse(scopes, &row.scopes, walk->fault) == 0) {
        walk->on_operator(walk->owner, &row);
        return;
    }
    (void)fault_prefix(walk->fault, "operator %s in the store", row.name);
    walk->damaged = true;
}

int store_operators(struct store *store,
                    void (*on_operator)(void *owner, const struct operator_row *row), void *owner,
                    struct fault *fault)
{
    struct operators_walk walk = {on_operator, owner, fault, false};
    int rows = store_query(store, fault, on_operator_row, &walk,
                           "SELECT id, name, blob, sites, expires, created FROM operators"
                           " ORDER BY name",
                           "");
    return rows < 0 || walk.damaged ? -1 : 0;
}

int store_operator_add(struct store *store, struct operator_row *row, struct fault *fault)
{
    char fingerprint[FINGERPRINT_SIZE], scopes[SCOPES_TEXT_MAX];
    int rc = store_query(store, fault, NULL, NULL,
                         "INSERT INTO operators(name, blob, fingerprint, sites, expires, created)"
                         " VALUES (?, ?, ?, ?, ?, ?)",
                         "tbttii", row->name, (const void *)row->key.blob, row->key.length,
                         public_key_fingerprint(&row->key, fingerprint),
                         scopes_format(&row->scopes, scopes), row->expires_s, row->created_s);
    if (rc < 0)
        return rc;
    row->id = sqlite3_last_insert_rowid(store->db);
    return 0;
}

int store_operator_set(struct store *store, const struct operator_row *row, struct fault *fault)
{
    char fingerprint[FINGERPRINT_SIZE], scopes[SCOPES_TEXT_MAX];
    int rc = store_query(store, fault, NULL, NULL,
                         "UPDATE operators SET blob = ?, fingerprint = ?, sites = ?, expires = ?"
                         " WHERE id = ?",
                         "bttii", (const void *)row->key.blob, row->key.length,
                         public_key_fingerprint(&row->key, fingerprint),
                         scopes_format(&row->scopes, scopes), row->expires_s, row->id);
    return rc < 0 ? rc : 0;
}

int store_operator_remove(struct store *store, int64_t id, struct fault *fault)
{
    int rc = store_query(store, fault, NULL, NULL, "DELETE FROM operators WHERE id = ?", "i", id);
    return rc < 0 ? -1 : 0;
}

static void on_name(void *owner, sqlite3_stmt *row)
{
    store_text(row, 0, owner, NAME_SIZE);
}

int store_operator_of_key(struct store *store, const struct public_key *key, char name[NAME_SIZE],
                          struct fault *fault)
{
    return store_query(store, fault, on_name, name, "SELECT name FROM operators WHERE blob = ?",
                       "b", (const void *)key->blob, key->length);
}

int store_site_of_key(struct store *store, const struct public_key *key, char name[NAME_SIZE],
                      struct fault *fault)
{
    return store_query(store, fault, on_name, name,
                       "SELECT name FROM keys JOIN sites ON sites.id = site WHERE blob = ?", "b",
                       (const void *)key->blob, key->length);
}
