/*
 * One site's own log level.  Kept in memory alone: a restart of the hub forgets it.  Who handles
 * something about a site says so with tracing_enter; which lines are written decides base/log.
 */
#define _GNU_SOURCE
#include "parent/tracing.h"

#include "base/log.h"
#include "parent/sessions.h"
#include "parent/sites.h"
#include "parent/workers.h"

const char *tracing_level_name(const struct site *site)
{
    return site->log_level == LOG_DEFAULT ? "" : log_level_name((enum log_level)site->log_level);
}

static void tell(const struct session *session)
{
    struct message message;
    message_init(&message, MESSAGE_LOG);
    message.sid = session->id;
    (void)text_copy(message.text, sizeof message.text, tracing_level_name(session->site));
    worker_send(session->worker, &message);
}

void tracing_set(struct site *site, int level)
{
    const struct session *session;
    site->log_level = level;
    TAILQ_FOREACH(session, &site->sessions, of_site)
    tell(session);
}

void tracing_tell(const struct session *session)
{
    if (session->site->log_level != LOG_DEFAULT)
        tell(session);
}

int tracing_enter(const struct site *site)
{
    return log_scope(site ? site->log_level : LOG_DEFAULT);
}

json_t *tracing_list(const struct hub *hub)
{
    json_t *list = json_array();
    const struct site *site;
    TAILQ_FOREACH(site, &hub->sites, entry)
    {
        if (site->log_level != LOG_DEFAULT)
            (void)json_array_append_new(list, json_pack("{s:s, s:s}", "site", site->row.name,
                                                        "level", tracing_level_name(site)));
    }
    return list;
}
