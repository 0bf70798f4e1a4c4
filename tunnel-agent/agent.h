/*
 * `tunnel-agent run`: the parts that live as long as the agent, and who tells whom.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <libssh/libssh.h>
#include <uv.h>

#include "config/agent_settings.h"
#include "keys/public_key.h"
#include "options.h"
#include "rotation.h"
#include "state.h"
#include "supervision.h"

#define CONFINEMENT_SIZE 128

struct forwards;
struct local;
struct uplink;

struct agent {
    uv_loop_t loop;
    struct state state;
    struct agent_settings settings; /* borrowed by all the others */
    ssh_key key;
    struct public_key public_key;
    struct forwards *forwards;
    struct uplink *uplink;
    struct local *local;
    struct rotation rotation;
    struct supervision supervision;
    uv_signal_t signals[3];
    uv_timer_t last_call; /* ends a loop that only waits for a name server */
    struct keyfile offer; /* handed over while running; see agent_reenrol */
    bool has_offer;
    unsigned verbose;
    char confinement[CONFINEMENT_SIZE]; /* what is in force */
    bool ending;
    bool at_once; /* EXIT_AT_ONCE */
};

int command_run(const struct options *options, struct fault *fault);

/* Takes the keyfile's contents and connects anew with them.  agent.yaml changes only when a hub has
 * taken the token; when none lets the agent in, it goes back to what it had. */
void agent_reenrol(struct agent *agent, struct keyfile *offer);

#endif
