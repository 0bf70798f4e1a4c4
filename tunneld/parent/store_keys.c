/*
 * Keys and keyfiles at rest.  A change of both is one transaction, so that a crash leaves the
 * enrolment before or after a step, never between.  Who may take a step is enrolment.c's matter.
 */
#define _GNU_SOURCE
#include "parent/store_internal.h"

#include <string.h>

#include "base/crash_point.h"

static const char *const key_states[] = {
    [KEY_NONE] = "none", [KEY_PENDING] = "pending", [KEY_CURRENT] = "current"};
static const char *const keyfile_states[] = {[KEYFILE_OPEN] = "open",
                                             [KEYFILE_PENDING] = "pending",
                                             [KEYFILE_SPENT] = "spent",
                                             [KEYFILE_REVOKED] = "revoked"};

const char *key_state_name(enum key_state state)
{
    return key_states[state];
}

const char *keyfile_state_name(enum keyfile_state state)
{
    return keyfile_states[state];
}

/* What every step of a transaction ends with: all or nothing. */
static int finish(struct store *store, bool done, const char *what, struct fault *fault)
{
    if (done)
        return store_commit(store, fault);
    store_rollback(store);
    return fault_prefix(fault, "%s", what);
}

/* The last statement must have changed a row; else another state was found than expected. */
static bool changed(struct store *store, int rows, struct fault *fault)
{
    if (rows < 0)
        return false;
    if (store_changes(store) > 0)
        return true;
    (void)fault_set(fault, "it is in another state by now");
    return false;
}

struct keys_walk {
    void (*on_key)(void *owner, const struct key_row *row);
    void *owner;
};

/* A key that came by rotation stands with the keyfile of the key before it, which is spent. */
#define KEY_COLUMNS                                                                                \
    "keys.site, keys.state, fingerprint, keyfile, since, keyfiles.state"                           \
    " FROM keys JOIN keyfiles ON keyfiles.id = keyfile"

static void read_key(sqlite3_stmt *row, struct key_row *key)
{
    int64_t state = sqlite3_column_int64(row, 1);
    *key = (struct key_row){
        .site = sqlite3_column_int64(row, 0),
        .state = state == KEY_CURRENT ? KEY_CURRENT : KEY_PENDING,
        .rotation = state != KEY_CURRENT && sqlite3_column_int64(row, 5) == (int64_t)KEYFILE_SPENT,
        .since_s = sqlite3_column_int64(row, 4),
    };
    store_text(row, 2, key->fingerprint, sizeof key->fingerprint);
    store_text(row, 3, key->keyfile, sizeof key->keyfile);
}

static void on_one_key(void *owner, sqlite3_stmt *row)
{
    read_key(row, owner);
}

static void on_key_row(void *owner, sqlite3_stmt *row)
{
    const struct keys_walk *walk = owner;
    struct key_row key;
    read_key(row, &key);
    walk->on_key(walk->owner, &key);
}

int store_key_find(struct store *store, const struct public_key *key, struct key_row *row,
                   struct fault *fault)
{
    return store_query(store, fault, on_one_key, row, "SELECT " KEY_COLUMNS " WHERE blob = ?", "b",
                       (const void *)key->blob, key->length);
}

int store_keys(struct store *store, int64_t site,
               void (*on_key)(void *owner, const struct key_row *row), void *owner,
               struct fault *fault)
{
    struct keys_walk walk = {on_key, owner};
    int rows = store_query(store, fault, on_key_row, &walk,
                           "SELECT " KEY_COLUMNS " WHERE keys.site = ? ORDER BY keys.state DESC",
                           "i", site);
    return rows < 0 ? -1 : 0;
}

int store_all_keys(struct store *store, void (*on_key)(void *owner, const struct key_row *row),
                   void *owner, struct fault *fault)
{
    struct keys_walk walk = {on_key, owner};
    int rows = store_query(store, fault, on_key_row, &walk,
                           "SELECT " KEY_COLUMNS " ORDER BY keys.site, keys.state DESC", "");
    return rows < 0 ? -1 : 0;
}

static bool take_keyfile(struct store *store, int64_t site, const char *keyfile,
                         const char *fingerprint, const char *from, int64_t now_s,
                         struct fault *fault)
{
    int rows = store_query(store, fault, NULL, NULL,
                           "UPDATE keyfiles SET state = ?, used_key = ?, used_at = ?,"
                           " used_from = ? WHERE id = ? AND site = ? AND state = ?",
                           "itittii", (int64_t)KEYFILE_PENDING, fingerprint, now_s, from, keyfile,
                           site, (int64_t)KEYFILE_OPEN);
    return changed(store, rows, fault);
}

static bool drop_rotation(struct store *store, int64_t site, struct fault *fault)
{
    return store_query(store, fault, NULL, NULL,
                       "DELETE FROM keys WHERE site = ?1 AND state = ?2 AND keyfile IN"
                       " (SELECT id FROM keyfiles WHERE site = ?1 AND state = ?3)",
                       "iii", site, (int64_t)KEY_PENDING, (int64_t)KEYFILE_SPENT) >= 0;
}

int store_key_bind(struct store *store, int64_t site, const struct public_key *key,
                   const char *keyfile, const char *from, int64_t now_s, struct fault *fault)
{
    char fingerprint[FINGERPRINT_SIZE];
    public_key_fingerprint(key, fingerprint);
    if (store_begin(store, fault) != 0)
        return -1;
    bool done = take_keyfile(store, site, keyfile, fingerprint, from, now_s, fault) &&
                drop_rotation(store, site, fault) &&
                store_query(store, fault, NULL, NULL,
                            "INSERT INTO keys(blob, site, state, keyfile, fingerprint, since)"
                            " VALUES (?, ?, ?, ?, ?, ?)",
                            "biitti", (const void *)key->blob, key->length, site,
                            (int64_t)KEY_PENDING, keyfile, fingerprint, now_s) >= 0;
    CRASH_POINT("parent.redeem_uncommitted");
    return finish(store, done, "the key cannot be bound to its keyfile", fault);
}

int store_key_rotate(struct store *store, int64_t site, const struct public_key *key, int64_t now_s,
                     struct fault *fault)
{
    char fingerprint[FINGERPRINT_SIZE];
    public_key_fingerprint(key, fingerprint);
    if (store_begin(store, fault) != 0)
        return -1;
    int rows = -1;
    if (drop_rotation(store, site, fault))
        rows =
            store_query(store, fault, NULL, NULL,
                        "INSERT INTO keys(blob, site, state, keyfile, fingerprint, since)"
                        " SELECT ?, site, ?, keyfile, ?, ? FROM keys WHERE site = ? AND state = ?",
                        "bitiii", (const void *)key->blob, key->length, (int64_t)KEY_PENDING,
                        fingerprint, now_s, site, (int64_t)KEY_CURRENT);
    bool done = changed(store, rows, fault);
    CRASH_POINT("parent.rotation_uncommitted");
    if (finish(store, done, "the new key cannot be bound", fault) == 0)
        return 0;
    return rows == STORE_EXISTS ? STORE_EXISTS : -1;
}

/* The order matters: a site has one current key (UNIQUE (site, state)). */
static bool replace_current(struct store *store, int64_t site, const struct public_key *key,
                            int64_t now_s, struct fault *fault)
{
    if (store_query(store, fault, NULL, NULL, "DELETE FROM keys WHERE site = ? AND state = ?", "ii",
                    site, (int64_t)KEY_CURRENT) < 0)
        return false;
    int rows = store_query(store, fault, NULL, NULL,
                           "UPDATE keys SET state = ?, since = ?"
                           " WHERE blob = ? AND site = ? AND state = ?",
                           "iibii", (int64_t)KEY_CURRENT, now_s, (const void *)key->blob,
                           key->length, site, (int64_t)KEY_PENDING);
    return changed(store, rows, fault);
}

int store_key_activate(struct store *store, int64_t site, const struct public_key *key,
                       int64_t now_s, struct fault *fault)
{
    if (store_begin(store, fault) != 0)
        return -1;
    bool done =
        replace_current(store, site, key, now_s, fault) &&
        store_query(store, fault, NULL, NULL,
                    "UPDATE keyfiles SET state = ?"
                    " WHERE id = (SELECT keyfile FROM keys WHERE blob = ?)",
                    "ib", (int64_t)KEYFILE_SPENT, (const void *)key->blob, key->length) >= 0;
    CRASH_POINT("parent.activation_uncommitted");
    return finish(store, done, "the key cannot be activated", fault);
}

struct keyfiles_walk {
    void (*on_keyfile)(void *owner, const struct keyfile_row *row);
    void *owner;
};

#define KEYFILE_SELECT                                                                             \
    "SELECT keyfiles.id, site, name, digest, issued, expires, from_cidr, replace, state,"          \
    " used_key, used_at, used_from FROM keyfiles JOIN sites ON sites.id = site "

static void read_keyfile(sqlite3_stmt *row, struct keyfile_row *keyfile)
{
    int64_t state = sqlite3_column_int64(row, 8);
    *keyfile = (struct keyfile_row){
        .site = sqlite3_column_int64(row, 1),
        .issued_s = sqlite3_column_int64(row, 4),
        .expires_s = sqlite3_column_int64(row, 5),
        .replace = sqlite3_column_int64(row, 7) != 0,
        .state = state >= KEYFILE_OPEN && state < KEYFILE_REVOKED ? (enum keyfile_state)state
                                                                  : KEYFILE_REVOKED,
        .used_s = sqlite3_column_int64(row, 10),
    };
    const void *digest = sqlite3_column_blob(row, 3);
    if (digest && sqlite3_column_bytes(row, 3) == (int)sizeof keyfile->digest)
        memcpy(keyfile->digest, digest, sizeof keyfile->digest);
    else
        keyfile->state = KEYFILE_REVOKED;
    store_text(row, 0, keyfile->id, sizeof keyfile->id);
    store_text(row, 2, keyfile->site_name, sizeof keyfile->site_name);
    store_text(row, 6, keyfile->from, sizeof keyfile->from);
    store_text(row, 9, keyfile->used_key, sizeof keyfile->used_key);
    store_text(row, 11, keyfile->used_from, sizeof keyfile->used_from);
}

static void on_one_keyfile(void *owner, sqlite3_stmt *row)
{
    read_keyfile(row, owner);
}

static void on_keyfile_row(void *owner, sqlite3_stmt *row)
{
    const struct keyfiles_walk *walk = owner;
    struct keyfile_row keyfile;
    read_keyfile(row, &keyfile);
    walk->on_keyfile(walk->owner, &keyfile);
}

int store_keyfile_find(struct store *store, const char *id, struct keyfile_row *row,
                       struct fault *fault)
{
    return store_query(store, fault, on_one_keyfile, row, KEYFILE_SELECT "WHERE keyfiles.id = ?",
                       "t", id);
}

int store_keyfiles(struct store *store, int64_t site,
                   void (*on_keyfile)(void *owner, const struct keyfile_row *row), void *owner,
                   struct fault *fault)
{
    struct keyfiles_walk walk = {on_keyfile, owner};
    int rows = store_query(store, fault, on_keyfile_row, &walk,
                           KEYFILE_SELECT "WHERE ?1 = 0 OR site = ?1"
                                          " ORDER BY issued DESC, keyfiles.rowid DESC",
                           "i", site);
    return rows < 0 ? -1 : 0;
}

/* Keyfiles that nobody activated yet die together with the keys bound to them. */
static bool revoke_unused(struct store *store, int64_t site, const char *id, struct fault *fault)
{
    return store_query(store, fault, NULL, NULL,
                       "DELETE FROM keys WHERE state = ?1 AND keyfile IN"
                       " (SELECT id FROM keyfiles WHERE site = ?2 OR id = ?3)",
                       "iit", (int64_t)KEY_PENDING, site, id) >= 0 &&
           store_query(store, fault, NULL, NULL,
                       "UPDATE keyfiles SET state = ?1"
                       " WHERE (site = ?2 OR id = ?3) AND state IN (?4, ?5)",
                       "iitii", (int64_t)KEYFILE_REVOKED, site, id, (int64_t)KEYFILE_OPEN,
                       (int64_t)KEYFILE_PENDING) >= 0;
}

int store_keyfile_issue(struct store *store, const struct keyfile_row *row, struct fault *fault)
{
    if (store_begin(store, fault) != 0)
        return -1;
    bool done =
        revoke_unused(store, row->site, "", fault) &&
        store_query(store, fault, NULL, NULL,
                    "INSERT INTO keyfiles(id, site, digest, issued, expires, from_cidr, replace,"
                    " state) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    "tibiitii", row->id, row->site, (const void *)row->digest, sizeof row->digest,
                    row->issued_s, row->expires_s, row->from, (int64_t)row->replace,
                    (int64_t)KEYFILE_OPEN) >= 0;
    return finish(store, done, "the keyfile cannot be stored", fault);
}

int store_keyfile_revoke(struct store *store, const char *id, struct fault *fault)
{
    if (store_begin(store, fault) != 0)
        return -1;
    bool done = revoke_unused(store, 0, id, fault);
    return finish(store, done, "the keyfile cannot be revoked", fault);
}

int store_keyfile_spend(struct store *store, const char *id, const char *fingerprint,
                        const char *from, int64_t now_s, struct fault *fault)
{
    int rows = store_query(store, fault, NULL, NULL,
                           "UPDATE keyfiles SET state = ?, used_key = ?, used_at = ?,"
                           " used_from = ? WHERE id = ?",
                           "ititt", (int64_t)KEYFILE_SPENT, fingerprint, now_s, from, id);
    return rows < 0 ? -1 : 0;
}
