/*
 * One SSH session with the hub, from the connected socket to its end: key exchange, login, then
 * the `forwards` channel and staying alive, or one command.  It is tried once; what follows its end
 * is its owner's.
 */
#ifndef AGENT_SESSION_H
#define AGENT_SESSION_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <uv.h>

#include "config/agent_settings.h"
#include "keys/public_key.h"
#include "keys/token.h"

struct forwards;
struct session;

enum session_end {
    SESSION_LOST,       /* the line broke, the hub was silent, or it closed */
    SESSION_REFUSED,    /* the hub does not take key or token */
    SESSION_WRONG_HOST, /* it is not the hub that was pinned */
    SESSION_REDEEMED,   /* it took the token; now the key is known there */
    SESSION_ACTIVATED,  /* it made the key current */
};

struct session_plan {
    const struct agent_settings *settings; /* borrowed, as all of these */
    ssh_key key;                           /* copied */
    const struct token *token;             /* log in as `enrol` with it; NULL: as the site */
    bool activate;                         /* only have the key made current, and end */
    struct forwards *forwards;             /* NULL with `activate` */
};

struct session_handlers {
    void (*on_online)(void *owner); /* the hub sent the list of forwards */
    /* Once, never inside session_open or session_close; the session is freed right after. */
    void (*on_ended)(void *owner, enum session_end end, const char *reason);
};

/* Takes the socket, also when it fails. */
int session_open(uv_loop_t *loop, const struct session_plan *plan, int socket,
                 const struct session_handlers *handlers, void *owner, struct session **out,
                 struct fault *fault) MUST_CHECK;
/* Asynchronous, idempotent. */
void session_close(struct session *session, const char *reason);

/* Links, addresses or routes changed: the hub is probed at once.  When the connection's own way is
 * another now, it has to answer soon. */
void session_network_changed(struct session *session);

uint64_t session_rtt_us(const struct session *session);
/* The hub's host key; "" before it was seen. */
const char *session_host_key(const struct session *session);

#endif
