/*
 * Authentication of a peer (RFC 4252, RFC 4256): publickey, and for enrolment then
 * keyboard-interactive with a token.  The parent gives every verdict.
 */
#ifndef WORKER_LOGIN_H
#define WORKER_LOGIN_H

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peer;

enum login_prompt {
    PROMPT_NONE,
    PROMPT_TOKEN,   /* "Token: " was asked, the answer is awaited */
    PROMPT_GREETING /* the token was right; an empty answer is awaited */
};

struct login {
    ssh_message held; /* the request that the parent decides on */
    char *user;       /* of the first request; may not change */
    bool none_seen;
    bool partial; /* a key was proven for enrolment: `key` */
    uint8_t *key; /* of the last publickey request */
    size_t key_length;
    enum login_prompt prompt;
    unsigned tries, token_tries;
};

/* A message before the peer is up; takes it. */
void login_on_message(struct peer *peer, ssh_message message);
/* Frees what is kept. */
void login_release(struct peer *peer);

#endif
