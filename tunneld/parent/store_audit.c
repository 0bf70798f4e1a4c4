/* The audit table: what happened, bounded, for `tunnelctl events`. */
#define _GNU_SOURCE
#include "parent/store_internal.h"

int store_audit_add(struct store *store, const struct audit_row *row, struct fault *fault)
{
    int rc = store_query(store, fault, NULL, NULL,
                         "INSERT INTO audit(time, event, site, actor, peer, detail)"
                         " VALUES (?, ?, ?, ?, ?, ?)",
                         "ittttt", row->time_s, row->event, row->site, row->actor, row->peer,
                         row->detail);
    return rc < 0 ? -1 : 0;
}

int store_audit_trim(struct store *store, struct fault *fault)
{
    int rc = store_query(store, fault, NULL, NULL,
                         "DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?", "i",
                         (int64_t)STORE_AUDIT_MAX);
    return rc < 0 ? -1 : 0;
}

struct audit_walk {
    void (*on_audit)(void *owner, const struct audit_row *row);
    void *owner;
};

static const char *column(sqlite3_stmt *row, int index)
{
    const unsigned char *text = sqlite3_column_text(row, index);
    return text ? (const char *)text : "";
}

static void on_audit_row(void *owner, sqlite3_stmt *row)
{
    const struct audit_walk *walk = owner;
    const struct audit_row audit = {
        .time_s = sqlite3_column_int64(row, 0),
        .event = column(row, 1),
        .site = column(row, 2),
        .actor = column(row, 3),
        .peer = column(row, 4),
        .detail = column(row, 5),
    };
    walk->on_audit(walk->owner, &audit);
}

int store_audit(struct store *store, int64_t since_s, size_t max,
                void (*on_audit)(void *owner, const struct audit_row *row), void *owner,
                struct fault *fault)
{
    struct audit_walk walk = {on_audit, owner};
    int rows = store_query(store, fault, on_audit_row, &walk,
                           "SELECT * FROM (SELECT time, event, site, actor, peer, detail, id"
                           " FROM audit WHERE time >= ? ORDER BY id DESC LIMIT ?) ORDER BY id",
                           "ii", since_s, (int64_t)max);
    return rows < 0 ? -1 : 0;
}
