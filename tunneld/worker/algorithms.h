/*
 * The server's side of every SSH session: host key, and the algorithms that are offered.
 */
#ifndef WORKER_ALGORITHMS_H
#define WORKER_ALGORITHMS_H

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdbool.h>

#include "base/fault.h"

/* `pem`: the private host key, NUL-terminated; the caller wipes it. */
int algorithms_bind(const char *pem, bool legacy_mac, ssh_bind *out,
                    struct fault *fault) MUST_CHECK;
/* To the sessions that begin from now on: with the MAC that old clients need, or without. */
int algorithms_offer_macs(ssh_bind bind, bool legacy_mac, struct fault *fault) MUST_CHECK;
/* Is it a kind of user key that may log in?  Certificates are none. */
bool algorithms_key_is_welcome(ssh_key key);

#endif
