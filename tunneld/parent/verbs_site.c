/* Control verbs about sites. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
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

/* The key that is shown of each site, its current one or else the pending one: asked of the store
 * for all sites at once, in the order of their ids. */
struct shown_keys {
    struct shown_key {
        int64_t site;
        char fingerprint[FINGERPRINT_SIZE];
    } * items;
    size_t count, size;
};

static void on_shown_key(void *owner, const struct key_row *row)
{
    struct shown_keys *keys = owner;
    if (keys->count > 0 && keys->items[keys->count - 1].site == row->site)
        return;
    if (keys->count == keys->size) {
        size_t size = keys->size > 0 ? 2 * keys->size : 64;
        struct shown_key *items = reallocarray(keys->items, size, sizeof *items);
        if (!items)
            return;
        keys->items = items;
        keys->size = size;
    }
    struct shown_key *key = &keys->items[keys->count++];
    key->site = row->site;
    memcpy(key->fingerprint, row->fingerprint, sizeof key->fingerprint);
}

static int compare_sites(const void *left, const void *right)
{
    int64_t a = ((const struct shown_key *)left)->site, b = ((const struct shown_key *)right)->site;
    return (a > b) - (a < b);
}

static const char *shown_key_of(const struct shown_keys *keys, const struct site *site)
{
    const struct shown_key wanted = {.site = site->row.id};
    const struct shown_key *found = keys->count > 0 ? bsearch(&wanted, keys->items, keys->count,
                                                              sizeof *keys->items, compare_sites)
                                                    : NULL;
    return found ? found->fingerprint : "";
}

void verb_site_list(struct hub *hub, struct control_request *request, const json_t *args)
{
    (void)args;
    struct fault fault = {""};
    struct shown_keys keys = {NULL, 0, 0};
    json_t *list = json_array();
    const struct site *site;
    if (store_all_keys(hub->store, on_shown_key, &keys, &fault) != 0)
        log_warning(SAY("the sites' keys cannot be read"), KV("reason", fault.text));
    TAILQ_FOREACH(site, &hub->sites, entry)
    (void)json_array_append_new(list, row_site(site, shown_key_of(&keys, site)));
    free(keys.items);
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
    json_t *keys = json_array(), *keyfiles = json_array();
    int rc = store_keys(hub->store, site->row.id, on_key, keys, &fault);
    if (rc == 0)
        rc = store_keyfiles(hub->store, site->row.id, on_keyfile, keyfiles, &fault);
    const json_t *shown = json_object_get(json_array_get(keys, 0), "fingerprint");
    json_t *data = row_site(site, json_is_string(shown) ? json_string_value(shown) : "");
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
