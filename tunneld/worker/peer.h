/*
 * A peer: the worker's half of a session, from the accepted descriptor to GONE.  The files of this
 * room that serve a peer share this struct: login.c, publishing.c, command.c, direct.c, relay.c,
 * policies.c.
 */
#ifndef WORKER_PEER_H
#define WORKER_PEER_H

#include "ssh/opening.h"
#include "ssh/transport.h"
#include "worker/command.h"
#include "worker/direct.h"
#include "worker/listening.h"
#include "worker/login.h"
#include "worker/office.h"
#include "worker/policies.h"

enum peer_state {
    PEER_KEY_EXCHANGE,   /* waits for the peer's banner and keys; login timer */
    PEER_AUTHENTICATING, /* waits for the peer's next login request; login timer */
    PEER_DECIDING,       /* waits for the parent's verdict on one; login timer */
    PEER_UP,             /* logged in; keepalive timer */
    PEER_CLOSING,        /* the transport was told to close, or is down */
    PEER_STATE_END,
};

enum peer_role {
    ROLE_NONE,
    ROLE_SITE,     /* publishes, and asks about itself */
    ROLE_ENROLLED, /* has just redeemed a token: reads one text */
    ROLE_OPERATOR, /* opens direct-tcpip channels, and asks about itself */
};

struct peer {
    uint64_t sid; /* first: the index compares it */
    TAILQ_ENTRY(peer) all;
    struct office *office;
    struct transport *transport; /* NULL once down */
    ssh_session ssh;             /* the transport's */
    char *address;               /* of its end, as text; NULL: unknown */
    enum peer_state state;
    enum peer_role role;
    LIST_ENTRY(peer) of_slot; /* see deadlines.h */
    uint64_t due_tick;        /* 0: no deadline */
    struct login login;

    struct question_list questions;
    ssh_message publishing; /* a global request that waits for a verdict */
    struct command_list commands;
    size_t command_count;
    struct command *forwards; /* the one that follows the list of forwards, or NULL */
    bool rotating;            /* the parent was asked about a new key of the site's */
    struct directs directs;
    struct share_list shares;        /* owned */
    struct listening_list listening; /* owned */
    struct relay_list opening;
    size_t abandoned;   /* of those: nobody waits for them any more */
    char *open_failure; /* the last that libssh told: kept_text.h */

    unsigned answers_due; /* to keepalives, until the parent, which asked, is told; 0: it did not */
    uint64_t told_bytes;  /* of the peer, when it asked or was last told HEARD */
    uint64_t told_heard_ms;
    uint64_t told_rtt_us; /* the round trip that the parent knows of */
    bool overdue;         /* silent for too long, gets one more look at the socket */
    unsigned refusals;    /* told to the parent; see peer_refuse */
};

/* A stranger's connection; takes the descriptor.  A failure is told to the parent. */
void peer_open(struct office *office, uint64_t sid, const char *address, int descriptor);
/* Asynchronous, idempotent. */
void peer_close(struct peer *peer, const char *reason);
/* Logs the change; it is one that the table allows. */
void peer_set_state(struct peer *peer, enum peer_state state);
/* Its deadline has come. */
void peer_overdue(struct peer *peer);
/* Logged in. */
void peer_up(struct peer *peer, enum peer_role role);
void peer_probe(struct peer *peer);
/* The settings changed: its timer is set anew. */
void peer_mind_settings(struct peer *peer);
/* Tells the parent, and whoever looks at `ssh -v`, what was refused.  The one refusing also
 * replies to the message. */
void peer_refuse(struct peer *peer, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
