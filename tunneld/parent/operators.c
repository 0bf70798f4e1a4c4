/*
 * Operators: who they are, what they may reach, and that what they no longer may ends at once.  The
 * store is written first, memory second.  How a channel of theirs gets to a site is opens.c's.
 */
#define _GNU_SOURCE
#include "parent/operators.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/kept_text.h"
#include "base/log.h"
#include "parent/forwards.h"
#include "parent/opens.h"
#include "parent/sites.h"

#define TICK_MS 1000

static void insert_ordered(struct hub_operator *person)
{
    struct hub *hub = person->hub;
    struct hub_operator *before = TAILQ_LAST(&hub->operators, operator_list);
    while (before && strcmp(before->row.name, person->row.name) > 0)
        before = TAILQ_PREV(before, operator_list, entry);
    if (before)
        TAILQ_INSERT_AFTER(&hub->operators, before, person, entry);
    else
        TAILQ_INSERT_HEAD(&hub->operators, person, entry);
}

static void take_row(struct hub_operator *person, const struct operator_row *row)
{
    person->row = *row;
    public_key_fingerprint(&row->key, person->fingerprint);
}

struct hub_operator *operator_remember(struct hub *hub, const struct operator_row *row)
{
    struct hub_operator *person = calloc(1, sizeof *person);
    if (!person)
        return NULL;
    person->hub = hub;
    take_row(person, row);
    TAILQ_INIT(&person->sessions);
    insert_ordered(person);
    hub->operator_count++;
    return person;
}

static void operator_free(struct hub_operator *person)
{
    TAILQ_REMOVE(&person->hub->operators, person, entry);
    person->hub->operator_count--;
    refusals_release(&person->refusals);
    free(person);
}

struct loading {
    struct hub *hub;
    bool out_of_memory;
};

static void on_operator(void *owner, const struct operator_row *row)
{
    struct loading *loading = owner;
    if (!operator_remember(loading->hub, row))
        loading->out_of_memory = true;
}

int operators_load(struct hub *hub, struct fault *fault)
{
    struct loading loading = {.hub = hub};
    if (store_operators(hub->store, on_operator, &loading, fault) != 0)
        return -1;
    if (loading.out_of_memory)
        return fault_set(fault, "out of memory while reading the operators from the store");
    return 0;
}

void operators_release(struct hub *hub)
{
    struct hub_operator *person;
    timeout_clear(&hub->operator_tick);
    while ((person = TAILQ_FIRST(&hub->operators)))
        operator_free(person); /* NOLINT(clang-analyzer-unix.Malloc): off the list */
}

struct hub_operator *operator_find(const struct hub *hub, const char *name)
{
    struct hub_operator *person;
    TAILQ_FOREACH(person, &hub->operators, entry)
    {
        if (strcmp(person->row.name, name) == 0)
            return person;
    }
    return NULL;
}

bool operator_has_expired(const struct hub_operator *person)
{
    return person->row.expires_s != 0 && person->row.expires_s <= clock_wall_s();
}

bool operator_may_reach(const struct hub_operator *person, const struct forward *forward)
{
    return scopes_allow(&person->row.scopes, forward->site->row.name, forward->grant->port);
}

/* --- what is allowed no longer --- */

static void close_sessions(struct hub_operator *person, const char *reason)
{
    struct session *session;
    TAILQ_FOREACH(session, &person->sessions, of_operator)
    session_close(session, reason);
}

static void on_tick(void *owner);

/* The wall clock may be set at any time, so it is looked at again and again; only while a session
 * is there that it can end. */
static void watch_expiry(struct hub *hub)
{
    const struct hub_operator *person;
    TAILQ_FOREACH(person, &hub->operators, entry)
    {
        if (person->row.expires_s == 0 || TAILQ_EMPTY(&person->sessions))
            continue;
        if (!hub->stopping && !hub->operator_tick &&
            timeout_set(hub->loop, &hub->operator_tick, TICK_MS, on_tick, hub) != 0)
            log_error(SAY("operators do not expire: out of memory"));
        return;
    }
}

static void on_tick(void *owner)
{
    struct hub *hub = owner;
    struct hub_operator *person;
    TAILQ_FOREACH(person, &hub->operators, entry)
    {
        if (operator_has_expired(person))
            close_sessions(person, "the operator has expired");
    }
    watch_expiry(hub);
}

static void apply_change(struct hub_operator *person, bool other_key)
{
    if (other_key)
        close_sessions(person, "the operator has another key now");
    else if (operator_has_expired(person))
        close_sessions(person, "the operator has expired");
    struct session *session;
    TAILQ_FOREACH(session, &person->sessions, of_operator)
    opens_judge(session);
    watch_expiry(person->hub);
}

/* --- changes --- */

static int check_name(const struct hub *hub, const char *name, struct fault *fault)
{
    if (operator_find(hub, name))
        return fault_set(fault, "operator %s exists already: change it with 'operator set'", name);
    if (site_find(hub, name))
        return fault_set(fault, "%s is the name of a site: choose another for the operator", name);
    if (hub->operator_count >= OPERATORS_MAX)
        return fault_set(fault, "there are %d operators, as many as there may be", OPERATORS_MAX);
    return 0;
}

/* One key is one principal's. */
int operator_check_key(const struct hub *hub, const struct operator_row *row, struct fault *fault)
{
    char owner[NAME_SIZE];
    int found = store_site_of_key(hub->store, &row->key, owner, fault);
    if (found > 0)
        return fault_set(fault, "this key is site %s's: give the operator a key of its own", owner);
    if (found == 0)
        found = store_operator_of_key(hub->store, &row->key, owner, fault);
    if (found > 0 && strcmp(owner, row->name) != 0)
        return fault_set(fault, "this key is operator %s's already", owner);
    return found < 0 ? -1 : 0;
}

static int check_row(const struct hub *hub, const struct operator_row *row, struct fault *fault)
{
    if (row->scopes.count == 0)
        return fault_set(fault, "operator %s needs at least one scope: --sites GLOB[:PORT]",
                         row->name);
    return operator_check_key(hub, row, fault);
}

int operator_add(struct hub *hub, struct operator_row *row, struct hub_operator **out,
                 struct fault *fault)
{
    if (check_name(hub, row->name, fault) != 0 || check_row(hub, row, fault) != 0 ||
        store_operator_add(hub->store, row, fault) != 0)
        return -1;
    *out = operator_remember(hub, row);
    if (*out)
        return 0;
    if (store_operator_remove(hub->store, row->id, fault) != 0)
        return -1;
    return fault_set(fault, "out of memory: operator %s was not added", row->name);
}

void operator_change(struct hub_operator *person, const struct operator_row *row)
{
    bool other_key = row->key.length != person->row.key.length ||
                     memcmp(row->key.blob, person->row.key.blob, row->key.length) != 0;
    take_row(person, row);
    apply_change(person, other_key);
}

int operator_set(struct hub_operator *person, const struct operator_row *row, struct fault *fault)
{
    if (check_row(person->hub, row, fault) != 0 ||
        store_operator_set(person->hub->store, row, fault) != 0)
        return -1;
    operator_change(person, row);
    return 0;
}

void operator_forget(struct hub_operator *person)
{
    close_sessions(person, "the operator was removed");
    struct session *session;
    while ((session = TAILQ_FIRST(&person->sessions)))
        operator_leave(session);
    operator_free(person);
}

int operator_remove(struct hub_operator *person, struct fault *fault)
{
    if (store_operator_remove(person->hub->store, person->row.id, fault) != 0)
        return -1;
    operator_forget(person);
    return 0;
}

/* --- sessions --- */

void operator_identify(struct hub_operator *person, struct session *session)
{
    session->person = person;
    session->role = ROLE_OPERATOR;
    kept_text_set(&session->operator_name, person->row.name);
    (void)text_copy(session->fingerprint, sizeof session->fingerprint, person->fingerprint);
    TAILQ_INSERT_TAIL(&person->sessions, session, of_operator);
    watch_expiry(person->hub);
}

void operator_leave(struct session *session)
{
    if (!session->person)
        return;
    TAILQ_REMOVE(&session->person->sessions, session, of_operator);
    session->person = NULL;
}

void operator_refused(struct hub_operator *person, const char *peer, const char *text)
{
    refusals_add(&person->refusals, text);
    if (refusals_may_audit(&person->refusals))
        event_say(person->hub, "operator.refused", NULL, person->row.name, peer, "%s", text);
}
