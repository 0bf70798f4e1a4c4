/* The forwards list as the `forwards` channel carries it. */
#ifndef PARENT_SNAPSHOTS_H
#define PARENT_SNAPSHOTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"

struct session;
struct site;

/* {"generation": 7, "forwards": [...], "outbound": [...], "host_keys": [...]}, and "rotate": true
 * while the site is asked for a new key; "published" is true where this session publishes it.  NULL
 * when out of memory. */
json_t *snapshot_json(const struct site *site, const struct session *session);
/* Sends the present list to a session that follows. */
void snapshot_send(struct session *session);

/* Cuts a line into pieces of at most `size` bytes; the last has `last` set.  An empty line is one
 * empty piece. */
typedef void snapshot_piece(void *owner, const char *data, size_t length, bool last);
void snapshot_cut(const char *line, size_t length, size_t size, snapshot_piece *piece, void *owner);

#endif
