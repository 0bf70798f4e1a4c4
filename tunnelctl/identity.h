/*
 * An operator's private key in a file of OpenSSH's format.
 */
#ifndef TUNNELCTL_IDENTITY_H
#define TUNNELCTL_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>

#include "keys/public_key.h"

struct identity {
    char *text; /* the file; secret */
    size_t length;
    struct public_key key; /* its public part */
    char *passphrase;      /* secret; NULL: it is not encrypted */
};

/* Asks for the passphrase of one that is encrypted.  Refused with a sentence: no such file,
 * readable by others, encrypted and no terminal, another format, a key that needs a device. */
int identity_read(const char *path, struct identity *out, struct fault *fault) MUST_CHECK;
/* Wipes. */
void identity_release(struct identity *identity);

/* The part of it that is not secret.  Pure; `text` is NUL-terminated. */
int identity_parse(const char *text, struct public_key *key, bool *encrypted,
                   struct fault *fault) MUST_CHECK;

#endif
