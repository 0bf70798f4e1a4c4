/*
 * The site's own key pair: Ed25519, made here, never leaves.
 */
#ifndef AGENT_SITE_KEY_H
#define AGENT_SITE_KEY_H

#include <libssh/libssh.h>

#include "base/fault.h"
#include "keys/public_key.h"

#define SITE_KEY_MAX_BYTES 16384

/* Makes a pair and has the private part on disk (0600, fsynced) before it returns. */
int site_key_make(const char *path, struct fault *fault) MUST_CHECK;
/* *key is the caller's (ssh_key_free); `public` may be NULL. */
int site_key_load(const char *path, ssh_key *key, struct public_key *public,
                  struct fault *fault) MUST_CHECK;
/* The public part of any key of libssh's. */
int site_key_public(ssh_key key, struct public_key *out, struct fault *fault) MUST_CHECK;
/* The public part as one line, for people who enrol a stock client. */
int site_key_write_public(const char *path, const struct public_key *key,
                          struct fault *fault) MUST_CHECK;

#endif
