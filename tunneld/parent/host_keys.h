/*
 * The hub's identity: the current host key, which workers use, and the standby key, which is only
 * pinned in keyfiles so that the current one can be replaced some day.  Private parts are opaque
 * bytes here.
 */
#ifndef PARENT_HOST_KEYS_H
#define PARENT_HOST_KEYS_H

#include <stddef.h>

#include "base/fault.h"
#include "keys/public_key.h"

enum host_key_kind { HOST_KEY_CURRENT, HOST_KEY_STANDBY, HOST_KEY_KINDS };

struct host_keys {
    char *pem; /* the current private key: secret */
    size_t pem_length;
    struct public_key keys[HOST_KEY_KINDS];
};

/* Makes those that are missing in `dir`, and completes a rotation that a crash interrupted.  A
 * private part of the standby key may be elsewhere. */
int host_keys_load(const char *dir, struct host_keys *out, struct fault *fault) MUST_CHECK;
void host_keys_release(struct host_keys *keys);

/* The standby key becomes the current one, and a new standby key is made: in `dir`, and in `keys`.
 * On failure both are as they were, unless the fault says otherwise. */
int host_keys_rotate(const char *dir, struct host_keys *keys, struct fault *fault) MUST_CHECK;

#endif
