/*
 * Connections: a visitor's socket that was given to a worker, until the worker reports its end.
 */
#ifndef PARENT_CONNECTIONS_H
#define PARENT_CONNECTIONS_H

#include "ipc/message.h"
#include "parent/forwards.h"
#include "parent/outbound.h"

enum connection_state {
    CONNECTION_OPENING, /* the site has not answered; we keep a duplicate of the socket */
    CONNECTION_OPEN,
    CONNECTION_LOST, /* its session ended; only CLOSED is awaited */
};

struct connection {
    uint64_t id;
    TAILQ_ENTRY(connection) entry;      /* hub->connection_list */
    TAILQ_ENTRY(connection) of_session; /* or worker->lost */
    TAILQ_ENTRY(connection) of_forward; /* or of outbound */
    TAILQ_ENTRY(connection) of_opener;  /* opener->opened */
    struct hub *hub;
    struct worker *worker;
    struct session *session;   /* NULL: lost */
    struct forward *forward;   /* NULL: removed, lost, or of the other kind */
    struct outbound *outbound; /* the same */
    bool is_outbound;
    struct open *open;             /* an operator's channel that is not attached yet; or NULL */
    struct session *opener;        /* the operator's session; NULL: a visitor's, or it has ended */
    char operator_name[NAME_SIZE]; /* "": a visitor's */
    enum connection_state state;
    bool closing;   /* we told the worker to close it */
    int descriptor; /* our duplicate; -1 after OPENED */
    unsigned tries;
    uint16_t port;
    char visitor[ENDPOINT_SIZE];
    int64_t since_s;
    uint64_t since_ms, bytes_in, bytes_out;
};

/* Whose grant it is counted under; NULL: none any more. */
struct site *connection_site(const struct connection *connection);
/* Is there room for one more visitor, connected or waiting? */
bool connections_have_room(const struct hub *hub);
/* Hands a visitor to the forward's session.  Takes the descriptor.  `open`: it is an operator. */
void connection_start(struct forward *forward, int descriptor, const char *visitor, unsigned tries,
                      struct open *open);
/* VISITOR: one that the session's worker has accepted.  Takes the descriptor.  -1: out of memory.
 */
int connection_accepted(struct forward *forward, struct session *session,
                        const struct message *message, int descriptor) MUST_CHECK;
/* VISITED: one that came and went. */
void connection_was(struct forward *forward, struct session *session,
                    const struct message *message);
/* It belongs to that operator's session from now on, or (NULL) to none. */
void connection_opened_by(struct connection *connection, struct session *opener);
/* "192.0.2.7:50122", "alice@192.0.2.7:50122". */
#define CONNECTION_VISITOR_SIZE (NAME_SIZE + ENDPOINT_SIZE)
char *connection_visitor(const struct connection *connection, char text[CONNECTION_VISITOR_SIZE]);
/* Counts a socket to what an outbound grant names, which the session's worker gets for its channel
 * (the caller sends it); `visitor`: who connected at the site.  NULL: out of memory. */
struct connection *connection_outbound(struct outbound *outbound, struct session *session,
                                       const char *visitor);
/* The grant is going away: ends its connections. */
void connections_cut_outbound(struct outbound *outbound, const char *reason);
/* Tells the worker to end it. */
void connection_close(struct connection *connection, const char *reason);
/* The session ended: opening ones go back to the queue. */
void connections_lose(struct session *session, const char *reason);
/* The worker died: nothing more will be heard of these. */
void connections_forget(struct connection_list *lost);
/* The forward is going away; its connections are being closed. */
void connections_detach(struct forward *forward);

/* Messages.  -1: the worker broke the rules. */
int connection_on_opened(struct connection *connection, const struct message *message,
                         struct fault *fault);
int connection_on_closed(struct connection *connection, const struct message *message,
                         struct fault *fault);
int connections_on_stats(struct worker *worker, const struct message *message, struct fault *fault);

#endif
