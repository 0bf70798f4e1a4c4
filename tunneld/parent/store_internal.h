/*
 * Shared by the store_*.c files alone: statements with their values, rows to callbacks.
 */
#ifndef PARENT_STORE_INTERNAL_H
#define PARENT_STORE_INTERNAL_H

#include <sqlite3.h>

#include "parent/store.h"

struct store {
    sqlite3 *db;
    char path[4096];
};

/* Runs one statement.  `types` has a letter for each value: i int64_t, t const char * (NULL is
 * null), b const void * and size_t.  Each row goes to on_row (NULL: ignored).  The count of rows,
 * or -1, or STORE_EXISTS when a unique value is taken. */
typedef void store_row(void *owner, sqlite3_stmt *row);
int store_query(struct store *store, struct fault *fault, store_row *on_row, void *owner,
                const char *sql, const char *types, ...) MUST_CHECK;
/* How many rows the last statement changed. */
int64_t store_changes(const struct store *store);

/* A column as text, cut to `size`; "" for null. */
void store_text(sqlite3_stmt *row, int column, char *text, size_t size);

/* Brings the schema from the version found to `count` (steps[0] makes version 1). */
int store_migrate(struct store *store, const char *const *steps, int count,
                  struct fault *fault) MUST_CHECK;

extern const char *const store_schema[];
extern const int store_schema_version;

#endif
