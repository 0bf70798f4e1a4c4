/*
 * STATE/key.next: the key that is to take the place of STATE/key.  It is there from before the hub
 * hears of it until the hub takes no other; so whatever a crash interrupts, one of the two files is
 * the key that the hub knows.
 */
#ifndef AGENT_NEXT_KEY_H
#define AGENT_NEXT_KEY_H

#include <libssh/libssh.h>

#include "keys/public_key.h"
#include "state.h"

/* 1: *key is the caller's (ssh_key_free), 0: there is none. */
int next_key_load(const struct state *state, ssh_key *key, struct public_key *public,
                  struct fault *fault) MUST_CHECK;
/* Makes one, durable when it returns. */
int next_key_make(const struct state *state, ssh_key *key, struct public_key *public,
                  struct fault *fault) MUST_CHECK;
/* It becomes STATE/key; `public` is its public part. */
int next_key_adopt(const struct state *state, const struct public_key *public,
                   struct fault *fault) MUST_CHECK;

/* Was STATE/key made longer ago than this?  By the file's time; a time to come is no age. */
bool key_is_older(const struct state *state, uint64_t age_ms);

#endif
