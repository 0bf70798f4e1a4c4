/*
 * SSH public keys as blobs (RFC 4253, 6.6), and which of them the hub accepts.
 * No SSH library here: a blob is parsed just far enough to name its type and size.
 */
#ifndef KEYS_PUBLIC_KEY_H
#define KEYS_PUBLIC_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

#define PUBLIC_KEY_BLOB_MAX  2400 /* RSA of 16384 bits */
#define PUBLIC_KEY_LINE_SIZE (64 + 4 * ((PUBLIC_KEY_BLOB_MAX + 2) / 3) + 1)
#define FINGERPRINT_SIZE     52 /* "SHA256:" and 43 characters, NUL */
#define PUBLIC_KEY_TYPE_SIZE 64

struct public_key {
    char type[PUBLIC_KEY_TYPE_SIZE]; /* "ssh-ed25519" */
    unsigned bits;                   /* of an RSA modulus or a curve */
    size_t length;
    uint8_t blob[PUBLIC_KEY_BLOB_MAX];
};

/* Accepted: ssh-ed25519, ecdsa-sha2-nistp{256,384,521}, their sk- forms, ssh-rsa from 3072 bits.
 * Certificates, DSA, short RSA, damaged blobs: a fault that says so. */
int public_key_from_blob(const void *blob, size_t length, struct public_key *out,
                         struct fault *fault) MUST_CHECK;
/* An OpenSSH line "TYPE BASE64 [COMMENT]", without options. */
int public_key_from_line(const char *line, struct public_key *out, struct fault *fault) MUST_CHECK;
/* "TYPE BASE64"; `line` holds PUBLIC_KEY_LINE_SIZE. */
char *public_key_line(const struct public_key *key, char *line);
/* As ssh-keygen -l prints it. */
char *public_key_fingerprint(const struct public_key *key, char text[FINGERPRINT_SIZE]);

/* SHA-256 of anything (token secrets at rest). */
void digest_sha256(const void *data, size_t length, uint8_t digest[32]);

#endif
