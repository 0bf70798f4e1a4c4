/*
 * For the HMAC of a packet, libssh calls EVP_PKEY_new_mac_key, EVP_DigestSignInit,
 * EVP_DigestSignUpdate twice and EVP_DigestSignFinal.  OpenSSL 3 goes through its lists of names
 * and of methods for the first two: 5 us, where the HMAC of a keepalive takes a half.  They are
 * found in the executable first, as the functions in wire.c are: a key for an HMAC is one
 * stand-in, the same each time, and what is signed with that is computed by an EVP_MAC that has
 * been looked up once.  A session has no memory of it.  What has another key passes through.
 *
 * Ciphers that authenticate by themselves, as agents and OpenSSH have, come nowhere near; libssh2
 * 1.10 and Dropbear do.  Built with TUNNEL_WIRE off, this file is empty of all that.
 */
#define _GNU_SOURCE
#include "ssh/mac.h"

#ifdef TUNNEL_WIRE

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "ssh/buffers.h"

#define KEY_MAX 64 /* of SHA-512 */

typedef EVP_PKEY *make_key(int type, ENGINE *engine, const unsigned char *key, int length);
typedef int sign_begin(EVP_MD_CTX *context, EVP_PKEY_CTX **key_context, const EVP_MD *digest,
                       ENGINE *engine, EVP_PKEY *key);
typedef int sign_add(EVP_MD_CTX *context, const void *bytes, size_t length);
typedef int sign_end(EVP_MD_CTX *context, unsigned char *tag, size_t *length);

/* Sessions live in one thread; in others everything passes through. */
static _Thread_local EVP_PKEY *stand_in;
static _Thread_local EVP_MAC_CTX *hmac;
static _Thread_local const EVP_MD_CTX *signer; /* whose HMAC is under way, libssh's; or NULL */
static _Thread_local uint8_t kept[KEY_MAX];    /* between making a key and beginning to sign */
static _Thread_local size_t kept_length;

EVP_PKEY *on_new_key(int type, ENGINE *engine, const unsigned char *key, int length)
    INSTEAD_OF("EVP_PKEY_new_mac_key");
int on_sign_begin(EVP_MD_CTX *context, EVP_PKEY_CTX **key_context, const EVP_MD *digest,
                  ENGINE *engine, EVP_PKEY *key) INSTEAD_OF("EVP_DigestSignInit");
int on_sign_add(EVP_MD_CTX *context, const void *bytes, size_t length)
    INSTEAD_OF("EVP_DigestSignUpdate");
int on_sign_end(EVP_MD_CTX *context, unsigned char *tag, size_t *length)
    INSTEAD_OF("EVP_DigestSignFinal");

EVP_PKEY *on_new_key(int type, ENGINE *engine, const unsigned char *key, int length)
{
    static make_key *make;

    if (stand_in && type == EVP_PKEY_HMAC && !engine && key && length > 0 && length <= KEY_MAX &&
        EVP_PKEY_up_ref(stand_in) == 1) {
        kept_length = (size_t)length;
        memcpy(kept, key, kept_length);
        return stand_in;
    }
    if (!make)
        buffers_find("EVP_PKEY_new_mac_key", &make);
    return make(type, engine, key, length);
}

static int begin(const EVP_MD_CTX *context, const EVP_MD *digest)
{
    char name[32] = "";
    const OSSL_PARAM how[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    size_t length = kept_length;

    kept_length = 0;
    if (!digest || length == 0)
        return 0;
    strncpy(name, EVP_MD_get0_name(digest), sizeof name - 1);
    int begun = EVP_MAC_init(hmac, kept, length, how);
    OPENSSL_cleanse(kept, sizeof kept);
    if (begun == 1)
        signer = context;
    return begun;
}

int on_sign_begin(EVP_MD_CTX *context, EVP_PKEY_CTX **key_context, const EVP_MD *digest,
                  ENGINE *engine, EVP_PKEY *key)
{
    static sign_begin *pass;

    if (signer == context)
        signer = NULL;
    if (key && key == stand_in)
        return begin(context, digest);
    if (!pass)
        buffers_find("EVP_DigestSignInit", &pass);
    return pass(context, key_context, digest, engine, key);
}

int on_sign_add(EVP_MD_CTX *context, const void *bytes, size_t length)
{
    static sign_add *pass;

    if (signer && signer == context)
        return EVP_MAC_update(hmac, bytes, length);
    if (!pass)
        buffers_find("EVP_DigestSignUpdate", &pass);
    return pass(context, bytes, length);
}

int on_sign_end(EVP_MD_CTX *context, unsigned char *tag, size_t *length)
{
    static sign_end *pass;

    if (signer && signer == context) {
        signer = NULL;
        return EVP_MAC_final(hmac, tag, length, *length);
    }
    if (!pass)
        buffers_find("EVP_DigestSignFinal", &pass);
    return pass(context, tag, length);
}

void mac_prepare(void)
{
    static const uint8_t no_key[KEY_MAX];
    EVP_MAC *method;

    if (stand_in)
        return;
    if (!hmac && (method = EVP_MAC_fetch(NULL, "HMAC", NULL))) {
        hmac = EVP_MAC_CTX_new(method);
        EVP_MAC_free(method);
    }
    if (hmac)
        stand_in = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, no_key, sizeof no_key);
}

#else

void mac_prepare(void)
{
}

#endif
