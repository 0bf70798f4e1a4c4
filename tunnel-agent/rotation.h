/*
 * A new key for this site, over its own session: on the hub's word, or when the key is too old.
 * One for each agent, embedded.
 */
#ifndef AGENT_ROTATION_H
#define AGENT_ROTATION_H

#include <jansson.h>
#include <libssh/libssh.h>
#include <stdbool.h>
#include <uv.h>

#include "keys/public_key.h"

struct agent;
struct hub_dial;
struct session;

enum rotation_state {
    ROTATION_RESTING,    /* timer: the next look at the key's age, or the next try */
    ROTATION_ANNOUNCED,  /* the hub was told the new key; timer: how long its answer may take */
    ROTATION_DIALLING,   /* for a second session */
    ROTATION_ACTIVATING, /* it logs in with the new key, and has it made current */
};

struct rotation {
    struct agent *agent; /* borrowed */
    enum rotation_state state;
    uv_timer_t timer;
    uint64_t delay_ms; /* after a failure; grows */
    bool asked;        /* the hub's newest list asks for a new key */
    ssh_key next;      /* STATE/key.next; NULL: there is none */
    struct public_key next_public;
    struct hub_dial *dial;
    struct session *session;
};

/* Reads STATE/key.next, which an interrupted rotation has left. */
void rotation_init(struct rotation *rotation, struct agent *agent);
/* Asynchronous: ends what is open. */
void rotation_close(struct rotation *rotation);
void rotation_release(struct rotation *rotation);

/* A line of the hub's on the `forwards` channel. */
void rotation_on_line(struct rotation *rotation, const json_t *line);
/* The session is gone. */
void rotation_on_detached(struct rotation *rotation);
/* The uplink is online, with the key or the next key. */
void rotation_on_online(struct rotation *rotation);

#endif
