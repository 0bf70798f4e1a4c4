/*
 * Events: one call, three audiences.  A hub whose disk is slow or full goes on tunnelling: what
 * cannot be written is counted and said in the log, never waited for.
 */
#define _GNU_SOURCE
#include "parent/events.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "parent/peer_text.h"
#include "parent/sites.h"
#include "parent/tracing.h"

#define PENDING_MAX 10000
#define BATCH       1000 /* written at the next turn: the bound is for a disk that fails */
#define FLUSH_MS    1000
#define DETAIL_SIZE 512

struct pending_event {
    STAILQ_ENTRY(pending_event) entry;
    int64_t time_s;
    char event[32], site[NAME_SIZE], actor[64], peer[ENDPOINT_SIZE], detail[DETAIL_SIZE];
};

void events_init(struct events *events)
{
    STAILQ_INIT(&events->pending);
    TAILQ_INIT(&events->dirty);
}

static json_t *text_or_null(const char *text)
{
    return text[0] != '\0' ? json_string(text) : json_null();
}

json_t *event_json(const struct audit_row *row)
{
    char time[CLOCK_TEXT_SIZE];
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "time", clock_format(row->time_s, time),
                     "event", row->event, "site", text_or_null(row->site), "actor",
                     text_or_null(row->actor), "peer", text_or_null(row->peer), "detail",
                     text_or_null(row->detail));
}

static void on_flush(void *owner)
{
    events_flush(owner);
}

static void schedule_flush(struct hub *hub)
{
    bool now = hub->events.pending_count == BATCH;
    if ((!hub->events.flush || now) &&
        timeout_set(hub->loop, &hub->events.flush, now ? 0 : FLUSH_MS, on_flush, hub) != 0)
        events_flush(hub);
}

static void keep(struct hub *hub, const struct audit_row *row)
{
    struct events *events = &hub->events;
    struct pending_event *pending =
        events->pending_count < PENDING_MAX ? calloc(1, sizeof *pending) : NULL;
    if (!pending) {
        events->dropped++;
        log_error(KV("event", row->event), SAY("not kept for the audit"));
        return;
    }
    pending->time_s = row->time_s;
    (void)snprintf(pending->event, sizeof pending->event, "%s", row->event);
    (void)snprintf(pending->site, sizeof pending->site, "%s", row->site);
    (void)snprintf(pending->actor, sizeof pending->actor, "%s", row->actor);
    (void)snprintf(pending->peer, sizeof pending->peer, "%s", row->peer);
    (void)snprintf(pending->detail, sizeof pending->detail, "%s", row->detail);
    STAILQ_INSERT_TAIL(&events->pending, pending, entry);
    events->pending_count++;
    schedule_flush(hub);
}

static void tell_followers(struct hub *hub, const struct audit_row *row)
{
    json_t *event = hub->control ? event_json(row) : NULL;
    if (event)
        control_publish(hub->control, event);
    json_decref(event);
}

/* Fields that are not there would read as site="". */
static void log_event(const struct audit_row *row)
{
    struct log_field fields[6] = {0};
    size_t count = 0;
    if (row->site[0] != '\0')
        fields[count++] = log_field_text("site", row->site);
    fields[count++] = log_field_text("", row->event);
    if (row->actor[0] != '\0')
        fields[count++] = log_field_text("actor", row->actor);
    if (row->peer[0] != '\0')
        fields[count++] = log_field_text("peer", row->peer);
    if (row->detail[0] != '\0')
        fields[count++] = log_field_text("detail", row->detail);
    bool alarm = strstr(row->event, ".alarm") != NULL || strstr(row->event, ".died") != NULL ||
                 strstr(row->event, ".warning") != NULL;
    enum log_level level = alarm ? LOG_WARNING : LOG_INFO;
    if (log_enabled(level))
        log_write(level, fields);
}

void event_say(struct hub *hub, const char *event, const char *site, const char *actor,
               const char *peer, const char *format, ...)
{
    char formatted[DETAIL_SIZE], detail[DETAIL_SIZE];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(formatted, sizeof formatted, format, values);
    va_end(values);
    peer_text(detail, sizeof detail, formatted);
    const struct audit_row row = {
        .time_s = clock_wall_s(),
        .event = event,
        .site = site ? site : "",
        .actor = actor ? actor : "",
        .peer = peer ? peer : "",
        .detail = detail,
    };
    int before = tracing_enter(site ? site_find(hub, site) : NULL);
    log_event(&row);
    (void)log_scope(before);
    tell_followers(hub, &row);
    if (strncmp(event, "forward.", strlen("forward.")) != 0)
        keep(hub, &row);
}

void events_site_changed(struct hub *hub, struct site *site)
{
    if (site->is_changed)
        return;
    site->is_changed = true;
    TAILQ_INSERT_TAIL(&hub->events.dirty, site, changed);
    schedule_flush(hub);
}

void events_forget_site(struct hub *hub, struct site *site)
{
    if (!site->is_changed)
        return;
    site->is_changed = false;
    TAILQ_REMOVE(&hub->events.dirty, site, changed);
}

static int write_audit(struct store *store, const struct pending_event *pending,
                       struct fault *fault)
{
    const struct audit_row row = {
        .time_s = pending->time_s,
        .event = pending->event,
        .site = pending->site,
        .actor = pending->actor,
        .peer = pending->peer,
        .detail = pending->detail,
    };
    return store_audit_add(store, &row, fault);
}

static int write_all(struct hub *hub, struct fault *fault)
{
    int rc = store_begin(hub->store, fault);
    struct pending_event *pending;
    STAILQ_FOREACH(pending, &hub->events.pending, entry)
    {
        if (rc == 0)
            rc = write_audit(hub->store, pending, fault);
    }
    struct site *site;
    TAILQ_FOREACH(site, &hub->events.dirty, changed)
    {
        if (rc == 0)
            rc = store_site_seen(hub->store, &site->row, fault);
    }
    if (rc == 0)
        rc = store_audit_trim(hub->store, fault);
    if (rc == 0)
        return store_commit(hub->store, fault);
    store_rollback(hub->store);
    return -1;
}

void events_flush(struct hub *hub)
{
    struct events *events = &hub->events;
    timeout_clear(&events->flush);
    if (STAILQ_EMPTY(&events->pending) && TAILQ_EMPTY(&events->dirty))
        return;
    struct fault fault = {""};
    if (write_all(hub, &fault) != 0) {
        events->dropped += events->pending_count;
        log_error(SAY("events are not kept"), KV("count", events->pending_count),
                  KV("reason", fault.text));
    }
    struct pending_event *pending;
    while ((pending = STAILQ_FIRST(&events->pending))) {
        STAILQ_REMOVE_HEAD(&events->pending, entry);
        free(pending);
    }
    events->pending_count = 0;
    struct site *site;
    while ((site = TAILQ_FIRST(&events->dirty)))
        events_forget_site(hub, site);
}
