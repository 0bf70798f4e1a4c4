/* Outbound grants at rest. */
#define _GNU_SOURCE
#include "parent/store_internal.h"

struct outbounds_walk {
    void (*on_outbound)(void *owner, int64_t site, const struct outbound_row *row);
    void *owner;
};

static void on_outbound_row(void *owner, sqlite3_stmt *row)
{
    const struct outbounds_walk *walk = owner;
    struct outbound_row outbound = {
        .id = sqlite3_column_int64(row, 0),
        .port = (uint16_t)sqlite3_column_int64(row, 3),
        .listen_port = (uint16_t)sqlite3_column_int64(row, 5),
        .created_s = sqlite3_column_int64(row, 6),
    };
    store_text(row, 2, outbound.host, sizeof outbound.host);
    store_text(row, 4, outbound.listen_address, sizeof outbound.listen_address);
    walk->on_outbound(walk->owner, sqlite3_column_int64(row, 1), &outbound);
}

int store_outbounds(struct store *store,
                    void (*on_outbound)(void *owner, int64_t site, const struct outbound_row *row),
                    void *owner, struct fault *fault)
{
    struct outbounds_walk walk = {on_outbound, owner};
    int rows = store_query(store, fault, on_outbound_row, &walk,
                           "SELECT id, site, host, port, listen_address, listen_port, created"
                           " FROM outbound ORDER BY site, host, port",
                           "");
    return rows < 0 ? -1 : 0;
}

int store_outbound_add(struct store *store, int64_t site, struct outbound_row *row,
                       struct fault *fault)
{
    int rc = store_query(store, fault, NULL, NULL,
                         "INSERT INTO outbound(site, host, port, listen_address, listen_port,"
                         " created) VALUES (?, ?, ?, ?, ?, ?)",
                         "ititii", site, row->host, (int64_t)row->port, row->listen_address,
                         (int64_t)row->listen_port, row->created_s);
    if (rc < 0)
        return rc;
    row->id = sqlite3_last_insert_rowid(store->db);
    return 0;
}

int store_outbound_remove(struct store *store, int64_t id, struct fault *fault)
{
    int rc = store_query(store, fault, NULL, NULL, "DELETE FROM outbound WHERE id = ?", "i", id);
    return rc < 0 ? -1 : 0;
}
