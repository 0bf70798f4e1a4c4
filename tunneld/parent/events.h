/*
 * What happened, told three times: as a log line, to those who follow `events`, and (unless it is
 * `forward.*`) in the audit table.  The table is written in batches, at the latest after a second.
 */
#ifndef PARENT_EVENTS_H
#define PARENT_EVENTS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct hub;
struct site;
struct pending_event;
struct timeout;

STAILQ_HEAD(pending_events, pending_event);
TAILQ_HEAD(dirty_sites, site);

struct events {
    struct pending_events pending;
    size_t pending_count;
    struct dirty_sites dirty; /* sites whose last_* columns changed */
    struct timeout *flush;
    uint64_t dropped; /* that are not in the audit table and should be */
};

void events_init(struct events *events);

/* `site`, `actor` and `peer` may be NULL. */
void event_say(struct hub *hub, const char *event, const char *site, const char *actor,
               const char *peer, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* The site's last_seen, last_disconnect, last_reason or reconnects changed. */
void events_site_changed(struct hub *hub, struct site *site);
/* The site is being removed. */
void events_forget_site(struct hub *hub, struct site *site);
/* Writes what is pending. */
void events_flush(struct hub *hub);

struct audit_row;
json_t *event_json(const struct audit_row *row);

#endif
