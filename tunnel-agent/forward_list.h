/*
 * The forwards of this site: what the hub's newest snapshot lists, what allow_targets permits, and
 * how far each has come.  Pure: it says what to do next, and is told how that went.
 */
#ifndef AGENT_FORWARD_LIST_H
#define AGENT_FORWARD_LIST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "config/schema.h"
#include "watchdog.h"

#define FORWARDS_MAX        4096
#define FORWARD_REASON_SIZE 384

enum forward_state {
    FORWARD_ABSENT,     /* not published */
    FORWARD_PUBLISHING, /* tcpip-forward is under way */
    FORWARD_PUBLISHED,
    FORWARD_REFUSED,    /* the hub said no; tried again at retry_at_ms, or with another list */
    FORWARD_CANCELLING, /* cancel-tcpip-forward is under way */
};

struct forward {
    char address[HOST_SIZE]; /* as the hub's list says it, and as tcpip-forward repeats it */
    uint16_t port;
    struct host_port target;
    uint64_t connect_timeout_ms; /* 0: the hub leaves it to target_timeout */
    bool listed;                 /* in the newest snapshot */
    bool allowed;                /* by allow_targets */
    bool unpublished; /* the newest snapshot said that this session does not publish it */
    enum forward_state state;
    uint64_t asked_generation; /* of the list for which it was last asked */
    uint64_t retry_at_ms;
    char reason[FORWARD_REASON_SIZE]; /* why it is not published; "" when it is */
    uint64_t connections_total, bytes_in, bytes_out, errors; /* of connections that ended */
    char last_error[FORWARD_REASON_SIZE];
    uint64_t report_second; /* `failed` lines are counted by the second */
    unsigned reports;
};

struct forward_list {
    uint64_t generation;
    size_t count;
    struct forward *items; /* sorted by port, then address */
    uint64_t lost;         /* how many were published until a snapshot said that they are not */
};

enum forward_work { FORWARD_NOTHING, FORWARD_PUBLISH, FORWARD_CANCEL };

void forward_list_release(struct forward_list *list);

/* Takes a snapshot in ("The forwards channel" in docs/architecture.md).  A malformed one changes
 * nothing.  Forwards that stay keep state and counters; those that left are cancelled first. */
int forward_list_apply(struct forward_list *list, const json_t *snapshot,
                       const struct text_list *allow_targets, struct fault *fault) MUST_CHECK;
/* allow_targets changed: decides anew about each. */
void forward_list_judge(struct forward_list *list, const struct text_list *allow_targets);
/* The session is gone: nothing is published any more. */
void forward_list_offline(struct forward_list *list);

/* What to do next, and with which (borrowed until the list changes). */
enum forward_work forward_list_next(struct forward_list *list, uint64_t now_ms,
                                    struct forward **forward);
/* It is asked for from now on. */
void forward_list_asked(const struct forward_list *list, struct forward *forward);
/* The hub granted it.  False: a snapshot that came meanwhile says otherwise, and which of the two
 * is newer cannot be told, so that it is due again; the hub grants twice what it publishes already.
 */
bool forward_granted(struct forward *forward);
/* The hub refused it: due again then, or as soon as a list differs from the one for which it was
 * asked, since whether the hub had that in mind cannot be told. */
void forward_refused(struct forward *forward, uint64_t retry_at_ms);
/* When a refused one is due again; UINT64_MAX: none is. */
uint64_t forward_list_retry_ms(const struct forward_list *list);
/* How many have come how far (watchdog.h). */
void forward_list_tally(const struct forward_list *list, struct forward_tally *out);
/* Those that were refused are due at once; those whose request is not under way begin anew. */
void forward_list_ask_again(struct forward_list *list, bool request_under_way);
/* Forgets those that neither the hub lists nor anybody publishes. */
void forward_list_sweep(struct forward_list *list);

/* The one with this port and address; else the only one with this port; else NULL. */
struct forward *forward_list_find(struct forward_list *list, const char *address, uint16_t port);

/* The answer to the newest snapshot; NULL when out of memory. */
json_t *forward_list_answer(const struct forward_list *list);
/* May one more `failed` line about it be sent in this second? */
bool forward_may_report(struct forward *forward, uint64_t now_ms);
/* For people: "published", "publishing", "refused". */
const char *forward_state_name(const struct forward *forward);

#endif
