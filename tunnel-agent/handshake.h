/*
 * An SSH client session as the agent wants it, up to the host key: algorithms, no configuration
 * files of the machine, and only the pinned host keys.
 */
#ifndef AGENT_HANDSHAKE_H
#define AGENT_HANDSHAKE_H

#include <libssh/libssh.h>

#include "config/schema.h"
#include "keys/public_key.h"

enum handshake_result {
    HANDSHAKE_WAIT, /* call again after the next turn */
    HANDSHAKE_DONE, /* keys exchanged, host key is one of the pinned */
    HANDSHAKE_FAILED,
    HANDSHAKE_WRONG_HOST, /* not one of the pinned: nothing secret was sent */
};

/* A non-blocking session over a connected socket, not started yet.  The socket stays the caller's
 * until the session is freed, which closes it. */
int handshake_new(int socket, const char *user, const struct text_list *host_keys, ssh_session *out,
                  struct fault *fault) MUST_CHECK;

/* Drives the key exchange.  `seen` receives the host key's fingerprint once it is known. */
enum handshake_result handshake_step(ssh_session session, const struct text_list *host_keys,
                                     char seen[FINGERPRINT_SIZE], struct fault *fault);

#endif
