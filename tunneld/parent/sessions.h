/*
 * Sessions: SSH connections from the moment they are accepted until their worker forgets them.
 */
#ifndef PARENT_SESSIONS_H
#define PARENT_SESSIONS_H

#include <sys/socket.h>

#include "ipc/message.h"
#include "parent/flood.h"
#include "parent/hub.h"

#define SIDE_SESSIONS_MAX 4  /* of a site, beside its publisher */
#define REQUESTS_MAX      64 /* of a session, waiting for a claim */

enum session_state {
    SESSION_LOGIN,   /* not yet authenticated */
    SESSION_UP,      /* authenticated */
    SESSION_CLOSING, /* we told the worker to close it: GONE is awaited, all else ignored */
};

enum session_role {
    ROLE_STRANGER,  /* nothing proven */
    ROLE_ENROLLING, /* as `enrol`, a key proven, the token missing */
    ROLE_ENROLLED,  /* as `enrol`, its key is now pending: may read what to do next */
    ROLE_SITE,      /* a site's key proven */
    ROLE_OPERATOR,  /* an operator's key proven */
};

struct open;
struct hub_operator;
struct publish_request;
struct source;
TAILQ_HEAD(open_list, open);
TAILQ_HEAD(publish_requests, publish_request);

struct session {
    uint64_t id;
    TAILQ_ENTRY(session) of_worker;
    TAILQ_ENTRY(session) of_site; /* in the order of identification */
    struct hub *hub;
    struct worker *worker;
    struct site *site; /* whose list it is in; NULL: unknown yet, or removed */
    TAILQ_ENTRY(session) of_operator;
    struct hub_operator *person; /* NULL: none, or removed */
    char *operator_name;         /* kept_text.h */
    enum session_state state;
    enum session_role role;
    bool authenticated; /* UP came: it has left the login slots */
    bool serving;       /* publishes or follows `forwards` */
    bool following;     /* gets snapshots */
    bool by_itself;     /* the worker said GONE, and we had not told it to */
    bool has_slot;      /* for logging in */
    size_t slot;
    struct source *source;  /* NULL: not counted */
    struct public_key *key; /* owned; only while it is being enrolled or pending */
    char fingerprint[FINGERPRINT_SIZE];
    char peer[ENDPOINT_SIZE];
    char host[LISTEN_ADDRESS_SIZE];
    char hub_host[LISTEN_ADDRESS_SIZE]; /* the hub's address that it came to; "": unknown */
    char *software;                     /* kept_text.h */
    char *cipher;                       /* the same */
    char site_name[NAME_SIZE];          /* outlives the site, for the log */
    int64_t since_s;
    uint64_t since_ms, rtt_us;
    uint64_t token_tries;
    struct flood_count messages; /* that its worker sent about it */
    struct connection_list connections;
    struct timeout *overdue;          /* set while it is closing */
    bool last_look;                   /* it rang once */
    struct publish_requests requests; /* wait for the claim */
    size_t request_count;
    struct open_list opens; /* an operator's, not answered yet; owned */
    size_t open_count;
    struct connection_list opened; /* an operator's; not owned */
    char *reason;                  /* why we close it: kept_text.h */
};

/* A connection of a stranger's, for this worker; NULL when out of memory. */
struct session *session_begin(struct worker *worker, const struct sockaddr *peer);
/* Gives the descriptor to the worker; takes it. */
void session_hand_over(struct session *session, int descriptor);
/* One that was not handed over. */
void session_drop(struct session *session);
/* Its key is proven (ROLE_SITE), or was bound to the site by a token (ROLE_ENROLLED). */
void session_identify(struct session *session, struct site *site, enum session_role role,
                      const char *fingerprint);
void session_set_state(struct session *session, enum session_state state);
/* Tells the worker to end it; it stays until GONE. */
void session_close(struct session *session, const char *reason);
/* The worker forgot it, or died. */
void session_end(struct session *session, const char *reason);

/* It publishes, or follows `forwards`: from now on it makes its site online. */
void session_serve(struct session *session);
bool session_is_publisher(const struct session *session);
/* Makes a pending key current before it is used; 0 also when there is nothing to do.  Sessions of
 * the old key end, but for `kept` (NULL: none), which goes on as one of the new key. */
int session_activate_key(struct session *session, struct session *kept,
                         struct fault *fault) MUST_CHECK;

void session_reply(const struct session *session, uint64_t request, enum verdict verdict,
                   const char *reason);
void session_reply_data(const struct session *session, uint64_t request, enum verdict verdict,
                        const char *data, size_t length);
void session_reply_port(const struct session *session, uint64_t request, uint16_t port);

/* Something was refused to it: said where its site or operator shows it. */
void session_refused(struct session *session, const char *text);

/* Messages.  -1: the worker broke the rules. */
int session_on_up(struct session *session, const struct message *message, struct fault *fault);
int session_on_alive(struct session *session, const struct message *message, struct fault *fault);
int session_on_heard(struct session *session, const struct message *message, struct fault *fault);
int session_on_refusal(struct session *session, const struct message *message, struct fault *fault);
int session_on_gone(struct session *session, const struct message *message, struct fault *fault);

#endif
