/* Keys for clients: made at random, from a text, or known in public only. */
#define _GNU_SOURCE
#include "key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_PART "\0\0\0\x0bssh-ed25519\0\0\0\x20"
#define RAW_SIZE  32
#define SIGNATURE 64

static void set_fingerprint(struct key *key)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[2 * EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_Digest(key->blob, sizeof key->blob, digest, &length, EVP_sha256(), NULL);
    EVP_EncodeBlock((unsigned char *)text, digest, (int)length);
    text[strcspn(text, "=")] = '\0';
    (void)snprintf(key->fingerprint, sizeof key->fingerprint, "SHA256:%.50s", text);
}

static bool take_pair(struct key *key, EVP_PKEY *pair)
{
    size_t length = RAW_SIZE;
    *key = (struct key){.pair = pair};
    if (pair == NULL)
        return false;
    memcpy(key->blob, TYPE_PART, KEY_BLOB_SIZE - RAW_SIZE);
    EVP_PKEY_get_raw_public_key(key->pair, key->blob + KEY_BLOB_SIZE - RAW_SIZE, &length);
    set_fingerprint(key);
    return true;
}

bool key_make(struct key *key)
{
    return take_pair(key, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
}

bool key_from_seed(struct key *key, const char *seed)
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    EVP_Digest(seed, strlen(seed), raw, NULL, EVP_sha256(), NULL);
    return take_pair(key, EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, raw, RAW_SIZE));
}

bool key_read_public(const char *path, struct key *key)
{
    char line[256] = "", base64[128] = "";
    unsigned char blob[sizeof base64];
    FILE *file = fopen(path, "re");
    bool found =
        file != NULL && fgets(line, sizeof line, file) != NULL &&
        sscanf(line, "ssh-ed25519 %100s", base64) == 1 &&
        EVP_DecodeBlock(blob, (unsigned char *)base64, (int)strlen(base64)) >= KEY_BLOB_SIZE;
    if (file != NULL)
        (void)fclose(file);
    *key = (struct key){.pair = NULL};
    if (!found)
        return false;
    memcpy(key->blob, blob, KEY_BLOB_SIZE);
    set_fingerprint(key);
    return true;
}

void key_release(struct key *key)
{
    EVP_PKEY_free(key->pair);
    key->pair = NULL;
}

/* libssh2 frees the signature. */
int key_sign(LIBSSH2_SESSION *ssh, unsigned char **signature, size_t *length,
             const unsigned char *data, size_t data_length, void **abstract)
{
    (void)ssh;
    const struct key *key = *abstract;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    *length = SIGNATURE;
    *signature = calloc(1, SIGNATURE);
    bool done = *signature != NULL && context != NULL;
    if (done && key->pair != NULL)
        done = EVP_DigestSignInit(context, NULL, NULL, NULL, key->pair) == 1 &&
               EVP_DigestSign(context, *signature, length, data, data_length) == 1;
    EVP_MD_CTX_free(context);
    return done ? 0 : -1;
}
