/*
 * What `apply` would do: the steps from what the hub holds to what a document (document.h) says.
 * Making a plan checks all of it and changes nothing; running it is one transaction.
 */
#ifndef PARENT_PLAN_H
#define PARENT_PLAN_H

#include <jansson.h>

#include "parent/grants.h"
#include "parent/hub.h"

enum plan_action { PLAN_REMOVE, PLAN_ADD, PLAN_CHANGE };
enum plan_kind { PLAN_SITE, PLAN_PORT, PLAN_OUTBOUND, PLAN_OPERATOR };

/* One thing to do.  Steps stand in the order of doing: what is removed first, sites before what
 * hangs on them. */
struct plan_step {
    enum plan_action action;
    enum plan_kind kind;
    char owner[NAME_SIZE];     /* the site, or the operator */
    char name[HOST_PORT_SIZE]; /* the port, or the outbound target; "" */
    json_t *before, *after;    /* owned; as in the document; NULL: not there */
    /* Of these the kind's; as it will be, or as it is that is removed; with its id. */
    struct grant grant;
    struct outbound_row outbound;
    struct operator_row *person; /* owned */
    bool enabled;                /* of a site */
    int64_t site_id, created_s;  /* of a site that is added, once it is stored */
};

struct plan {
    struct plan_step *steps;
    size_t count, size;
    size_t kept; /* things that the document does not name, and that stay */
};

/* `prune`: what the document does not name is removed. */
int plan_make(struct hub *hub, const json_t *document, bool prune, struct plan *out,
              struct fault *fault) MUST_CHECK;
void plan_release(struct plan *plan);
/* Of a finished plan; NULL: there is no such step. */
const struct plan_step *plan_find(const struct plan *plan, enum plan_action action,
                                  enum plan_kind kind, const char *owner, const char *name);
/* The last part of making: what would come of it as a whole. */
int plan_check(const struct hub *hub, const struct plan *plan, struct fault *fault) MUST_CHECK;

#define PLAN_DETAIL_SIZE 1024
/* "target: a -> b; max_connections: none -> 10", cut to fit. */
void plan_detail(const struct plan_step *step, char text[PLAN_DETAIL_SIZE]);
/* [{action: add/change/remove, kind: site/port/outbound/operator, owner, name, detail}] */
json_t *plan_json(const struct plan *plan);
/* All of it or nothing.  Each step is an event with this actor. */
int plan_run(struct hub *hub, struct plan *plan, const char *actor, struct fault *fault) MUST_CHECK;

#endif
