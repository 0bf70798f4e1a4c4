/*
 * Making a plan: the document is compared with what the hub holds, item by item as JSON, and what
 * would come of it is checked as a whole, because a port may move from one site to another in one
 * go.  Nothing is changed here.
 */
#define _GNU_SOURCE
#include "parent/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parent/document.h"
#include "parent/doors.h"
#include "parent/forwards.h"
#include "parent/sites.h"
#include "parent/tcp_listener.h"

/* What making it needs to know. */
struct making {
    struct hub *hub;
    bool prune;
    struct plan *plan;
};

/* The next step, zeroed; NULL: out of memory. */
static struct plan_step *add_step(struct making *making, enum plan_action action,
                                  enum plan_kind kind, const char *owner, struct fault *fault)
{
    struct plan *plan = making->plan;
    if (plan->count == plan->size) {
        size_t size = plan->size ? plan->size * 2 : 64;
        struct plan_step *grown = reallocarray(plan->steps, size, sizeof *grown);
        if (!grown) {
            (void)fault_set(fault, "out of memory");
            return NULL;
        }
        plan->steps = grown;
        plan->size = size;
    }
    struct plan_step *step = &plan->steps[plan->count++];
    memset(step, 0, sizeof *step);
    step->action = action;
    step->kind = kind;
    (void)text_copy(step->owner, sizeof step->owner, owner);
    return step;
}

static int remove_or_keep(struct making *making, enum plan_kind kind, const char *owner,
                          const char *name, json_t *before, struct fault *fault)
{
    struct plan_step *step = NULL;
    if (making->prune)
        step = add_step(making, PLAN_REMOVE, kind, owner, fault);
    else
        making->plan->kept++;
    if (!step) {
        json_decref(before);
        return making->prune ? -1 : 0;
    }
    (void)text_copy(step->name, sizeof step->name, name);
    step->before = before;
    return 0;
}

/* --- grants --- */

static int plan_grant(struct making *making, const char *site_name, const struct site *site,
                      const char *port, const json_t *json, struct fault *fault)
{
    struct grant grant;
    if (document_read_grant(making->hub, port, json, &grant, fault) != 0)
        return fault_prefix(fault, "sites.%s.ports.%.16s", site_name, port);
    const struct forward *forward = site ? site_forward(site, grant.port) : NULL;
    json_t *after = document_grant(making->hub, &grant);
    json_t *before = forward ? document_grant(making->hub, &forward->grant) : NULL;
    if (before && json_equal(before, after)) {
        json_decref(before);
        json_decref(after);
        return 0;
    }
    struct plan_step *step =
        add_step(making, forward ? PLAN_CHANGE : PLAN_ADD, PLAN_PORT, site_name, fault);
    if (!step) {
        json_decref(before);
        json_decref(after);
        return -1;
    }
    if (forward) {
        grant.id = forward->grant.id;
        grant.created_s = forward->grant.created_s;
    }
    (void)text_copy(step->name, sizeof step->name, port);
    step->before = before;
    step->after = after;
    step->grant = grant;
    return 0;
}

static int plan_grants_left(struct making *making, const struct site *site, const json_t *ports,
                            struct fault *fault)
{
    size_t kept = making->plan->kept;
    for (size_t i = 0; i < site->forward_count; i++) {
        const struct grant *grant = &site->forwards[i]->grant;
        char port[8];
        (void)snprintf(port, sizeof port, "%u", (unsigned)grant->port);
        if (json_object_get(ports, port))
            continue;
        if (remove_or_keep(making, PLAN_PORT, site->row.name, port,
                           document_grant(making->hub, grant), fault) != 0)
            return -1;
        if (making->prune)
            making->plan->steps[making->plan->count - 1].grant = *grant;
    }
    if (making->plan->kept - kept + json_object_size(ports) > GRANTS_PER_SITE_MAX)
        return fault_set(fault,
                         "sites.%s.ports: with those that the site has already they are more than "
                         "%d",
                         site->row.name, GRANTS_PER_SITE_MAX);
    return 0;
}

static int plan_grants(struct making *making, const char *site_name, const struct site *site,
                       json_t *ports, struct fault *fault)
{
    const char *port;
    json_t *grant;
    if (ports && !json_is_object(ports))
        return fault_set(fault, "sites.%s.ports must be a map of ports", site_name);
    if (json_object_size(ports) > GRANTS_PER_SITE_MAX)
        return fault_set(fault, "sites.%s.ports: a site may have at most %d grants", site_name,
                         GRANTS_PER_SITE_MAX);
    json_object_foreach(ports, port, grant)
    {
        if (plan_grant(making, site_name, site, port, grant, fault) != 0)
            return -1;
    }
    return site ? plan_grants_left(making, site, ports, fault) : 0;
}

/* --- sites --- */

static int plan_site_itself(struct making *making, const char *name, const struct site *site,
                            const json_t *json, struct fault *fault)
{
    bool enabled;
    if (document_read_enabled(json_object_get(json, "enabled"), &enabled, fault) != 0)
        return fault_prefix(fault, "sites.%s", name);
    if (site && site->row.enabled == enabled)
        return 0;
    struct plan_step *step =
        add_step(making, site ? PLAN_CHANGE : PLAN_ADD, PLAN_SITE, name, fault);
    if (!step)
        return -1;
    step->enabled = enabled;
    step->after = site || !enabled ? json_pack("{s:b}", "enabled", (int)enabled) : json_object();
    step->before = site ? json_pack("{s:b}", "enabled", (int)site->row.enabled) : NULL;
    return 0;
}

static int plan_site(struct making *making, const char *name, json_t *json, struct fault *fault)
{
    static const char *const known[] = {"enabled", "ports", "outbound", NULL};
    const struct site *site = site_find(making->hub, name);
    if (name_check(name, fault) != 0)
        return fault_prefix(fault, "sites");
    if (!json_is_object(json) || document_check_items(json, known, fault) != 0)
        return json_is_object(json) ? fault_prefix(fault, "sites.%s", name)
                                    : fault_set(fault, "sites.%s must be a map", name);
    if (plan_site_itself(making, name, site, json, fault) != 0)
        return -1;
    return plan_grants(making, name, site, json_object_get(json, "ports"), fault);
}

static int plan_sites(struct making *making, json_t *sites, struct fault *fault)
{
    const char *name;
    json_t *json;
    if (sites && !json_is_object(sites))
        return fault_set(fault, "'sites' must be a map of sites");
    json_object_foreach(sites, name, json)
    {
        if (plan_site(making, name, json, fault) != 0)
            return -1;
    }
    const struct site *site;
    TAILQ_FOREACH(site, &making->hub->sites, entry)
    {
        if (!json_object_get(sites, site->row.name) &&
            remove_or_keep(making, PLAN_SITE, site->row.name, "", document_site(site), fault) != 0)
            return -1;
    }
    return 0;
}

/* --- the order --- */

/* Before what takes its place: what goes.  Before what hangs on it: the site. */
static int rank(const struct plan_step *step)
{
    if (step->action == PLAN_REMOVE)
        return step->kind == PLAN_SITE;
    return step->kind == PLAN_SITE ? 2 : 3;
}

static int compare_steps(const void *a, const void *b)
{
    const struct plan_step *left = a, *right = b;
    if (rank(left) != rank(right))
        return rank(left) - rank(right);
    int order = strcmp(left->owner, right->owner);
    if (order == 0)
        order = (int)left->kind - (int)right->kind;
    return order != 0 ? order : strverscmp(left->name, right->name);
}

/* --- what comes of it, as a whole --- */

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

static const struct plan_step *find_step(const struct plan *plan, enum plan_action action,
                                         enum plan_kind kind, const char *owner, const char *name)
{
    struct plan_step wanted = {.action = action, .kind = kind};
    (void)text_copy(wanted.owner, sizeof wanted.owner, owner);
    (void)text_copy(wanted.name, sizeof wanted.name, name);
    if (plan->count == 0)
        return NULL;
    return bsearch(&wanted, plan->steps, plan->count, sizeof *plan->steps, compare_steps);
}

const struct plan_step *plan_find_added(const struct plan *plan, const char *site)
{
    return find_step(plan, PLAN_ADD, PLAN_SITE, site, "");
}

/* Does the plan leave this grant as it is? */
static bool stays(const struct plan *plan, const struct site *site, const struct grant *grant)
{
    char port[8];
    const char *name = site->row.name;
    (void)snprintf(port, sizeof port, "%u", (unsigned)grant->port);
    return !find_step(plan, PLAN_REMOVE, PLAN_SITE, name, "") &&
           !find_step(plan, PLAN_REMOVE, PLAN_PORT, name, port) &&
           !find_step(plan, PLAN_CHANGE, PLAN_PORT, name, port);
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
            const struct grant *grant = &site->forwards[i]->grant;
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
    const struct site *site;
    TAILQ_FOREACH(site, &hub->sites, entry)
    {
        const struct forward *forward = site_forward(site, grant->port);
        if (forward && forward->listener &&
            listen_addresses_overlap(forward->grant.address, grant->address))
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

static int check_version(const json_t *document, struct fault *fault)
{
    const json_t *version = json_object_get(document, "version");
    if (!json_is_integer(version))
        return fault_set(fault, "'version' is missing: this hub knows version %d",
                         DOCUMENT_VERSION);
    if (json_integer_value(version) != DOCUMENT_VERSION)
        return fault_set(fault, "version %lld is not known here: this hub knows version %d",
                         (long long)json_integer_value(version), DOCUMENT_VERSION);
    return 0;
}

static int make(struct making *making, const json_t *document, struct fault *fault)
{
    static const char *const known[] = {"version", "sites", "operators", NULL};
    struct plan *plan = making->plan;
    if (check_version(document, fault) != 0 || document_check_items(document, known, fault) != 0 ||
        plan_sites(making, json_object_get(document, "sites"), fault) != 0)
        return -1;
    if (plan->count > 0)
        qsort(plan->steps, plan->count, sizeof *plan->steps, compare_steps);
    return check_places(making->hub, plan, fault);
}

int plan_make(struct hub *hub, const json_t *document, bool prune, struct plan *out,
              struct fault *fault)
{
    struct making making = {.hub = hub, .prune = prune, .plan = out};
    *out = (struct plan){0};
    int rc = make(&making, document, fault);
    if (rc != 0)
        plan_release(out);
    return rc;
}

void plan_release(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        json_decref(plan->steps[i].before);
        json_decref(plan->steps[i].after);
    }
    free(plan->steps);
    *plan = (struct plan){0};
}
