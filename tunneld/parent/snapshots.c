/*
 * The forwards list of a site, as the hub pushes it to sessions that follow the `forwards`
 * channel.  Always the whole list: whoever missed one is right again with the next.
 */
#define _GNU_SOURCE
#include "parent/snapshots.h"

#include <stdlib.h>

#include "control/frames.h"
#include "parent/forwards.h"
#include "parent/outbound.h"
#include "parent/sessions.h"
#include "parent/sites.h"
#include "parent/workers.h"

/* The pair that sites shall pin, the current one first. */
static json_t *list_host_keys(const struct hub *hub)
{
    json_t *list = json_array();
    for (int kind = 0; kind < HOST_KEY_KINDS; kind++) {
        char line[PUBLIC_KEY_LINE_SIZE];
        public_key_line(&hub->keys.keys[kind], line);
        (void)json_array_append_new(list, json_string(line));
    }
    return list;
}

/* Where the agent listens, and what the hub dials for it. */
static json_t *list_outbound(const struct site *site)
{
    json_t *list = json_array();
    const struct outbound *outbound;
    TAILQ_FOREACH(outbound, &site->outbounds, of_site)
    (void)json_array_append_new(
        list, json_pack("{s:s, s:s}", "listen", outbound->listen, "target", outbound->target));
    return list;
}

json_t *snapshot_json(const struct site *site, const struct session *session)
{
    json_t *forwards = json_array();
    for (size_t i = 0; i < site->forward_count; i++) {
        const struct grant *grant = site->forwards[i]->grant;
        if (!grant->enabled || site->forwards[i]->expired)
            continue;
        json_t *forward =
            json_pack("{s:s, s:i, s:s, s:b}", "address", grant->address, "port", (int)grant->port,
                      "target", grant->target, "published", site->forwards[i]->session == session);
        if (forward && grant->policy.connect_timeout_ms != 0)
            (void)json_object_set_new(forward, "connect_timeout_ms",
                                      json_integer((json_int_t)grant->policy.connect_timeout_ms));
        if (json_array_append_new(forwards, forward) != 0) {
            json_decref(forwards);
            return NULL;
        }
    }
    json_t *snapshot = json_pack("{s:I, s:o, s:o, s:o}", "generation", (json_int_t)site->generation,
                                 "forwards", forwards, "outbound", list_outbound(site), "host_keys",
                                 list_host_keys(site->hub));
    if (snapshot && site->rotate)
        (void)json_object_set_new(snapshot, "rotate", json_true());
    return snapshot;
}

void snapshot_cut(const char *line, size_t length, size_t size, snapshot_piece *piece, void *owner)
{
    size_t at = 0;
    while (length - at > size) {
        piece(owner, line + at, size, false);
        at += size;
    }
    piece(owner, line + at, length - at, true);
}

static void send_piece(void *owner, const char *data, size_t length, bool last)
{
    const struct session *session = owner;
    struct message message;
    message_init(&message, MESSAGE_SNAPSHOT);
    message.sid = session->id;
    message.generation = session->site->generation;
    message.flags = last ? MESSAGE_LAST : 0;
    message.data = (const uint8_t *)data;
    message.data_length = length;
    worker_send(session->worker, &message);
}

void snapshot_send(struct session *session)
{
    size_t length = 0;
    json_t *snapshot = snapshot_json(session->site, session);
    char *line = snapshot ? frame_text(snapshot, &length) : NULL;
    json_decref(snapshot);
    if (!line) {
        session_close(session, "the hub is out of memory");
        return;
    }
    snapshot_cut(line, length, MESSAGE_DATA_MAX, send_piece, session);
    free(line);
}
