/*
 * `tunnel-agent check [KEYFILE]`: a preflight.  Looks at every link of the chain from this machine
 * to the hub and to the targets, activates nothing, redeems nothing, changes no file, and takes no
 * lock: an agent that runs on the same state directory is not disturbed.
 */
#ifndef AGENT_CHECK_H
#define AGENT_CHECK_H

#include "options.h"

/* The table, or with --json the list, goes to standard output. */
int command_check(const struct options *options, struct fault *fault);

#endif
