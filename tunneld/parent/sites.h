/*
 * Sites in memory: what the store knows of each, its grants as forwards, its sessions, its claim.
 */
#ifndef PARENT_SITES_H
#define PARENT_SITES_H

#include "parent/claims.h"
#include "parent/hub.h"
#include "parent/policy.h"
#include "parent/refusals.h"

struct session;
struct forward;
struct outbound;

TAILQ_HEAD(site_sessions, session);
TAILQ_HEAD(outbound_list, outbound);

/* Since the hub's start, whatever becomes of the grants meanwhile. */
struct site_figures {
    uint64_t takeovers;   /* a publisher gave way to another session */
    uint64_t connections; /* that a target answered */
    uint64_t errors;      /* connections that failed */
    uint64_t bytes_in, bytes_out;
    uint64_t refused[POLICY_VERDICT_END]; /* visitors, by why */
};

struct site {
    uint64_t id;               /* of the store's row: registry key */
    TAILQ_ENTRY(site) entry;   /* hub->sites */
    TAILQ_ENTRY(site) changed; /* hub->events.dirty */
    bool is_changed;
    struct hub *hub;
    struct site_row row;
    struct forward **forwards; /* owned, ordered by port */
    size_t forward_count;
    struct outbound_list outbounds; /* owned, by target */
    size_t outbound_count;
    uint64_t outbound_follower;    /* the session whose agent said last that it listens; 0: none */
    struct site_sessions sessions; /* identified, oldest first; not owned */
    size_t serving_count;          /* of them, those that publish or follow `forwards` */
    struct claim claim;
    struct timeout *contest; /* the claim's deadline */
    int64_t alarmed_s;       /* last clone alarm */
    uint64_t generation;     /* of the forwards list */
    int log_level;           /* of its lines; LOG_DEFAULT: the hub's */
    bool rotate;             /* its agent is asked for a new key */
    uint64_t bound_ms;       /* when it last named a new key; 0: never */
    struct refusals refusals;
    struct site_figures figures;
};

/* All sites and grants of the store. */
int sites_load(struct hub *hub, struct fault *fault) MUST_CHECK;
void sites_release(struct hub *hub);

struct site *site_find(const struct hub *hub, const char *name);
/* Durable when it returns. */
int site_add(struct hub *hub, const char *name, struct site **out, struct fault *fault) MUST_CHECK;
/* Its sessions end, its listeners close, its keys and grants are gone. */
int site_remove(struct site *site, struct fault *fault) MUST_CHECK;
/* Disabling ends sessions and listeners at once. */
int site_enable(struct site *site, bool enabled, struct fault *fault) MUST_CHECK;

/* The same without the store, for changes that it holds already (plan.h).  NULL: out of memory. */
struct site *site_remember(struct hub *hub, const struct site_row *row);
void site_forget(struct site *site);
void site_set_enabled(struct site *site, bool enabled);

/* Ends every session whose key is not `but_fingerprint` (NULL: every one).  How many. */
size_t site_close_sessions(struct site *site, const char *but_fingerprint, const char *reason);
/* Ends the sessions whose pending key the store does not know any more. */
void site_close_revoked(struct site *site);
/* The session that publishes, or else one that follows `forwards`; NULL when offline. */
struct session *site_main_session(const struct site *site);

struct forward *site_forward(const struct site *site, uint64_t port);
/* Keeps the list ordered.  The forward becomes the site's. */
int site_add_forward(struct site *site, struct forward *forward) MUST_CHECK;
void site_drop_forward(struct site *site, struct forward *forward);
/* The forwards list changed: sessions that follow it get the new one. */
void site_forwards_changed(struct site *site);

/* Something was refused to an authenticated party of this site: log, event, `status`. */
void site_refused(struct site *site, const char *peer, const char *text);

#endif
