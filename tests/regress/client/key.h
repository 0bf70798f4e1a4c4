/*
 * Ed25519 keys for clients on libssh2.  They are made and used with OpenSSL, so that none is ever
 * in a file.
 */
#ifndef CLIENT_KEY_H
#define CLIENT_KEY_H

#include <libssh2.h>
#include <openssl/evp.h>
#include <stdbool.h>

#define KEY_BLOB_SIZE    51 /* string "ssh-ed25519", string of 32 bytes */
#define FINGERPRINT_SIZE 64

/* `pair` is NULL when only the public part is known. */
struct key {
    EVP_PKEY *pair;
    unsigned char blob[KEY_BLOB_SIZE];
    char fingerprint[FINGERPRINT_SIZE];
};

bool key_make(struct key *key);
/* The same key for the same text, at each run. */
bool key_from_seed(struct key *key, const char *seed);
/* The public part of an OpenSSH ".pub" file. */
bool key_read_public(const char *path, struct key *key);
void key_release(struct key *key);

/* For libssh2_userauth_publickey; `*abstract` is the key.  Without the private part a signature is
 * made up. */
int key_sign(LIBSSH2_SESSION *ssh, unsigned char **signature, size_t *length,
             const unsigned char *data, size_t data_length, void **abstract);

#endif
