/*
 * The hub's host keys as the hub itself lists them, over a session with one that is pinned: they
 * take the place of those in agent.yaml, so that the hub can change its key.
 */
#ifndef AGENT_PINS_H
#define AGENT_PINS_H

#include <jansson.h>
#include <stdbool.h>

#include "config/schema.h"
#include "state.h"

struct agent;

/* The `host_keys` of a snapshot: keeps them, in memory and in agent.yaml. */
void pins_take(struct agent *agent, const json_t *host_keys);

/* A list of keys as lines; *out is the caller's (pins_release). */
int pins_read(const json_t *host_keys, struct text_list *out, struct fault *fault) MUST_CHECK;
void pins_release(struct text_list *pins);

/* Writes them to agent.yaml.  1: done, 0: it says so already, or none of them is pinned there, so
 * that they are another hub's. */
int pins_save(const struct state *state, const struct text_list *pins,
              struct fault *fault) MUST_CHECK;

#endif
