/*
 * Control verbs about grants.  A grant is checked against everything that could fight for its
 * socket before it is stored, so that the refusal comes to whoever can do something about it.
 */
#define _GNU_SOURCE
#include <string.h>

#include "base/clock.h"
#include "parent/doors.h"
#include "parent/rows.h"
#include "parent/tcp_listener.h"
#include "parent/verbs.h"

static int check_port(int64_t port, struct fault *fault)
{
    if (port >= 1 && port <= UINT16_MAX)
        return 0;
    return fault_set(fault, "port %lld is out of range: 1 to 65535", (long long)port);
}

static int check_target(const char *text, char *out, struct fault *fault)
{
    struct host_port target;
    if (host_port_parse(text, false, &target, fault) != 0)
        return fault_prefix(fault, "target");
    host_port_format(target.host, target.port, out);
    return 0;
}

static int read_grant(const struct hub *hub, const json_t *args, struct grant *grant,
                      struct fault *fault)
{
    const char *address = arg_text(args, "address");
    int64_t port = arg_number(args, "port");
    if (address[0] == '\0')
        address = hub->settings.forward_address;
    if (check_port(port, fault) != 0 ||
        listen_address_canonical(address, grant->address, fault) != 0 ||
        check_target(arg_text(args, "target"), grant->target, fault) != 0)
        return -1;
    grant->port = (uint16_t)port;
    grant->enabled = true;
    grant->created_s = clock_wall_s();
    return 0;
}

/* Every grant of every site: a verb may take that long, a visitor may not. */
static int check_holders(const struct hub *hub, const struct grant *grant, struct fault *fault)
{
    const struct site *site;
    TAILQ_FOREACH(site, &hub->sites, entry)
    {
        const struct forward *forward = site_forward(site, grant->port);
        if (forward && listen_addresses_overlap(forward->grant.address, grant->address))
            return fault_set(fault, "%s is granted to site %s already: choose another port",
                             forward->listen, site->row.name);
    }
    return 0;
}

static int check_clashes(const struct hub *hub, const struct site *site, const struct grant *grant,
                         struct fault *fault)
{
    const struct forward *own = site_forward(site, grant->port);
    if (own)
        return fault_set(fault,
                         "port %u is granted to site %s already (%s -> %s): change it with 'port "
                         "set', or remove it first",
                         (unsigned)grant->port, site->row.name, own->listen, own->grant.target);
    if (site->forward_count >= GRANTS_PER_SITE_MAX)
        return fault_set(fault, "site %s has %d grants, as many as a site may have", site->row.name,
                         GRANTS_PER_SITE_MAX);
    if (check_holders(hub, grant, fault) != 0)
        return -1;
    if (doors_overlap(hub, grant->address, grant->port))
        return fault_set(fault, "port %u is where this hub listens for SSH: choose another port",
                         (unsigned)grant->port);
    return tcp_listener_try(grant->address, grant->port, fault);
}

static int add_grant(struct hub *hub, struct site *site, struct grant *grant, struct fault *fault)
{
    if (check_clashes(hub, site, grant, fault) != 0 ||
        store_grant_add(hub->store, site->row.id, grant, fault) != 0)
        return -1;
    struct forward *forward = forward_new(site, grant);
    if (forward && site_add_forward(site, forward) == 0)
        return 0;
    forward_free(forward);
    if (store_grant_remove(hub->store, grant->id, fault) != 0)
        return -1;
    return fault_set(fault, "out of memory: the port was not granted");
}

static void reply_grant(struct hub *hub, struct control_request *request,
                        const struct forward *forward)
{
    verb_done(hub, request, forward->site->row.name, "%s -> %s", forward->listen,
              forward->grant.target);
    control_reply(request, json_pack("{s:s, s:s, s:s}", "site", forward->site->row.name, "listen",
                                     forward->listen, "target", forward->grant.target));
}

void verb_port_allow(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    struct grant grant = {0};
    struct site *site = arg_site(hub, request, args, "site");
    if (!site)
        return;
    if (read_grant(hub, args, &grant, &fault) != 0 || add_grant(hub, site, &grant, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    site_forwards_changed(site);
    reply_grant(hub, request, site_forward(site, grant.port));
}

/* The forward that site and port name, or NULL and a refusal that was sent. */
static struct forward *arg_forward(struct hub *hub, struct control_request *request,
                                   const json_t *args)
{
    const struct site *site = arg_site(hub, request, args, "site");
    if (!site)
        return NULL;
    int64_t port = arg_number(args, "port");
    struct forward *forward = port > 0 ? site_forward(site, (uint64_t)port) : NULL;
    if (!forward)
        control_refuse(request, "port %lld is not granted to site %s", (long long)port,
                       site->row.name);
    return forward;
}

/* Stores what changed; memory follows. */
static bool change_grant(struct hub *hub, struct control_request *request, struct forward *forward,
                         const struct grant *grant)
{
    struct fault fault = {""};
    if (store_grant_set(hub->store, grant, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return false;
    }
    forward->grant = *grant;
    forward->refusal[0] = '\0';
    forward->health = TARGET_UNTRIED;
    site_forwards_changed(forward->site);
    return true;
}

void verb_port_set(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    struct forward *forward = arg_forward(hub, request, args);
    if (!forward)
        return;
    struct grant grant = forward->grant;
    if (check_target(arg_text(args, "target"), grant.target, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    if (change_grant(hub, request, forward, &grant))
        reply_grant(hub, request, forward);
}

static void set_enabled(struct hub *hub, struct control_request *request, const json_t *args,
                        bool enabled)
{
    struct forward *forward = arg_forward(hub, request, args);
    if (!forward)
        return;
    struct grant grant = forward->grant;
    grant.enabled = enabled;
    if (!change_grant(hub, request, forward, &grant))
        return;
    if (!enabled)
        forward_cut(forward, "grant disabled");
    reply_grant(hub, request, forward);
}

void verb_port_enable(struct hub *hub, struct control_request *request, const json_t *args)
{
    set_enabled(hub, request, args, true);
}

void verb_port_disable(struct hub *hub, struct control_request *request, const json_t *args)
{
    set_enabled(hub, request, args, false);
}

void verb_port_remove(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    struct forward *forward = arg_forward(hub, request, args);
    if (!forward)
        return;
    if (store_grant_remove(hub->store, forward->grant.id, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    struct site *site = forward->site;
    reply_grant(hub, request, forward);
    site_drop_forward(site, forward);
    forward_free(forward);
    site_forwards_changed(site);
}

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
