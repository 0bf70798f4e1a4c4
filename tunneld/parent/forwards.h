/*
 * Forwards: a grant with its life: listener, publisher, waiting visitors, connections, figures.
 */
#ifndef PARENT_FORWARDS_H
#define PARENT_FORWARDS_H

#include "ipc/message.h"
#include "parent/grants.h"
#include "parent/hub.h"
#include "parent/target_health.h"

struct session;
struct target_check;
struct visitor;
TAILQ_HEAD(visitor_list, visitor);

struct forward {
    struct site *site;             /* its owner */
    LIST_ENTRY(forward) same_port; /* hub->forwards_by_port; while the site lists it */
    struct grant *grant;           /* owned; see grant_keep */
    char listen[ENDPOINT_SIZE];
    struct tcp_listener *listener; /* NULL: not bound */
    struct session *session;       /* that publishes it; NULL: nobody */
    uint64_t generation;           /* counts the targets that it has had */
    bool lent;                     /* its worker accepts the visitors (parent/lending.h) */
    char asked[ENDPOINT_SIZE];     /* the bind address as the session asked for it */
    struct timeout *hold;          /* set while the publisher is away */
    uint64_t held_ms;              /* since when */
    struct timeout *retry;         /* of visitors that came back from a dead session */
    struct visitor_list waiting;   /* owned */
    size_t waiting_count;
    struct connection_list connections; /* not owned */
    size_t connection_count;
    uint64_t connections_total, bytes_in, bytes_out, errors;
    struct policy_usage *usage;           /* owned; NULL before a rate was to be minded */
    uint64_t refused[POLICY_VERDICT_END]; /* visitors, by why */
    char *last_error;                     /* kept_text.h */
    bool error_reported;   /* the agent gave the reason of the next refused connection already */
    char *refusal;         /* why hub or agent refuse it: kept_text.h */
    bool refused_by_agent; /* `refusal` is the agent's */
    struct target_health health;
    TAILQ_ENTRY(forward) of_checks; /* hub->target_checks.queue, or .own */
    enum target_checked checked;
    uint64_t check_due_ms;      /* by its grant's own interval */
    struct target_check *check; /* under way; NULL: none */
    bool expired;               /* out of service, because its grant's time is over */
    uint64_t limited_sid;       /* the session whose worker was told of limits; 0: none */
};

enum forward_state {
    FORWARD_PUBLISHED, /* a session serves it */
    FORWARD_WAITING,   /* the listener is open, the publisher away */
    FORWARD_OFFLINE,   /* nobody publishes it */
    FORWARD_REFUSED,   /* hub or agent refuse it, `refusal` says why */
    FORWARD_DISABLED,  /* grant or site are disabled */
    FORWARD_EXPIRED,   /* the grant's time is over */
};

struct forward *forward_new(struct site *site, const struct grant *grant);
/* Closes everything first. */
void forward_free(struct forward *forward);

bool forward_has_expired(const struct grant *grant, int64_t now_s);
/* Do those who come wait for the publisher to come back? */
bool forward_is_held(const struct forward *forward);
enum forward_state forward_state(const struct forward *forward);
const char *forward_state_name(enum forward_state state);
/* Why it is in that state, for people; "" where the state says it all. */
const char *forward_reason(const struct forward *forward);
/* Who stands in a visitor's way: "hub", "session", "agent", "target"; "" where nobody is known. */
const char *forward_fault(const struct forward *forward);

/* The session serves it from now on; the listener is bound unless it still is.  Visitors that
 * wait are the caller's to connect, after the session was told. */
int forward_publish(struct forward *forward, struct session *session, const char *asked,
                    struct fault *fault) MUST_CHECK;
/* The publisher went away: visitors wait for the hold time. */
void forward_hold(struct forward *forward, const char *reason);
/* The hold time has changed: it counts from when the publisher went away. */
void forward_rehold(struct forward *forward);
/* The grant's address has changed: the listener follows, connections go on.  A publisher that
 * follows the list will ask for it anew, and visitors wait for that. */
void forward_move(struct forward *forward);
/* Closes the listener and resets those who wait, at once. */
void forward_withdraw(struct forward *forward, const char *reason);
/* Ends the connections too. */
void forward_cut(struct forward *forward, const char *reason);
/* Holds every forward that the session publishes. */
void forwards_hold_session(struct session *session, const char *reason);

void forward_error(struct forward *forward, const char *reason);
/* Why the site refused a connection: what its agent reported just before, which is better than
 * what the refused channel says, else `otherwise`. */
const char *forward_take_reported(struct forward *forward, const char *otherwise);

/* REPORT. */
int forward_on_report(struct session *session, const struct message *message, struct fault *fault);

#endif
