/*
 * What an uplink holds.  Only uplink.c, which changes it, and uplink_view.c, which tells about it,
 * include this.
 */
#ifndef AGENT_UPLINK_INTERNAL_H
#define AGENT_UPLINK_INTERNAL_H

#include <uv.h>

#include "hub_dial.h"
#include "retry.h"
#include "round.h"
#include "session.h"
#include "uplink.h"

enum uplink_state {
    UPLINK_IDLE,       /* not started, or stopped */
    UPLINK_WAITING,    /* for the next try */
    UPLINK_RESOLVING,  /* the hub's name */
    UPLINK_CONNECTING, /* TCP */
    UPLINK_LOGGING_IN, /* the session has its own states and time limits */
    UPLINK_ONLINE,
};

struct uplink {
    uv_loop_t *loop;
    const struct agent_settings *settings;
    ssh_key key, next;
    struct forwards *forwards;
    const struct uplink_handlers *handlers;
    void *owner;

    enum uplink_state state;
    uv_timer_t timer; /* the delay; dial and session have time limits of their own */
    int64_t since_s;  /* wall time since when it is online, or is not */
    uint64_t since_ms, next_try_ms;
    bool stopping;

    struct round round; /* of the hub's addresses */
    struct retry retry;
    bool told_to_wait; /* by the hub, for the present delay */
    char last_error[FAULT_TEXT_SIZE];
    uint64_t sessions; /* that came online */
    int64_t lost_s;    /* wall time at which the last of them ended; 0: none has */
    char lost_why[FAULT_TEXT_SIZE];

    bool with_next;    /* this session, or the next one, logs in with `next` */
    bool keys_changed; /* since this session began */
    struct token token;
    bool has_token;
    bool enrolling; /* the next session logs in with the token */
    bool redeemed;  /* the hub took the token, and no session came online since */
    bool refused;   /* some hub gave an answer that only a person can change */
    bool in_doubt;  /* a hub may have taken the token, whatever became of that session */

    struct hub_dial *dial;
    struct session *session;
    char hub_text[HOST_PORT_SIZE];
    char way[PROXY_TEXT_SIZE]; /* the proxy on the way there; "": none */
    char host_key[FINGERPRINT_SIZE];
};

#endif
