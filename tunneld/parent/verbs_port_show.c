/* Control verbs that look at grants, and the one that sets their counters back. */
#define _GNU_SOURCE
#include <string.h>

#include "base/kept_text.h"
#include "parent/rows.h"
#include "parent/verbs.h"

void verb_port_list(struct hub *hub, struct control_request *request, const json_t *args)
{
    const struct site *only, *site;
    if (!arg_site_filter(hub, request, args, &only))
        return;
    json_t *list = json_array();
    TAILQ_FOREACH(site, &hub->sites, entry)
    {
        for (size_t i = 0; i < site->forward_count && (!only || site == only); i++)
            (void)json_array_append_new(list, row_port(site->forwards[i]));
    }
    control_reply(request, list);
}

/* The grant, and the figures of its forward. */
void verb_port_show(struct hub *hub, struct control_request *request, const json_t *args)
{
    const struct forward *forward = arg_forward(hub, request, args);
    if (!forward)
        return;
    json_t *row = row_port(forward), *figures = row_forward(forward);
    (void)json_object_update_missing(row, figures);
    json_decref(figures);
    control_reply(request, row);
}

static void reset_counters(struct forward *forward)
{
    forward->connections_total = forward->bytes_in = forward->bytes_out = forward->errors = 0;
    kept_text_drop(&forward->last_error);
    memset(forward->refused, 0, sizeof forward->refused);
}

static void reset_one(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct forward *forward = arg_forward(hub, request, args);
    if (!forward)
        return;
    reset_counters(forward);
    verb_done(hub, request, forward->site->row.name, "%s", forward->listen);
    control_reply(request, json_pack("{s:s, s:I}", "site", forward->site->row.name, "forwards",
                                     (json_int_t)1));
}

void verb_port_reset(struct hub *hub, struct control_request *request, const json_t *args)
{
    if (json_is_integer(json_object_get(args, "port"))) {
        reset_one(hub, request, args);
        return;
    }
    const struct site *site = arg_site(hub, request, args, "site");
    if (!site)
        return;
    for (size_t i = 0; i < site->forward_count; i++)
        reset_counters(site->forwards[i]);
    verb_done(hub, request, site->row.name, "all %zu", site->forward_count);
    control_reply(request, json_pack("{s:s, s:I}", "site", site->row.name, "forwards",
                                     (json_int_t)site->forward_count));
}
