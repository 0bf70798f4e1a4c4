/*
 * Running a plan: the store first, in one transaction, then memory, then those who are told.  What
 * the store refuses never happened.
 */
#define _GNU_SOURCE
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "parent/forwards.h"
#include "parent/grant_changes.h"
#include "parent/operators.h"
#include "parent/outbound.h"
#include "parent/plan.h"
#include "parent/sites.h"

#define FLUSH_EVERY 4096 /* events: the queue of those that wait for the store is bounded */

struct running {
    struct hub *hub;
    struct plan *plan;
    const char *actor;
};

/* What a kind of thing does at a step.  `site`: in memory; NULL when it is to be added. */
struct doing {
    int (*store)(struct running *running, struct plan_step *step, struct fault *fault);
    /* Memory; only a lack of it can fail. */
    int (*remember)(struct running *running, const struct plan_step *step);
    const char *events[3]; /* by action */
};

/* --- sites --- */

/* The row of the step's site, also of one that this very transaction adds. */
static int64_t site_row_of(const struct running *running, const struct plan_step *step)
{
    const struct site *site = site_find(running->hub, step->owner);
    if (site)
        return site->row.id;
    const struct plan_step *added = plan_find(running->plan, PLAN_ADD, PLAN_SITE, step->owner, "");
    return added ? added->site_id : 0;
}

static int store_site(struct running *running, struct plan_step *step, struct fault *fault)
{
    struct store *store = running->hub->store;
    int64_t row = site_row_of(running, step);
    if (step->action == PLAN_REMOVE)
        return store_site_remove(store, row, fault);
    if (step->action == PLAN_CHANGE)
        return store_site_enable(store, row, step->enabled, fault);
    step->created_s = clock_wall_s();
    if (store_site_add(store, step->owner, step->created_s, &step->site_id, fault) != 0)
        return -1;
    return step->enabled ? 0 : store_site_enable(store, step->site_id, false, fault);
}

static int remember_site(struct running *running, const struct plan_step *step)
{
    struct site *site = site_find(running->hub, step->owner);
    struct site_row row = {
        .id = step->site_id, .enabled = step->enabled, .created_s = step->created_s};
    if (site && step->action == PLAN_REMOVE)
        site_forget(site);
    else if (site)
        site_set_enabled(site, step->enabled);
    if (step->action != PLAN_ADD)
        return 0;
    (void)text_copy(row.name, sizeof row.name, step->owner);
    return site_remember(running->hub, &row) ? 0 : -1;
}

/* --- grants --- */

static int store_port(struct running *running, struct plan_step *step, struct fault *fault)
{
    struct store *store = running->hub->store;
    if (step->action == PLAN_REMOVE)
        return store_grant_remove(store, step->grant.id, fault);
    if (step->action == PLAN_CHANGE)
        return store_grant_set(store, &step->grant, fault);
    return store_grant_add(store, site_row_of(running, step), &step->grant, fault);
}

static int remember_port(struct running *running, const struct plan_step *step)
{
    struct site *site = site_find(running->hub, step->owner);
    if (!site)
        return -1;
    struct forward *forward = site_forward(site, step->grant.port);
    if (step->action == PLAN_ADD)
        return grant_remember(site, &step->grant);
    if (step->action == PLAN_CHANGE)
        grant_change(forward, &step->grant);
    else
        grant_forget(forward);
    return 0;
}

/* --- outbound grants --- */

static int store_way_out(struct running *running, struct plan_step *step, struct fault *fault)
{
    struct store *store = running->hub->store;
    if (step->action != PLAN_ADD && store_outbound_remove(store, step->outbound.id, fault) != 0)
        return -1;
    if (step->action == PLAN_REMOVE)
        return 0;
    return store_outbound_add(store, site_row_of(running, step), &step->outbound, fault);
}

static int remember_way_out(struct running *running, const struct plan_step *step)
{
    struct site *site = site_find(running->hub, step->owner);
    if (!site)
        return -1;
    struct outbound *former = outbound_find(site, step->outbound.host, step->outbound.port);
    if (former)
        outbound_free(former, step->action == PLAN_REMOVE ? "outbound grant removed"
                                                          : "outbound grant changed");
    return step->action == PLAN_REMOVE || outbound_new(site, &step->outbound) ? 0 : -1;
}

/* --- operators --- */

static int store_person(struct running *running, struct plan_step *step, struct fault *fault)
{
    struct store *store = running->hub->store;
    if (step->action == PLAN_REMOVE)
        return store_operator_remove(store, step->person->id, fault);
    int rc = step->action == PLAN_ADD ? store_operator_add(store, step->person, fault)
                                      : store_operator_set(store, step->person, fault);
    return rc == STORE_EXISTS ? fault_set(fault, "two operators would have one key") : rc;
}

static int remember_person(struct running *running, const struct plan_step *step)
{
    struct hub_operator *person = operator_find(running->hub, step->owner);
    if (step->action == PLAN_ADD)
        return operator_remember(running->hub, step->person) ? 0 : -1;
    if (person && step->action == PLAN_REMOVE)
        operator_forget(person);
    else if (person)
        operator_change(person, step->person);
    return 0;
}

static const struct doing doings[] = {
    [PLAN_SITE] = {store_site, remember_site, {"site.remove", "site.add", "site.set"}},
    [PLAN_PORT] = {store_port, remember_port, {"port.remove", "port.allow", "port.set"}},
    [PLAN_OUTBOUND] = {store_way_out,
                       remember_way_out,
                       {"outbound.remove", "outbound.allow", "outbound.allow"}},
    [PLAN_OPERATOR] = {store_person,
                       remember_person,
                       {"operator.remove", "operator.add", "operator.set"}},
};

/* --- all of it --- */

static int store_all(struct running *running, struct fault *fault)
{
    struct store *store = running->hub->store;
    struct plan *plan = running->plan;
    if (store_begin(store, fault) != 0)
        return -1;
    for (size_t i = 0; i < plan->count; i++) {
        struct plan_step *step = &plan->steps[i];
        if (doings[step->kind].store(running, step, fault) == 0)
            continue;
        store_rollback(store);
        return fault_prefix(fault, "nothing was changed: %s %s", step->owner, step->name);
    }
    return store_commit(store, fault);
}

static void say_step(const struct running *running, const struct plan_step *step)
{
    char detail[PLAN_DETAIL_SIZE];
    const char *event = doings[step->kind].events[step->action];
    if (step->kind == PLAN_SITE && step->action == PLAN_CHANGE)
        event = step->enabled ? "site.enable" : "site.disable";
    plan_detail(step, detail);
    bool person = step->kind == PLAN_OPERATOR;
    const char *name = person ? step->owner : step->name;
    event_say(running->hub, event, person ? NULL : step->owner, running->actor, NULL, "%s%s%s",
              name, name[0] != '\0' && detail[0] != '\0' ? ": " : "", detail);
}

/* Not once for each step: a site with a hundred new grants gets one list. */
static void tell_agents(const struct running *running)
{
    const struct plan *plan = running->plan;
    const char *told = "";
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_step *step = &plan->steps[i];
        struct site *site =
            step->kind == PLAN_OPERATOR ? NULL : site_find(running->hub, step->owner);
        if (!site || strcmp(told, step->owner) == 0)
            continue;
        told = step->owner;
        site_forwards_changed(site);
    }
}

int plan_run(struct hub *hub, struct plan *plan, const char *actor, struct fault *fault)
{
    struct running running = {hub, plan, actor};
    bool out_of_memory = false;
    if (plan->count == 0)
        return 0;
    events_flush(hub); /* its transaction is not ours */
    if (store_all(&running, fault) != 0)
        return -1;
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_step *step = &plan->steps[i];
        if (doings[step->kind].remember(&running, step) != 0)
            out_of_memory = true;
        say_step(&running, step);
        if (i % FLUSH_EVERY == FLUSH_EVERY - 1)
            events_flush(hub);
    }
    tell_agents(&running);
    if (!out_of_memory)
        return 0;
    return fault_set(fault, "the store holds it all, but the hub is out of memory: restart it");
}
