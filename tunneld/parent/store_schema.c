/*
 * The schema and its versions.  A version is the number of steps that were applied; a step is
 * never edited after it was released, a change is a new step.
 */
#define _GNU_SOURCE
#include "parent/store_internal.h"

#include <stdio.h>
#include <unistd.h>

#define APPLICATION_ID 0x74756e6e /* "tunn" */

/* One current and at most one pending key for each site; a key belongs to one site. */
static const char version_1[] =
    "CREATE TABLE sites ("
    " id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, enabled INTEGER NOT NULL DEFAULT 1,"
    " created INTEGER NOT NULL, last_seen INTEGER NOT NULL DEFAULT 0,"
    " last_disconnect INTEGER NOT NULL DEFAULT 0, last_reason TEXT NOT NULL DEFAULT '',"
    " reconnects INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE TABLE keyfiles ("
    " id TEXT PRIMARY KEY, site INTEGER NOT NULL REFERENCES sites(id) ON DELETE CASCADE,"
    " digest BLOB NOT NULL CHECK (length(digest) = 32),"
    " issued INTEGER NOT NULL, expires INTEGER NOT NULL, from_cidr TEXT NOT NULL DEFAULT '',"
    " replace INTEGER NOT NULL DEFAULT 0, state INTEGER NOT NULL DEFAULT 0,"
    " used_key TEXT NOT NULL DEFAULT '', used_at INTEGER NOT NULL DEFAULT 0,"
    " used_from TEXT NOT NULL DEFAULT '') STRICT;"
    "CREATE INDEX keyfiles_of_site ON keyfiles(site, state);"
    "CREATE TABLE keys ("
    " blob BLOB PRIMARY KEY, site INTEGER NOT NULL REFERENCES sites(id) ON DELETE CASCADE,"
    " state INTEGER NOT NULL, keyfile TEXT NOT NULL REFERENCES keyfiles(id) ON DELETE CASCADE,"
    " fingerprint TEXT NOT NULL, since INTEGER NOT NULL, UNIQUE (site, state)) STRICT;"
    "CREATE TABLE grants ("
    " id INTEGER PRIMARY KEY, site INTEGER NOT NULL REFERENCES sites(id) ON DELETE CASCADE,"
    " port INTEGER NOT NULL, address TEXT NOT NULL, target TEXT NOT NULL,"
    " enabled INTEGER NOT NULL DEFAULT 1, created INTEGER NOT NULL,"
    " UNIQUE (site, port), UNIQUE (address, port)) STRICT;"
    "CREATE TABLE audit ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, event TEXT NOT NULL,"
    " site TEXT NOT NULL, actor TEXT NOT NULL, peer TEXT NOT NULL, detail TEXT NOT NULL) STRICT;"
    "CREATE INDEX audit_by_time ON audit(time);";

/* Grants have a policy (JSON, policy_json.h); a private one has no address, and shares its port
 * with others.  Operators, each with a key; outbound grants. */
static const char version_2[] =
    "CREATE TABLE grants_2 ("
    " id INTEGER PRIMARY KEY, site INTEGER NOT NULL REFERENCES sites(id) ON DELETE CASCADE,"
    " port INTEGER NOT NULL, address TEXT NOT NULL, target TEXT NOT NULL,"
    " enabled INTEGER NOT NULL DEFAULT 1, created INTEGER NOT NULL,"
    " policy TEXT NOT NULL DEFAULT '{}', UNIQUE (site, port)) STRICT;"
    "INSERT INTO grants_2(id, site, port, address, target, enabled, created)"
    " SELECT id, site, port, address, target, enabled, created FROM grants;"
    "DROP TABLE grants;"
    "ALTER TABLE grants_2 RENAME TO grants;"
    "CREATE UNIQUE INDEX grants_listen ON grants(address, port) WHERE address <> '';"
    "CREATE TABLE operators ("
    " id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, blob BLOB NOT NULL UNIQUE,"
    " fingerprint TEXT NOT NULL, sites TEXT NOT NULL, expires INTEGER NOT NULL DEFAULT 0,"
    " created INTEGER NOT NULL) STRICT;"
    "CREATE TABLE outbound ("
    " id INTEGER PRIMARY KEY, site INTEGER NOT NULL REFERENCES sites(id) ON DELETE CASCADE,"
    " host TEXT NOT NULL, port INTEGER NOT NULL, listen_address TEXT NOT NULL,"
    " listen_port INTEGER NOT NULL, created INTEGER NOT NULL,"
    " UNIQUE (site, host, port), UNIQUE (site, listen_address, listen_port)) STRICT;";

const char *const store_schema[] = {version_1, version_2};
const int store_schema_version = 2;

static void on_number(void *owner, sqlite3_stmt *row)
{
    *(int64_t *)owner = sqlite3_column_int64(row, 0);
}

static int read_number(struct store *store, const char *sql, int64_t *number, struct fault *fault)
{
    return store_query(store, fault, on_number, number, sql, "") == 1 ? 0 : -1;
}

/* A copy beside, made by SQLite itself so that it is whole. */
static int back_up(struct store *store, int64_t version, struct fault *fault)
{
    char path[sizeof store->path + 32];
    (void)snprintf(path, sizeof path, "%s.v%lld", store->path, (long long)version);
    if (access(path, F_OK) == 0)
        return 0;
    return store_query(store, fault, NULL, NULL, "VACUUM INTO ?", "t", path) < 0 ? -1 : 0;
}

static int apply_step(struct store *store, const char *step, int version, struct fault *fault)
{
    char pragmas[96];
    (void)snprintf(pragmas, sizeof pragmas, "PRAGMA user_version=%d; PRAGMA application_id=%d;",
                   version, APPLICATION_ID);
    if (store_begin(store, fault) != 0)
        return -1;
    if (sqlite3_exec(store->db, step, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(store->db, pragmas, NULL, NULL, NULL) != SQLITE_OK) {
        (void)fault_set(fault, "%s: cannot make version %d of the schema: %s", store->path, version,
                        sqlite3_errmsg(store->db));
        store_rollback(store);
        return -1;
    }
    return store_commit(store, fault);
}

/* What is in the file: nothing yet (0), a version of ours, or a fault. */
static int find_version(struct store *store, int known, int64_t *version, struct fault *fault)
{
    int64_t application = 0, tables = 0;
    if (read_number(store, "PRAGMA user_version", version, fault) != 0 ||
        read_number(store, "PRAGMA application_id", &application, fault) != 0 ||
        read_number(store, "SELECT count(*) FROM sqlite_schema", &tables, fault) != 0)
        return -1;
    if (tables != 0 && application != APPLICATION_ID)
        return fault_set(fault, "%s is another program's SQLite file: move it away", store->path);
    if (*version > known)
        return fault_set(fault,
                         "%s was written by a newer tunneld (schema %lld, this one knows %d): "
                         "install that version again, or restore the copy %s.v%d",
                         store->path, (long long)*version, known, store->path, known);
    return 0;
}

int store_migrate(struct store *store, const char *const *steps, int count, struct fault *fault)
{
    int64_t version = 0;
    if (find_version(store, count, &version, fault) != 0)
        return -1;
    if (version > 0 && version < count && back_up(store, version, fault) != 0)
        return -1;
    for (int next = (int)version; next < count; next++) {
        if (apply_step(store, steps[next], next + 1, fault) != 0)
            return -1;
    }
    return 0;
}
