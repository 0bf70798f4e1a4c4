/* Control verbs about what lives at the moment: sessions, forwards, connections. */
#define _GNU_SOURCE
#include "parent/operators.h"
#include "parent/rows.h"
#include "parent/verbs.h"
#include "parent/workers.h"

static void list_site_sessions(const struct site *site, json_t *list)
{
    const struct session *session;
    TAILQ_FOREACH(session, &site->sessions, of_site)
    {
        if (session->authenticated)
            (void)json_array_append_new(list, row_session(session));
    }
}

static void list_site_forwards(const struct site *site, json_t *list)
{
    for (size_t i = 0; i < site->forward_count; i++)
        (void)json_array_append_new(list, row_forward(site->forwards[i]));
}

/* What `add` finds in one site or in all; NULL: refused already. */
static json_t *list_sites(struct hub *hub, struct control_request *request, const json_t *args,
                          void (*add)(const struct site *site, json_t *list))
{
    const struct site *only, *site;
    if (!arg_site_filter(hub, request, args, &only))
        return NULL;
    json_t *list = json_array();
    TAILQ_FOREACH(site, &hub->sites, entry)
    {
        if (!only || site == only)
            add(site, list);
    }
    return list;
}

void verb_session_list(struct hub *hub, struct control_request *request, const json_t *args)
{
    const struct hub_operator *person;
    const struct session *session;
    json_t *list = list_sites(hub, request, args, list_site_sessions);
    TAILQ_FOREACH(person, &hub->operators, entry)
    {
        TAILQ_FOREACH(session, &person->sessions, of_operator)
        {
            if (list && session->authenticated && arg_text(args, "site")[0] == '\0')
                (void)json_array_append_new(list, row_session(session));
        }
    }
    if (list)
        control_reply(request, list);
}

void verb_forward_list(struct hub *hub, struct control_request *request, const json_t *args)
{
    json_t *list = list_sites(hub, request, args, list_site_forwards);
    if (list)
        control_reply(request, list);
}

void verb_session_kick(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct site *site = arg_site(hub, request, args, "site");
    if (!site)
        return;
    size_t closed = site_close_sessions(site, NULL, "kicked by an administrator");
    verb_done(hub, request, site->row.name, "%zu sessions closed", closed);
    control_reply(request, json_pack("{s:I}", "closed", (json_int_t)closed));
}

void verb_connection_list(struct hub *hub, struct control_request *request, const json_t *args)
{
    const struct site *only;
    if (!arg_site_filter(hub, request, args, &only))
        return;
    json_t *list = json_array();
    const struct connection *connection;
    TAILQ_FOREACH(connection, &hub->connection_list, entry)
    {
        const struct site *site = connection_site(connection);
        if (site && (!only || site == only))
            (void)json_array_append_new(list, row_connection(connection));
    }
    control_reply(request, list);
}

void verb_connection_close(struct hub *hub, struct control_request *request, const json_t *args)
{
    int64_t id = arg_number(args, "id");
    struct connection *connection = registry_find(&hub->connections, (uint64_t)id);
    if (id <= 0 || !connection || connection->state == CONNECTION_LOST) {
        control_refuse(request, "there is no connection %lld", (long long)id);
        return;
    }
    const struct site *site = connection_site(connection);
    connection_close(connection, "closed by an administrator");
    char visitor[CONNECTION_VISITOR_SIZE];
    verb_done(hub, request, site ? site->row.name : NULL, "connection %lld of %s", (long long)id,
              connection_visitor(connection, visitor));
    control_reply(request, json_pack("{s:I}", "id", (json_int_t)id));
}
