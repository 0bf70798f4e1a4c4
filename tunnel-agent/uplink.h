/*
 * The one connection to the hub: dials, exchanges keys, logs in, subscribes, stays, and begins
 * again for ever.  A state machine; every state that waits has a timer.
 */
#ifndef AGENT_UPLINK_H
#define AGENT_UPLINK_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <uv.h>

#include "config/agent_settings.h"
#include "keys/token.h"

struct forwards;
struct uplink;

struct uplink_handlers {
    /* The hub sent the list of forwards: the key is current from here on.  `redeemed`: it took the
     * token for it. */
    void (*on_online)(void *owner, bool redeemed);
    /* Every hub address was tried in vain; `reasons` names each.  A new round follows unless the
     * owner stops the uplink. */
    void (*on_round_failed)(void *owner, const char *reasons);
    /* After uplink_stop: nothing is open any more. */
    void (*on_stopped)(void *owner);
};

/* Borrows settings, key, forwards and handlers.  `token` (copied; NULL: none) is used when the hub
 * does not know the key. */
struct uplink *uplink_new(uv_loop_t *loop, const struct agent_settings *settings, ssh_key key,
                          const struct token *token, struct forwards *forwards,
                          const struct uplink_handlers *handlers, void *owner);
/* Other keys (borrowed) from the next login on: when the hub refuses `key`, `next` is tried (NULL:
 * there is none). */
void uplink_set_keys(struct uplink *uplink, ssh_key key, ssh_key next);
/* Begin with this address, an index into the settings'. */
void uplink_prefer(struct uplink *uplink, size_t hub);
void uplink_start(struct uplink *uplink);
/* Links, addresses or routes of this machine changed: is the session alive?  A delay ends. */
void uplink_network_changed(struct uplink *uplink);
/* Ends the session that is online; another follows. */
void uplink_restart(struct uplink *uplink, const char *reason);
/* Does it wait for a moment that has passed long ago? */
bool uplink_is_stuck(const struct uplink *uplink);
/* Asynchronous, idempotent; never calls on_stopped from within. */
void uplink_stop(struct uplink *uplink);
/* After on_stopped, or when never started; asynchronous. */
void uplink_close(struct uplink *uplink);

bool uplink_is_online(const struct uplink *uplink);
/* Did the session that is online log in with `next`? */
bool uplink_used_next(const struct uplink *uplink);
/* May a hub have taken the token for our key?  Then key and token must be kept. */
bool uplink_token_in_doubt(const struct uplink *uplink);
/* Did a hub answer what only a person can change?  Else no hub was reached, or none held on. */
bool uplink_was_refused(const struct uplink *uplink);
/* It is spent. */
void uplink_forget_token(struct uplink *uplink);

/* The hub that is or was last dialled, "host:port". */
const char *uplink_hub(const struct uplink *uplink);
const struct host_port *uplink_address(const struct uplink *uplink);
/* The fingerprint of the host key that the present session has seen; "" without one. */
const char *uplink_host_key(const struct uplink *uplink);

/* For `status`. */
struct uplink_report {
    const char *state;                               /* "online", "connecting", "waiting" */
    const char *hub, *proxy, *host_key, *last_error; /* borrowed; "": none */
    int64_t since_s;             /* wall time since when it is online, or is not */
    uint64_t for_s, retry_in_ms; /* 0: no retry is due */
    int64_t lost_s;              /* wall time at which a session was lost; 0: none was */
    const char *lost_why;
    uint64_t reconnects, rtt_us; /* 0: not measured */
};
void uplink_report(const struct uplink *uplink, struct uplink_report *out);

#endif
