/*
 * Making a plan: the document is compared with what the hub holds, item by item as JSON.  Nothing
 * is changed here.  Whether what would come of it holds together is plan_check.c's.
 */
#define _GNU_SOURCE
#include "parent/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parent/document.h"
#include "parent/forwards.h"
#include "parent/operators.h"
#include "parent/outbound.h"
#include "parent/sites.h"

/* What making it needs to know. */
struct making {
    struct hub *hub;
    bool prune;
    struct plan *plan;
};

static int out_of_memory(struct fault *fault)
{
    (void)fault_set(fault, "out of memory");
    return -1;
}

/* The next step; NULL: out of memory.  `before` and `after` are stolen. */
static struct plan_step *add_step(struct making *making, enum plan_action action,
                                  enum plan_kind kind, const char *owner, const char *name,
                                  json_t *before, json_t *after)
{
    struct plan *plan = making->plan;
    if (plan->count == plan->size) {
        size_t size = plan->size ? plan->size * 2 : 64;
        struct plan_step *grown = reallocarray(plan->steps, size, sizeof *grown);
        if (!grown) {
            json_decref(before);
            json_decref(after);
            return NULL;
        }
        plan->steps = grown;
        plan->size = size;
    }
    struct plan_step *step = &plan->steps[plan->count++];
    *step = (struct plan_step){.action = action, .kind = kind, .before = before, .after = after};
    (void)text_copy(step->owner, sizeof step->owner, owner);
    (void)text_copy(step->name, sizeof step->name, name);
    return step;
}

/* What there is (NULL: nothing) and what there shall be, both stolen.  1 and the step, 0 when they
 * are the same. */
static int add_difference(struct making *making, enum plan_kind kind, const char *owner,
                          const char *name, json_t *before, json_t *after, struct plan_step **step,
                          struct fault *fault)
{
    if (before && json_equal(before, after)) {
        json_decref(before);
        json_decref(after);
        return 0;
    }
    *step = add_step(making, before ? PLAN_CHANGE : PLAN_ADD, kind, owner, name, before, after);
    return *step ? 1 : out_of_memory(fault);
}

/* What the document does not name.  1 and the step that removes it, 0 when it stays. */
static int add_removal(struct making *making, enum plan_kind kind, const char *owner,
                       const char *name, json_t *before, struct plan_step **step,
                       struct fault *fault)
{
    if (!making->prune) {
        making->plan->kept++;
        json_decref(before);
        return 0;
    }
    *step = add_step(making, PLAN_REMOVE, kind, owner, name, before, NULL);
    return *step ? 1 : out_of_memory(fault);
}

/* --- grants --- */

static int plan_grant(struct making *making, const char *owner, const struct site *site,
                      const char *port, const json_t *json, struct fault *fault)
{
    struct grant grant;
    struct plan_step *step;
    if (document_read_grant(making->hub, port, json, &grant, fault) != 0)
        return fault_prefix(fault, "sites.%s.ports.%.16s", owner, port);
    const struct forward *forward = site ? site_forward(site, grant.port) : NULL;
    int rc = add_difference(making, PLAN_PORT, owner, port,
                            forward ? document_grant(making->hub, forward->grant) : NULL,
                            document_grant(making->hub, &grant), &step, fault);
    if (rc != 1)
        return rc;
    if (forward) {
        grant.id = forward->grant->id;
        grant.created_s = forward->grant->created_s;
    }
    step->grant = grant;
    return 0;
}

static int plan_grants_left(struct making *making, const struct site *site, const json_t *ports,
                            struct fault *fault)
{
    size_t count = json_object_size(ports);
    for (size_t i = 0; i < site->forward_count; i++) {
        const struct grant *grant = site->forwards[i]->grant;
        struct plan_step *step;
        char port[8];
        (void)snprintf(port, sizeof port, "%u", (unsigned)grant->port);
        if (json_object_get(ports, port))
            continue;
        int rc = add_removal(making, PLAN_PORT, site->row.name, port,
                             document_grant(making->hub, grant), &step, fault);
        if (rc < 0)
            return -1;
        if (rc == 1)
            grant_copy(&step->grant, grant);
        else
            count++;
    }
    if (count > GRANTS_PER_SITE_MAX)
        return fault_set(fault,
                         "sites.%s.ports: with those that stay they are more than the %d that a "
                         "site may have",
                         site->row.name, GRANTS_PER_SITE_MAX);
    return 0;
}

static int plan_grants(struct making *making, const char *owner, const struct site *site,
                       json_t *ports, struct fault *fault)
{
    const char *port;
    json_t *grant;
    if (ports && !json_is_object(ports))
        return fault_set(fault, "sites.%s.ports must be a map of ports", owner);
    if (json_object_size(ports) > GRANTS_PER_SITE_MAX)
        return fault_set(fault, "sites.%s.ports: a site may have at most %d", owner,
                         GRANTS_PER_SITE_MAX);
    json_object_foreach(ports, port, grant)
    {
        if (plan_grant(making, owner, site, port, grant, fault) != 0)
            return -1;
    }
    return site ? plan_grants_left(making, site, ports, fault) : 0;
}

/* --- outbound grants --- */

static int plan_outbound(struct making *making, const char *owner, const struct site *site,
                         const char *target, const json_t *json, struct fault *fault)
{
    struct outbound_row row = {0};
    struct plan_step *step;
    char name[HOST_PORT_SIZE];
    if (document_read_outbound(target, json, &row, fault) != 0)
        return fault_prefix(fault, "sites.%s.outbound.%.64s", owner, target);
    if (strcmp(host_port_format(row.host, row.port, name), target) != 0)
        return fault_set(fault, "sites.%s.outbound.%.64s: write it as %s", owner, target, name);
    const struct outbound *outbound = site ? outbound_find(site, row.host, row.port) : NULL;
    int rc = add_difference(making, PLAN_OUTBOUND, owner, name,
                            outbound ? document_outbound(&outbound->row) : NULL,
                            document_outbound(&row), &step, fault);
    if (rc == 1) {
        row.id = outbound ? outbound->row.id : 0;
        step->outbound = row;
    }
    return rc < 0 ? -1 : 0;
}

static int plan_outbounds(struct making *making, const char *owner, const struct site *site,
                          json_t *outbounds, struct fault *fault)
{
    const char *target;
    json_t *json;
    const struct outbound *outbound;
    if (outbounds && !json_is_object(outbounds))
        return fault_set(fault, "sites.%s.outbound must be a map of HOST:PORT", owner);
    json_object_foreach(outbounds, target, json)
    {
        if (plan_outbound(making, owner, site, target, json, fault) != 0)
            return -1;
    }
    if (!site)
        return 0;
    TAILQ_FOREACH(outbound, &site->outbounds, of_site)
    {
        struct plan_step *step;
        if (json_object_get(outbounds, outbound->target))
            continue;
        int rc = add_removal(making, PLAN_OUTBOUND, owner, outbound->target,
                             document_outbound(&outbound->row), &step, fault);
        if (rc == 1)
            step->outbound = outbound->row;
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* --- sites --- */

static json_t *document_enabled(bool enabled)
{
    return enabled ? json_object() : json_pack("{s:b}", "enabled", 0);
}

static int plan_site_itself(struct making *making, const char *name, const struct site *site,
                            const json_t *json, struct fault *fault)
{
    bool enabled;
    struct plan_step *step;
    if (document_read_enabled(json_object_get(json, "enabled"), &enabled, fault) != 0)
        return fault_prefix(fault, "sites.%s", name);
    int rc = add_difference(making, PLAN_SITE, name, "",
                            site ? document_enabled(site->row.enabled) : NULL,
                            document_enabled(enabled), &step, fault);
    if (rc != 1)
        return rc;
    step->enabled = enabled;
    if (site) { /* a change is shown with both its sides */
        (void)json_object_set_new(step->before, "enabled", json_boolean(site->row.enabled));
        (void)json_object_set_new(step->after, "enabled", json_boolean(enabled));
    }
    return 0;
}

static int plan_site(struct making *making, const char *name, json_t *json, struct fault *fault)
{
    static const char *const known[] = {"enabled", "ports", "outbound", NULL};
    const struct site *site = site_find(making->hub, name);
    if (name_check(name, fault) != 0)
        return fault_prefix(fault, "sites");
    if (!json_is_object(json))
        return fault_set(fault, "sites.%s must be a map", name);
    if (document_check_items(json, known, fault) != 0)
        return fault_prefix(fault, "sites.%s", name);
    if (plan_site_itself(making, name, site, json, fault) != 0 ||
        plan_grants(making, name, site, json_object_get(json, "ports"), fault) != 0)
        return -1;
    return plan_outbounds(making, name, site, json_object_get(json, "outbound"), fault);
}

static int plan_sites(struct making *making, json_t *sites, struct fault *fault)
{
    const char *name;
    json_t *json;
    struct plan_step *step;
    const struct site *site;
    if (sites && !json_is_object(sites))
        return fault_set(fault, "'sites' must be a map of sites");
    json_object_foreach(sites, name, json)
    {
        if (plan_site(making, name, json, fault) != 0)
            return -1;
    }
    TAILQ_FOREACH(site, &making->hub->sites, entry)
    {
        if (!json_object_get(sites, site->row.name) &&
            add_removal(making, PLAN_SITE, site->row.name, "", document_site(site), &step, fault) <
                0)
            return -1;
    }
    return 0;
}

/* --- operators --- */

static int take_person(struct plan_step *step, const struct operator_row *row, struct fault *fault)
{
    step->person = malloc(sizeof *step->person);
    if (!step->person)
        return out_of_memory(fault);
    *step->person = *row;
    return 0;
}

static int plan_operator(struct making *making, const char *name, const json_t *json,
                         struct fault *fault)
{
    struct operator_row row;
    struct plan_step *step;
    if (!json_is_object(json))
        return fault_set(fault, "operators.%.64s must be a map", name);
    if (document_read_operator(name, json, &row, fault) != 0)
        return fault_prefix(fault, "operators.%.64s", name);
    const struct hub_operator *person = operator_find(making->hub, name);
    int rc = add_difference(making, PLAN_OPERATOR, name, "",
                            person ? document_operator(&person->row) : NULL,
                            document_operator(&row), &step, fault);
    if (rc != 1)
        return rc;
    if (person) {
        row.id = person->row.id;
        row.created_s = person->row.created_s;
    }
    return take_person(step, &row, fault);
}

static int plan_operators(struct making *making, json_t *operators, struct fault *fault)
{
    const char *name;
    json_t *json;
    const struct hub_operator *person;
    if (operators && !json_is_object(operators))
        return fault_set(fault, "'operators' must be a map of operators");
    json_object_foreach(operators, name, json)
    {
        if (plan_operator(making, name, json, fault) != 0)
            return -1;
    }
    TAILQ_FOREACH(person, &making->hub->operators, entry)
    {
        struct plan_step *step;
        if (json_object_get(operators, person->row.name))
            continue;
        int rc = add_removal(making, PLAN_OPERATOR, person->row.name, "",
                             document_operator(&person->row), &step, fault);
        if (rc < 0 || (rc == 1 && take_person(step, &person->row, fault) != 0))
            return -1;
    }
    return 0;
}

/* --- all of it --- */

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
    if (left->kind == PLAN_OPERATOR || right->kind == PLAN_OPERATOR) {
        if (left->kind != right->kind)
            return left->kind == PLAN_OPERATOR ? 1 : -1;
    }
    int order = strcmp(left->owner, right->owner);
    if (order == 0)
        order = (int)left->kind - (int)right->kind;
    return order != 0 ? order : strverscmp(left->name, right->name);
}

const struct plan_step *plan_find(const struct plan *plan, enum plan_action action,
                                  enum plan_kind kind, const char *owner, const char *name)
{
    struct plan_step wanted = {.action = action, .kind = kind};
    (void)text_copy(wanted.owner, sizeof wanted.owner, owner);
    (void)text_copy(wanted.name, sizeof wanted.name, name);
    if (plan->count == 0)
        return NULL;
    const struct plan_step *found =
        bsearch(&wanted, plan->steps, plan->count, sizeof *plan->steps, compare_steps);
    return found && found->action == action ? found : NULL;
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
        plan_sites(making, json_object_get(document, "sites"), fault) != 0 ||
        plan_operators(making, json_object_get(document, "operators"), fault) != 0)
        return -1;
    if (plan->count > 0)
        qsort(plan->steps, plan->count, sizeof *plan->steps, compare_steps);
    return plan_check(making->hub, plan, fault);
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
        free(plan->steps[i].person);
    }
    free(plan->steps);
    *plan = (struct plan){0};
}
