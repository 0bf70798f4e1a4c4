/*
 * The agent's state directory: which stage of enrolment it shows, and every step from one stage to
 * the next.  Steps are ordered so that a crash between any two leaves a stage that the same command
 * continues:
 *
 *   EMPTY      no agent.yaml
 *   PENDING    `keyfile` is there: it is written first and removed last.  agent.yaml and key
 *              follow it; the hub may or may not have seen the token
 *   ENROLLED   agent.yaml and key, no keyfile
 */
#ifndef AGENT_STATE_H
#define AGENT_STATE_H

#include <stdbool.h>

#include "config/agent_settings.h"
#include "keys/keyfile.h"

#define STATE_PATH_SIZE 1024

enum state_stage { STATE_EMPTY, STATE_PENDING, STATE_ENROLLED };

struct state {
    char dir[STATE_PATH_SIZE];
    int lock; /* -1: not held */
};

/* Where it is; `dir` NULL: the default place.  Touches nothing. */
int state_locate(struct state *state, const char *dir, struct fault *fault) MUST_CHECK;
/* Root becomes the user whose directory it is, or, if there is none yet, in whose directory it will
 * be made: nothing in it is to be root's, or that user's agent could not work with it.  For all
 * others nothing changes. */
int state_become_owner(const struct state *state, struct fault *fault) MUST_CHECK;
/* Makes the directory (0700) if need be. */
int state_create(const struct state *state, struct fault *fault) MUST_CHECK;
/* FILE_LOCKED: another process has it; the fault names its pid. */
int state_lock(struct state *state, struct fault *fault) MUST_CHECK;
void state_release(struct state *state);

/* DIR/NAME.  `out` holds STATE_PATH_SIZE. */
int state_path(const struct state *state, const char *name, char *out,
               struct fault *fault) MUST_CHECK;
/* The local socket's path, which the kernel wants short. */
int state_socket_path(const struct state *state, char *out, struct fault *fault) MUST_CHECK;

/* `site` is empty when EMPTY. */
int state_look(const struct state *state, enum state_stage *stage, char site[NAME_SIZE],
               struct fault *fault) MUST_CHECK;

/* EMPTY or PENDING of the same site -> PENDING with everything that connecting needs.  An existing
 * key is kept. */
int state_prepare(const struct state *state, const struct keyfile *keyfile,
                  struct fault *fault) MUST_CHECK;
/* PENDING: does what a crash left undone. */
int state_complete(const struct state *state, struct fault *fault) MUST_CHECK;
/* Hub, host keys and allow_targets of agent.yaml from a keyfile of the same site; what its people
 * set otherwise stays. */
int state_adopt(const struct state *state, const struct keyfile *keyfile,
                struct fault *fault) MUST_CHECK;
/* PENDING -> EMPTY, when no hub has taken the token.  The key stays, for the next keyfile. */
int state_withdraw(const struct state *state, struct fault *fault) MUST_CHECK;
/* PENDING -> ENROLLED: the token is of no more use. */
int state_activated(const struct state *state, struct fault *fault) MUST_CHECK;

/* agent.yaml, its host keys checked as keys. */
int state_settings(const struct state *state, struct agent_settings *settings,
                   struct fault *fault) MUST_CHECK;
/* The token of a pending enrolment: 1, or 0 when there is none. */
int state_token(const struct state *state, struct token *token, struct fault *fault) MUST_CHECK;

/* The hub's address that worked last, "host:port"; "" when none is known, which is no failure. */
void state_last_hub(const struct state *state, char hub[HOST_PORT_SIZE]);
int state_remember_hub(const struct state *state, const char *hub, struct fault *fault) MUST_CHECK;

#endif
