/*
 * Does what would come of a plan hold together?  Judged as a whole, because a port may move from
 * one site to another in one go.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parent/doors.h"
#include "parent/forwards.h"
#include "parent/operators.h"
#include "parent/outbound.h"
#include "parent/plan.h"
#include "parent/sites.h"
#include "parent/tcp_listener.h"

/* --- sockets on the hub --- */

/* Where a site would listen for visitors. */
struct place {
    const char *site;
    const struct grant *grant;
    bool fresh; /* the hub does not hold it like that yet */
};

struct places {
    struct place *items;
    size_t count;
};

static int by_port(const void *a, const void *b)
{
    const struct place *left = a, *right = b;
    return (int)left->grant->port - (int)right->grant->port;
}

static void add_place(struct places *places, const char *site, const struct grant *grant,
                      bool fresh)
{
    if (!grant->policy.private)
        places->items[places->count++] = (struct place){site, grant, fresh};
}

/* Does the plan leave this grant as it is? */
static bool stays(const struct plan *plan, const struct site *site, const struct grant *grant)
{
    char port[8];
    const char *name = site->row.name;
    (void)snprintf(port, sizeof port, "%u", (unsigned)grant->port);
    return !plan_find(plan, PLAN_REMOVE, PLAN_SITE, name, "") &&
           !plan_find(plan, PLAN_REMOVE, PLAN_PORT, name, port) &&
           !plan_find(plan, PLAN_CHANGE, PLAN_PORT, name, port);
}

static int collect_places(const struct hub *hub, const struct plan *plan, struct places *places,
                          struct fault *fault)
{
    size_t most = plan->count;
    const struct site *site;
    TAILQ_FOREACH(site, &hub->sites, entry)
    most += site->forward_count;
    places->items = calloc(most + 1, sizeof *places->items);
    if (!places->items)
        return fault_set(fault, "out of memory");
    TAILQ_FOREACH(site, &hub->sites, entry)
    {
        for (size_t i = 0; i < site->forward_count; i++) {
            const struct grant *grant = site->forwards[i]->grant;
            if (stays(plan, site, grant))
                add_place(places, site->row.name, grant, false);
        }
    }
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_step *step = &plan->steps[i];
        if (step->kind == PLAN_PORT && step->action != PLAN_REMOVE)
            add_place(places, step->owner, &step->grant, true);
    }
    qsort(places->items, places->count, sizeof *places->items, by_port);
    return 0;
}

static int check_neighbours(const struct places *places, struct fault *fault)
{
    for (size_t i = 0; i < places->count; i++) {
        const struct place *one = &places->items[i];
        for (size_t j = i + 1; j < places->count; j++) {
            const struct place *other = &places->items[j];
            if (other->grant->port != one->grant->port)
                break;
            if (!listen_addresses_overlap(one->grant->address, other->grant->address))
                continue;
            return fault_set(fault,
                             "sites.%s.ports.%u on %s and sites.%s.ports.%u on %s would fight for "
                             "one socket: choose another port for one of them",
                             one->site, (unsigned)one->grant->port, one->grant->address,
                             other->site, (unsigned)other->grant->port, other->grant->address);
        }
    }
    return 0;
}

/* Does a listener of ours hold the place?  It is the plan's to move. */
static bool is_ours(const struct hub *hub, const struct grant *grant)
{
    const struct forward *forward;
    LIST_FOREACH(forward, &hub->forwards_by_port[grant->port], same_port)
    {
        if (forward->listener && listen_addresses_overlap(forward->grant->address, grant->address))
            return true;
    }
    return false;
}

static int check_place(const struct hub *hub, const struct place *place, struct fault *fault)
{
    const struct grant *grant = place->grant;
    if (!place->fresh)
        return 0;
    if (doors_overlap(hub, grant->address, grant->port))
        return fault_set(fault,
                         "sites.%s.ports.%u: this is where the hub listens for SSH: choose another "
                         "port",
                         place->site, (unsigned)grant->port);
    struct fault taken = {""};
    if (tcp_listener_try(grant->address, grant->port, &taken) == 0 || is_ours(hub, grant))
        return 0;
    return fault_set(fault, "sites.%s.ports.%u: %s", place->site, (unsigned)grant->port,
                     taken.text);
}

static int check_places(const struct hub *hub, const struct plan *plan, struct fault *fault)
{
    struct places places = {0};
    int rc = collect_places(hub, plan, &places, fault);
    if (rc == 0)
        rc = check_neighbours(&places, fault);
    for (size_t i = 0; i < places.count && rc == 0; i++)
        rc = check_place(hub, &places.items[i], fault);
    free(places.items);
    return rc;
}

/* --- sockets at the sites --- */

static int check_listeners(const char *site, const struct outbound_row *one,
                           const struct outbound_row *other, struct fault *fault)
{
    if (one->listen_port != other->listen_port ||
        !listen_addresses_overlap(one->listen_address, other->listen_address))
        return 0;
    return fault_set(
        fault,
        "sites.%s.outbound: %s:%u and %s:%u would listen on one port of the site: choose "
        "another port for one of them",
        site, one->host, (unsigned)one->port, other->host, (unsigned)other->port);
}

/* `step` against the site's others: those of the plan that follow, and those that stay. */
static int check_outbound(const struct hub *hub, const struct plan *plan,
                          const struct plan_step *step, struct fault *fault)
{
    const struct plan_step *end = plan->steps + plan->count, *next;
    const struct site *site = site_find(hub, step->owner);
    const struct outbound *other;
    size_t count = 1;
    for (next = step + 1;
         next < end && next->kind == PLAN_OUTBOUND && strcmp(next->owner, step->owner) == 0;
         next++) {
        if (check_listeners(step->owner, &step->outbound, &next->outbound, fault) != 0)
            return -1;
        count++;
    }
    for (other = site ? TAILQ_FIRST(&site->outbounds) : NULL; other;
         other = TAILQ_NEXT(other, of_site)) {
        if (plan_find(plan, PLAN_REMOVE, PLAN_OUTBOUND, step->owner, other->target) ||
            plan_find(plan, PLAN_CHANGE, PLAN_OUTBOUND, step->owner, other->target))
            continue;
        if (check_listeners(step->owner, &step->outbound, &other->row, fault) != 0)
            return -1;
        count++;
    }
    if (count > OUTBOUND_PER_SITE_MAX)
        return fault_set(fault, "sites.%s.outbound: a site may have at most %d", step->owner,
                         OUTBOUND_PER_SITE_MAX);
    return 0;
}

/* --- names and keys --- */

static int check_name_is_free(const struct hub *hub, const struct plan *plan,
                              const struct plan_step *step, struct fault *fault)
{
    bool is_site = step->kind == PLAN_SITE;
    enum plan_kind other = is_site ? PLAN_OPERATOR : PLAN_SITE;
    bool there =
        is_site ? operator_find(hub, step->owner) != NULL : site_find(hub, step->owner) != NULL;
    if (there ? plan_find(plan, PLAN_REMOVE, other, step->owner, "") != NULL
              : plan_find(plan, PLAN_ADD, other, step->owner, "") == NULL)
        return 0;
    return fault_set(fault, "%s cannot be a site and an operator: choose another name for one",
                     step->owner);
}

static int check_step(const struct hub *hub, const struct plan *plan, const struct plan_step *step,
                      struct fault *fault)
{
    if (step->action == PLAN_REMOVE)
        return 0;
    if (step->kind == PLAN_OUTBOUND)
        return check_outbound(hub, plan, step, fault);
    if (step->action == PLAN_ADD && step->kind != PLAN_PORT &&
        check_name_is_free(hub, plan, step, fault) != 0)
        return -1;
    if (step->kind == PLAN_OPERATOR && operator_check_key(hub, step->person, fault) != 0)
        return fault_prefix(fault, "operators.%s", step->owner);
    return 0;
}

int plan_check(const struct hub *hub, const struct plan *plan, struct fault *fault)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (check_step(hub, plan, &plan->steps[i], fault) != 0)
            return -1;
    }
    return check_places(hub, plan, fault);
}
