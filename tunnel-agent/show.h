/*
 * What people read on their terminal: a keyfile before they agree to it, and the agent's status.
 */
#ifndef AGENT_SHOW_H
#define AGENT_SHOW_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "keys/keyfile.h"

/* Without the token.  `now_s`: this machine's clock; a warning when it disagrees. */
void show_keyfile(const struct keyfile *keyfile, int64_t now_s, FILE *out);
/* The data of the local verb `status`. */
void show_status(const json_t *status, FILE *out);

#endif
