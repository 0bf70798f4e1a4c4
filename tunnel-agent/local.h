/*
 * The running agent's local socket, STATE/agent.sock: verbs `status` and `enrol`
 * (common/control/server.h).
 *
 *   status   {}                   what show.h prints
 *   enrol    {keyfile: "text"}    {site, hub, already: true/false}, once it came to something
 */
#ifndef AGENT_LOCAL_H
#define AGENT_LOCAL_H

#include <stdbool.h>

#include "base/fault.h"

struct agent;
struct local;

int local_open(struct agent *agent, struct local **out, struct fault *fault) MUST_CHECK;
void local_close(struct local *local); /* NULL is fine */

/* The uplink's news, for whoever waits for them. */
void local_online(struct local *local, bool redeemed);
void local_round_failed(struct local *local, const char *reasons);

#endif
