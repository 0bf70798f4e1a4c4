/*
 * The store's file: opening, refusing what is not ours, transactions, and the one function that
 * runs statements.  What the tables mean stands in the other store_*.c files.
 */
#define _GNU_SOURCE
#include "parent/store_internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#define DISK_LEFT_MIN (256u << 10) /* bytes; SQLite makes its files larger by pieces of 32 KiB */

/* Also where SQLite only knows that writing failed. */
static bool disk_is_full(const struct store *store)
{
    struct statvfs disk;
    int code = sqlite3_extended_errcode(store->db) & 0xff;
    return code == SQLITE_FULL || (code == SQLITE_IOERR && statvfs(store->path, &disk) == 0 &&
                                   disk.f_bavail * disk.f_bsize < DISK_LEFT_MIN);
}

static int store_fault(struct store *store, struct fault *fault)
{
    const char *reason =
        disk_is_full(store) ? "the disk is full; make room on it" : sqlite3_errmsg(store->db);
    return fault_set(fault, "%s: %s", store->path, reason);
}

static int bind_values(sqlite3_stmt *statement, const char *types, va_list values)
{
    int rc = SQLITE_OK;
    for (int i = 0; types[i] != '\0' && rc == SQLITE_OK; i++) {
        if (types[i] == 'i') {
            rc = sqlite3_bind_int64(statement, i + 1, va_arg(values, int64_t));
        } else if (types[i] == 't') {
            rc = sqlite3_bind_text(statement, i + 1, va_arg(values, const char *), -1,
                                   SQLITE_STATIC);
        } else {
            const void *blob = va_arg(values, const void *);
            size_t length = va_arg(values, size_t);
            rc = sqlite3_bind_blob64(statement, i + 1, blob, length, SQLITE_STATIC);
        }
    }
    return rc;
}

static int run_rows(sqlite3_stmt *statement, store_row *on_row, void *owner, int *rows)
{
    int rc;
    *rows = 0;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (on_row)
            on_row(owner, statement);
        (*rows)++;
    }
    return rc;
}

int store_query(struct store *store, struct fault *fault, store_row *on_row, void *owner,
                const char *sql, const char *types, ...)
{
    sqlite3_stmt *statement = NULL;
    int rows = 0;
    int rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        va_list values;
        va_start(values, types);
        rc = bind_values(statement, types, values);
        va_end(values);
    }
    if (rc == SQLITE_OK)
        rc = run_rows(statement, on_row, owner, &rows);
    int extended = sqlite3_extended_errcode(store->db);
    if (rc != SQLITE_DONE)
        (void)store_fault(store, fault);
    (void)sqlite3_finalize(statement);
    if (rc == SQLITE_DONE)
        return rows;
    bool taken = extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY;
    return taken ? STORE_EXISTS : -1;
}

int64_t store_changes(const struct store *store)
{
    return sqlite3_changes64(store->db);
}

void store_text(sqlite3_stmt *row, int column, char *text, size_t size)
{
    const unsigned char *value = sqlite3_column_text(row, column);
    int length = sqlite3_column_bytes(row, column);
    size_t take = value && length > 0 ? (size_t)length : 0;
    if (take >= size)
        take = size - 1;
    if (take > 0)
        memcpy(text, value, take);
    text[take] = '\0';
}

int store_begin(struct store *store, struct fault *fault)
{
    return store_query(store, fault, NULL, NULL, "BEGIN IMMEDIATE", "") < 0 ? -1 : 0;
}

int store_commit(struct store *store, struct fault *fault)
{
    if (store_query(store, fault, NULL, NULL, "COMMIT", "") >= 0)
        return 0;
    store_rollback(store);
    return -1;
}

void store_rollback(struct store *store)
{
    if (!sqlite3_get_autocommit(store->db))
        (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}

const char *store_library_version(void)
{
    return sqlite3_libversion();
}

static void on_text(void *owner, sqlite3_stmt *row)
{
    store_text(row, 0, owner, 64);
}

/* A file that SQLite cannot read as a whole is left as it is: repairing would guess. */
static int check_integrity(struct store *store, struct fault *fault)
{
    char verdict[64] = "";
    if (store_query(store, NULL, on_text, verdict, "PRAGMA quick_check(1)", "") == 1 &&
        strcmp(verdict, "ok") == 0)
        return 0;
    return fault_set(fault,
                     "%s is damaged or no SQLite file: restore it from a backup, or move it away "
                     "to start with an empty store (sites must be enrolled again)",
                     store->path);
}

static int prepare_file(struct store *store, struct fault *fault)
{
    (void)sqlite3_extended_result_codes(store->db, 1);
    (void)sqlite3_busy_timeout(store->db, 2000);
    /* Closing would write what a killed hub left in the log into a file that we refuse. */
    (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (check_integrity(store, fault) != 0 ||
        store_migrate(store, store_schema, store_schema_version, fault) != 0)
        return -1;
    (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    if (sqlite3_exec(
            store->db,
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
            "PRAGMA cache_size=-512;", /* in KiB: what is asked often is in memory anyway */
            NULL, NULL, NULL) != SQLITE_OK)
        return store_fault(store, fault);
    return 0;
}

int store_open(const char *path, struct store **out, struct fault *fault)
{
    struct store *store = calloc(1, sizeof *store);
    if (!store || !text_copy(store->path, sizeof store->path, path)) {
        free(store);
        return fault_set(fault, "%s: the store cannot be opened: path too long or out of memory",
                         path);
    }
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW;
    if (sqlite3_open_v2(path, &store->db, flags, NULL) != SQLITE_OK) {
        (void)store_fault(store, fault);
        store_close(store);
        return -1;
    }
    if (prepare_file(store, fault) != 0) {
        store_close(store);
        return -1;
    }
    *out = store;
    return 0;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    (void)sqlite3_close_v2(store->db);
    free(store);
}
