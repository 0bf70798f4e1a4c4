/*
 * Outbound grants: "this site may reach this host:port through the hub".  The agent listens at the
 * site, or a stock client asks with `ssh -L`; the dialer dials on the hub.
 */
#ifndef PARENT_OUTBOUND_H
#define PARENT_OUTBOUND_H

#include "ipc/message.h"
#include "parent/hub.h"

#define OUTBOUND_PER_SITE_MAX 64

struct outbound_dial;
struct session;
TAILQ_HEAD(outbound_dials, outbound_dial);

struct outbound {
    TAILQ_ENTRY(outbound) of_site;
    struct site *site; /* its owner */
    struct outbound_row row;
    char target[HOST_PORT_SIZE];
    char listen[ENDPOINT_SIZE];
    struct outbound_dials dials; /* owned: asked of the dialer */
    size_t dial_count;
    struct connection_list connections; /* not owned */
    size_t connection_count;
    uint64_t connections_total, bytes_in, bytes_out; /* in: from the site */
    uint64_t errors;                                 /* could not be dialled */
    uint64_t refused;                                /* the hub had no room */
    char last_error[REASON_SIZE];
    bool answered;             /* an agent has said whether it listens */
    char refusal[REASON_SIZE]; /* why the agent does not listen; "" when it does */
    char said[REASON_SIZE];    /* the last refusal that was told of, once */
};

enum outbound_state {
    OUTBOUND_LISTENING, /* the agent says so */
    OUTBOUND_REFUSED,   /* the agent does not listen, `refusal` says why */
    OUTBOUND_OFFLINE,   /* no agent has said anything */
    OUTBOUND_DISABLED,  /* the site is */
};

enum outbound_state outbound_state(const struct outbound *outbound);
const char *outbound_state_name(enum outbound_state state);
/* Why it is in that state; "" where the state says it all. */
const char *outbound_reason(const struct outbound *outbound);

/* A row as a person writes it: "HOST:PORT"; the address "" is 127.0.0.1. */
int outbound_read(const char *target, const char *listen_address, int64_t listen_port,
                  struct outbound_row *row, struct fault *fault) MUST_CHECK;
/* The site's grant for that host (a name in any case, an address in any spelling) and port. */
struct outbound *outbound_find(const struct site *site, const char *host, uint64_t port);
/* Would it fight with another of the site's? */
int outbound_check(const struct site *site, const struct outbound_row *row,
                   struct fault *fault) MUST_CHECK;
/* Puts one that is stored into memory.  NULL: out of memory. */
struct outbound *outbound_new(struct site *site, const struct outbound_row *row);
/* Cuts its connections, refuses those who wait, and forgets it. */
void outbound_free(struct outbound *outbound, const char *reason);
/* Durable when they return; the agent is told. */
int outbound_add(struct site *site, struct outbound_row *row, struct outbound **out,
                 struct fault *fault) MUST_CHECK;
int outbound_remove(struct outbound *outbound, struct fault *fault) MUST_CHECK;

/* REPORT with MESSAGE_OUTBOUND. */
void outbound_on_report(struct session *session, const struct message *message);

#endif
