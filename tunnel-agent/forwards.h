/*
 * The site's forwards on the wire: follows the hub's list, publishes what may be published, cancels
 * what left, and hands visitors' connections to their targets.  Lives as long as the agent and sees
 * sessions come and go.
 */
#ifndef AGENT_FORWARDS_H
#define AGENT_FORWARDS_H

#include <jansson.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdbool.h>
#include <uv.h>

#include "config/agent_settings.h"
#include "watchdog.h"

struct transport;
struct forwards;

/* Who else wants to know what the hub says on the `forwards` channel.  None may close the session
 * from within. */
struct forwards_listener {
    /* A snapshot, after it was taken over, or the answer to a line that was said. */
    void (*on_line)(void *owner, const json_t *line);
    /* The session is gone. */
    void (*on_detached)(void *owner);
};

/* `settings` is borrowed.  With `publish` false the list is followed only so far as to see that the
 * hub sent one (`enrol`). */
struct forwards *forwards_new(uv_loop_t *loop, const struct agent_settings *settings, bool publish);
/* Asynchronous; no session is attached. */
void forwards_close(struct forwards *forwards);

/* `listener` is borrowed. */
void forwards_listen(struct forwards *forwards, const struct forwards_listener *listener,
                     void *owner);
/* Queues a line (borrowed) on the channel; false when there is none, or too much waits. */
bool forwards_say(struct forwards *forwards, const json_t *line) MUST_CHECK;

/* An authenticated session begins.  `transport` is borrowed until forwards_detach. */
int forwards_attach(struct forwards *forwards, struct transport *transport,
                    struct fault *fault) MUST_CHECK;
void forwards_detach(struct forwards *forwards);

/* Each turn of the session.  -1: it is of no more use. */
int forwards_turn(struct forwards *forwards, struct fault *fault) MUST_CHECK;
/* A message of the hub's; taken. */
void forwards_message(struct forwards *forwards, ssh_message message);

/* Has the hub sent its list in this session? */
bool forwards_subscribed(const struct forwards *forwards);
/* Is a global request of ours unanswered?  libssh has one place for them (ssh/transport.h). */
bool forwards_request_pending(const struct forwards *forwards);

/* How far they have come, for the watchdog; and that it wants the hub asked again. */
struct forward_tally forwards_tally(const struct forwards *forwards);
void forwards_ask_again(struct forwards *forwards);

/* allow_targets or allow_listen changed. */
void forwards_judge(struct forwards *forwards);

/* For `status`: a list; *generation is 0 before the first snapshot. */
json_t *forwards_status(const struct forwards *forwards, uint64_t *generation);
/* The same for outbound grants. */
json_t *forwards_outbound_status(const struct forwards *forwards);

#endif
