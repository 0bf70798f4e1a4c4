/*
 * Changing one grant.  What a change does to what lives is grant_changes.c's; how a person asks for
 * it is the control verbs'.
 */
#define _GNU_SOURCE
#include "parent/grants_admin.h"

#include <string.h>

#include "parent/doors.h"
#include "parent/grant_changes.h"
#include "parent/sites.h"
#include "parent/tcp_listener.h"

static int complete_target(struct grant *grant, struct fault *fault)
{
    struct host_port target;
    if (grant->target[0] == '\0')
        return fault_set(fault, "a grant needs a target: HOST:PORT, as seen from the site");
    if (host_port_parse(grant->target, false, &target, fault) != 0)
        return fault_prefix(fault, "target");
    host_port_format(target.host, target.port, grant->target);
    return 0;
}

int grant_complete(const struct hub *hub, struct grant *grant, struct fault *fault)
{
    char canonical[LISTEN_ADDRESS_SIZE];
    if (complete_target(grant, fault) != 0)
        return -1;
    if (grant->policy.private && grant->address[0] != '\0')
        return fault_set(fault,
                         "a private grant has no address, because nothing listens for it: leave "
                         "%s out, or let it be public",
                         grant->address);
    if (grant->policy.private)
        return 0;
    const char *address =
        grant->address[0] != '\0' ? grant->address : hub->settings.forward_address;
    if (listen_address_canonical(address, canonical, fault) != 0)
        return -1;
    memcpy(grant->address, canonical, sizeof canonical);
    return 0;
}

static bool forwards_clash(const struct forward *forward, const struct grant *grant)
{
    return !forward->grant->policy.private &&
           listen_addresses_overlap(forward->grant->address, grant->address);
}

/* Every other grant of this port, of whatever site. */
static int check_holders(const struct hub *hub, const struct grant *grant,
                         const struct forward *but, struct fault *fault)
{
    const struct forward *forward;
    LIST_FOREACH(forward, &hub->forwards_by_port[grant->port], same_port)
    {
        if (forward != but && forwards_clash(forward, grant))
            return fault_set(fault, "%s is granted to site %s already: choose another port",
                             forward->listen, forward->site->row.name);
    }
    return 0;
}

/* `own`: the forward whose grant this becomes; NULL for a new one. */
static int check_listen(const struct hub *hub, const struct grant *grant, const struct forward *own,
                        struct fault *fault)
{
    if (grant->policy.private)
        return 0;
    if (check_holders(hub, grant, own, fault) != 0)
        return -1;
    if (doors_overlap(hub, grant->address, grant->port))
        return fault_set(fault, "port %u is where this hub listens for SSH: choose another port",
                         (unsigned)grant->port);
    bool own_is_in_the_way =
        own && own->listener && listen_addresses_overlap(own->grant->address, grant->address);
    return own_is_in_the_way ? 0 : tcp_listener_try(grant->address, grant->port, fault);
}

static int check_new(const struct site *site, const struct grant *grant, struct fault *fault)
{
    const struct forward *own = site_forward(site, grant->port);
    if (own)
        return fault_set(fault,
                         "port %u is granted to site %s already (%s -> %s): change it with 'port "
                         "set', or remove it first",
                         (unsigned)grant->port, site->row.name, own->listen, own->grant->target);
    if (site->forward_count >= GRANTS_PER_SITE_MAX)
        return fault_set(fault, "site %s has %d grants, as many as a site may have", site->row.name,
                         GRANTS_PER_SITE_MAX);
    return check_listen(site->hub, grant, NULL, fault);
}

int grant_add(struct site *site, struct grant *grant, struct fault *fault)
{
    struct store *store = site->hub->store;
    if (check_new(site, grant, fault) != 0 ||
        store_grant_add(store, site->row.id, grant, fault) != 0)
        return -1;
    if (grant_remember(site, grant) == 0) {
        site_forwards_changed(site);
        return 0;
    }
    if (store_grant_remove(store, grant->id, fault) != 0)
        return -1;
    return fault_set(fault, "out of memory: the port was not granted");
}

static bool listens_alike(const struct grant *a, const struct grant *b)
{
    return a->policy.private == b->policy.private && strcmp(a->address, b->address) == 0;
}

int grant_set(struct forward *forward, const struct grant *grant, struct fault *fault)
{
    const struct hub *hub = forward->site->hub;
    if (!listens_alike(grant, forward->grant) && check_listen(hub, grant, forward, fault) != 0)
        return -1;
    if (store_grant_set(hub->store, grant, fault) != 0)
        return -1;
    grant_change(forward, grant);
    site_forwards_changed(forward->site);
    return 0;
}

int grant_remove(struct forward *forward, struct fault *fault)
{
    struct site *site = forward->site;
    if (store_grant_remove(site->hub->store, forward->grant->id, fault) != 0)
        return -1;
    grant_forget(forward);
    site_forwards_changed(site);
    return 0;
}
