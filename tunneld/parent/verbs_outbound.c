/* Control verbs about outbound grants. */
#define _GNU_SOURCE
#include "parent/outbound.h"
#include "parent/rows.h"
#include "parent/verbs.h"

static void reply_outbound(struct hub *hub, struct control_request *request,
                           const struct outbound *outbound)
{
    const char *site = outbound->site->row.name;
    verb_done(hub, request, site, "%s -> %s", outbound->listen, outbound->target);
    control_reply(request, json_pack("{s:s, s:s, s:s}", "site", site, "listen", outbound->listen,
                                     "target", outbound->target));
}

void verb_outbound_allow(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    struct outbound_row row = {0};
    struct outbound *outbound;
    struct site *site = arg_site(hub, request, args, "site");
    if (!site)
        return;
    if (outbound_read(arg_text(args, "target"), arg_text(args, "address"), arg_number(args, "port"),
                      &row, &fault) != 0 ||
        outbound_add(site, &row, &outbound, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    reply_outbound(hub, request, outbound);
}

void verb_outbound_remove(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    struct host_port target;
    const struct site *site = arg_site(hub, request, args, "site");
    if (!site)
        return;
    if (host_port_parse(arg_text(args, "target"), false, &target, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    struct outbound *outbound = outbound_find(site, target.host, target.port);
    if (!outbound) {
        control_refuse(request, "site %s has no outbound grant for %s", site->row.name,
                       arg_text(args, "target"));
        return;
    }
    struct outbound gone = *outbound; /* to be told of */
    if (outbound_remove(outbound, &fault) == 0)
        reply_outbound(hub, request, &gone);
    else
        control_refuse(request, "%s", fault.text);
}

void verb_outbound_list(struct hub *hub, struct control_request *request, const json_t *args)
{
    const struct site *only, *site;
    if (!arg_site_filter(hub, request, args, &only))
        return;
    json_t *list = json_array();
    TAILQ_FOREACH(site, &hub->sites, entry)
    {
        const struct outbound *outbound;
        if (only && site != only)
            continue;
        TAILQ_FOREACH(outbound, &site->outbounds, of_site)
        (void)json_array_append_new(list, row_outbound(outbound));
    }
    control_reply(request, list);
}
