/*
 * The client's half of a key exchange (curve25519-sha256, RFC 8731), from what went over the line:
 * it believes whatever it is told.
 */
#ifndef TESTS_SSH_EXCHANGE_H
#define TESTS_SSH_EXCHANGE_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ssh_records.h"

#define HEARD_MAX 16384 /* of a server before its NEWKEYS */
#define HASH_SIZE 32

enum { KEXINIT = 20, NEWKEYS = 21, ECDH_INIT = 30, ECDH_REPLY = 31 };
enum { LIST_CIPHER = 2, LIST_MAC = 4 }; /* of a KEXINIT, for what the client sends */

/* Bytes of a packet that is kept, or a part of one. */
struct piece {
    uint8_t bytes[RECORD_MAX];
    size_t length;
};

struct exchange {
    struct piece banner, kexinit, public;                           /* what was sent */
    struct piece its_banner, its_kexinit, its_host_key, its_public; /* what was heard */
    uint8_t heard[HEARD_MAX];
    size_t heard_length;
    bool its_newkeys; /* what comes after is not read */

    uint8_t hash[HASH_SIZE]; /* the session's */
    bool has_hash;
    uint8_t secret[5 + HASH_SIZE]; /* as an mpint */
    size_t secret_length;
};

/* Of the client's own keys: EVP_PKEY_X25519 or EVP_PKEY_ED25519. */
EVP_PKEY *exchange_own_key(int type);

void exchange_note_banner(struct exchange *exchange, const uint8_t *bytes, size_t length);
/* A packet before NEWKEYS. */
void exchange_note_sent(struct exchange *exchange, const uint8_t *payload, size_t length);
void exchange_hear(struct exchange *exchange, const uint8_t *bytes, size_t length);

/* The first of the client's names that the server has, too; "": none. */
void exchange_agreed(const struct exchange *exchange, int list, char *name, size_t room);
bool exchange_is_strict(const struct exchange *exchange);
/* RFC 4253, 7.2: 32 bytes, or `more`, 64. */
void exchange_derive(const struct exchange *exchange, char letter, uint8_t *out, bool more);

#endif
