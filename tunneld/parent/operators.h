/*
 * Operators in memory: what the store knows of each, its sessions, and what it may reach.
 */
#ifndef PARENT_OPERATORS_H
#define PARENT_OPERATORS_H

#include "parent/hub.h"
#include "parent/refusals.h"
#include "parent/scope.h"

#define OPERATORS_MAX         10000
#define OPERATOR_SESSIONS_MAX 64 /* of one operator */

struct forward;
struct public_key;
struct session;

TAILQ_HEAD(operator_sessions, session);

struct hub_operator {
    TAILQ_ENTRY(hub_operator) entry; /* hub->operators */
    struct hub *hub;
    struct operator_row row;
    char fingerprint[FINGERPRINT_SIZE];
    struct operator_sessions sessions; /* identified, oldest first; not owned */
    struct refusals refusals;
};

/* All of the store. */
int operators_load(struct hub *hub, struct fault *fault) MUST_CHECK;
void operators_release(struct hub *hub);

struct hub_operator *operator_find(const struct hub *hub, const char *name);

/* Durable when they return.  The fault names who has the name or the key. */
int operator_add(struct hub *hub, struct operator_row *row, struct hub_operator **out,
                 struct fault *fault) MUST_CHECK;
/* Key, scopes and expiry; sessions and connections that are no longer allowed end. */
int operator_set(struct hub_operator *person, const struct operator_row *row,
                 struct fault *fault) MUST_CHECK;
int operator_remove(struct hub_operator *person, struct fault *fault) MUST_CHECK;

/* The same without the store, for changes that it holds already (plan.h).  NULL: out of memory. */
struct hub_operator *operator_remember(struct hub *hub, const struct operator_row *row);
void operator_change(struct hub_operator *person, const struct operator_row *row);
void operator_forget(struct hub_operator *person);
/* Is the key another's?  The fault says whose. */
int operator_check_key(const struct hub *hub, const struct operator_row *row,
                       struct fault *fault) MUST_CHECK;

bool operator_has_expired(const struct hub_operator *person);
bool operator_may_reach(const struct hub_operator *person, const struct forward *forward);

/* Its key is proven.  Watches over the expiry from now on. */
void operator_identify(struct hub_operator *person, struct session *session);
/* The session ended. */
void operator_leave(struct session *session);
/* Something was refused to it: log, event, `status`. */
void operator_refused(struct hub_operator *person, const char *peer, const char *text);

#endif
