/*
 * Worker processes: started, watched, restarted; treated as hostile.
 */
#ifndef PARENT_WORKERS_H
#define PARENT_WORKERS_H

#include "ipc/pipe.h"
#include "parent/flood.h"
#include "parent/heartbeat.h"
#include "parent/log_pipe.h"
#include "parent/sessions.h"

TAILQ_HEAD(worker_sessions, session);

enum worker_state {
    WORKER_ABSENT,   /* no process; one will be started */
    WORKER_STARTING, /* has not said READY */
    WORKER_READY,
    WORKER_ENDING, /* killed; waiting for its end */
};

struct worker {
    struct hub *hub;
    unsigned number; /* from 1 */
    enum worker_state state;
    uv_process_t process;
    bool running; /* the process has not been reaped */
    struct pipe *pipe;
    struct log_pipe *log;    /* while the process has not been reaped */
    struct timeout *timeout; /* for READY, or until the next start */
    struct heartbeat heartbeat;
    struct flood_share share; /* of the parent's time */
    uint64_t started_ms, backoff_ms;
    char confinement[MESSAGE_TEXT_SIZE];
    struct worker_sessions sessions; /* owned through hub->sessions */
    size_t session_count, connection_count;
    size_t lent_count;           /* listeners that it was lent */
    struct connection_list lost; /* connections without a session */
    uint64_t last_visitor;       /* the number of the last that it accepted, and told of */
};

int workers_start(struct hub *hub, struct fault *fault) MUST_CHECK;
/* The one with the fewest sessions; NULL when none lives. */
struct worker *workers_choose(struct hub *hub);
void worker_send(const struct worker *worker, const struct message *message);
/* Ends it now: it broke the rules, or its pipe did.  Its sessions are gone when this returns. */
void worker_kill(struct worker *worker, const char *reason);
/* Ask all to end in order, and the sites to come back spread over so many seconds; kill all. */
void workers_drain(struct hub *hub, const char *reason, uint64_t spread_s);
void workers_kill(struct hub *hub);
/* Tells all the settings that are in force now. */
void workers_tell_settings(struct hub *hub);

/* Gives all the current host key, for the sessions that begin from now on. */
void workers_tell_host_key(struct hub *hub);

const char *worker_state_name(enum worker_state state);

/* A message arrived: checked against owner and state, then handled. */
void dispatch_message(struct worker *worker, struct message *message);

#endif
