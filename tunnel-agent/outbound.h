/*
 * Ways out of the site: the agent listens where the hub's outbound grants say and its own
 * allow_listen permits, and hands each client to the hub.  Lives as long as the agent; the sockets
 * stay bound while the hub is away, and whoever comes then is reset at once.
 */
#ifndef AGENT_OUTBOUND_H
#define AGENT_OUTBOUND_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "config/agent_settings.h"

struct transport;
struct outbound;

/* `settings` is borrowed.  `changed`: the answer to the newest snapshot is another now. */
struct outbound *outbound_new(uv_loop_t *loop, const struct agent_settings *settings,
                              void (*changed)(void *owner), void *owner);
/* Asynchronous; no session is attached.  NULL is fine. */
void outbound_close(struct outbound *outbound);

/* `transport` is borrowed until outbound_detach. */
void outbound_attach(struct outbound *outbound, struct transport *transport);
void outbound_detach(struct outbound *outbound);
/* Each turn of the session. */
void outbound_turn(struct outbound *outbound);

/* Takes a snapshot in.  A malformed one changes nothing. */
int outbound_take(struct outbound *outbound, const json_t *snapshot,
                  struct fault *fault) MUST_CHECK;
/* allow_listen changed. */
void outbound_judge(struct outbound *outbound);
/* Puts `refused_outbound` into the answer to the newest snapshot. */
void outbound_answer(const struct outbound *outbound, json_t *answer);

/* The hub refused a channel, and nobody asked why; at most once in a while. */
bool outbound_wants_reason(struct outbound *outbound, uint64_t now_ms);
/* The newest reason that the hub's `status` shows.  False: it is about something else. */
bool outbound_explained(struct outbound *outbound, const char *reason);

/* For `status`. */
json_t *outbound_status(const struct outbound *outbound);

#endif
