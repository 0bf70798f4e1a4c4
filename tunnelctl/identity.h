/*
 * An operator's private key in a file of OpenSSH's format.
 */
#ifndef TUNNELCTL_IDENTITY_H
#define TUNNELCTL_IDENTITY_H

#include <stddef.h>

#include "keys/public_key.h"

struct identity {
    char *text; /* the file; secret */
    size_t length;
    struct public_key key; /* its public part */
};

/* Refused with a sentence: no such file, readable by others, encrypted, another format, a key that
 * needs a device. */
int identity_read(const char *path, struct identity *out, struct fault *fault) MUST_CHECK;
/* Wipes. */
void identity_release(struct identity *identity);

/* The part of it that is not secret.  Pure; `text` is NUL-terminated. */
int identity_parse(const char *text, struct public_key *key, struct fault *fault) MUST_CHECK;

#endif
