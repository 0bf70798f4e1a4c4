/* Control verbs about sites. */
#define _GNU_SOURCE
#include "parent/rotation.h"
#include "parent/rows.h"
#include "parent/tracing.h"
#include "parent/verbs.h"

static void reply_name(struct control_request *request, const char *name)
{
    control_reply(request, json_pack("{s:s}", "name", name));
}

void verb_site_add(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    struct site *site;
    const char *name = arg_text(args, "name");
    if (name_check(name, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    if (site_find(hub, name)) {
        control_refuse(request, "site %s exists already", name);
        return;
    }
    if (site_add(hub, name, &site, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    verb_done(hub, request, name, "%s", "");
    reply_name(request, name);
}

void verb_site_list(struct hub *hub, struct control_request *request, const json_t *args)
{
    (void)args;
    json_t *list = json_array();
    const struct site *site;
    TAILQ_FOREACH(site, &hub->sites, entry)
    (void)json_array_append_new(list, row_site(site));
    control_reply(request, list);
}

static void on_key(void *owner, const struct key_row *row)
{
    (void)json_array_append_new(owner, json_pack("{s:s, s:s, s:o}", "fingerprint", row->fingerprint,
                                                 "state", key_state_name(row->state), "since",
                                                 json_time(row->since_s)));
}

static void on_keyfile(void *owner, const struct keyfile_row *row)
{
    (void)json_array_append_new(owner, row_keyfile(row));
}

static json_t *list_grants(const struct site *site)
{
    json_t *list = json_array();
    for (size_t i = 0; i < site->forward_count; i++)
        (void)json_array_append_new(list, row_port(site->forwards[i]));
    return list;
}

static json_t *list_outbound(const struct site *site)
{
    json_t *list = json_array();
    const struct outbound *outbound;
    TAILQ_FOREACH(outbound, &site->outbounds, of_site)
    (void)json_array_append_new(list, row_outbound(outbound));
    return list;
}

static json_t *list_sessions(const struct site *site)
{
    json_t *list = json_array();
    const struct session *session;
    TAILQ_FOREACH(session, &site->sessions, of_site)
    {
        if (session->authenticated)
            (void)json_array_append_new(list, row_session(session));
    }
    return list;
}

void verb_site_show(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    const struct site *site = arg_site(hub, request, args, "name");
    if (!site)
        return;
    json_t *data = row_site(site), *keys = json_array(), *keyfiles = json_array();
    int rc = store_keys(hub->store, site->row.id, on_key, keys, &fault);
    if (rc == 0)
        rc = store_keyfiles(hub->store, site->row.id, on_keyfile, keyfiles, &fault);
    (void)json_object_set_new(data, "log_level", json_words(tracing_level_name(site)));
    (void)json_object_set_new(data, "keys", keys);
    (void)json_object_set_new(data, "keyfiles", keyfiles);
    (void)json_object_set_new(data, "grants", list_grants(site));
    (void)json_object_set_new(data, "outbound", list_outbound(site));
    (void)json_object_set_new(data, "sessions", list_sessions(site));
    if (rc == 0) {
        control_reply(request, data);
        return;
    }
    json_decref(data);
    control_refuse(request, "%s", fault.text);
}

static void set_enabled(struct hub *hub, struct control_request *request, const json_t *args,
                        bool enabled)
{
    struct fault fault = {""};
    struct site *site = arg_site(hub, request, args, "name");
    if (!site)
        return;
    if (site_enable(site, enabled, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    verb_done(hub, request, site->row.name, "%s", "");
    reply_name(request, site->row.name);
}

void verb_site_enable(struct hub *hub, struct control_request *request, const json_t *args)
{
    set_enabled(hub, request, args, true);
}

void verb_site_disable(struct hub *hub, struct control_request *request, const json_t *args)
{
    set_enabled(hub, request, args, false);
}

void verb_site_remove(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    char name[NAME_SIZE];
    struct site *site = arg_site(hub, request, args, "name");
    if (!site)
        return;
    (void)text_copy(name, sizeof name, site->row.name);
    if (site_remove(site, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    verb_done(hub, request, name, "%s", "");
    reply_name(request, name);
}

void verb_site_rotate(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    struct site *site = arg_site(hub, request, args, "name");
    if (!site)
        return;
    if (rotation_ask(site, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    const char *key = site_main_session(site)->fingerprint;
    verb_done(hub, request, site->row.name, "key %s", key);
    control_reply(request, json_pack("{s:s, s:s}", "name", site->row.name, "key", key));
}
