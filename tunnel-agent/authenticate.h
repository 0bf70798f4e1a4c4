/*
 * Logging in, one step a turn: as the site with its key, or as `enrol` with key and token.
 */
#ifndef AGENT_AUTHENTICATE_H
#define AGENT_AUTHENTICATE_H

#include <libssh/libssh.h>

#include "base/fault.h"
#include "keys/token.h"

#define ENROL_USER "enrol"

enum authentication_result {
    AUTHENTICATION_WAIT, /* call again after the next turn */
    AUTHENTICATION_GRANTED,
    AUTHENTICATION_REFUSED, /* the hub said no */
    AUTHENTICATION_BROKEN,  /* the line or the protocol failed */
};

struct authentication {
    ssh_session session;       /* borrowed; its user is set */
    ssh_key key;               /* borrowed */
    const struct token *token; /* borrowed; NULL: the key alone */
    bool at_token;             /* the key was taken, the token is asked for */
    unsigned rounds;           /* information requests answered */
};

/* Zero-initialise but for session, key and token. */
enum authentication_result authentication_step(struct authentication *login, struct fault *fault);

#endif
