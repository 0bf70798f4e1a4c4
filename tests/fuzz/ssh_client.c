/*
 * The client's packets: in clear, then in aes-gcm (RFC 5647, as OpenSSH spells
 * it) or aes-ctr with HMAC-SHA2, of which the MAC may come before or after encryption.  Where
 * something else was agreed on, what follows is noise to the server.
 */
#define _GNU_SOURCE
#include "ssh_client.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "ssh_exchange.h"

#define BLOCK 16
#define TAG   16

struct cipher {
    const char *name;
    const EVP_CIPHER *(*type)(void);
    size_t key_length;
    bool gcm;
};

struct mac {
    const char *name;
    const EVP_MD *(*type)(void);
    size_t length;
    bool after; /* over what is encrypted */
};

static const struct cipher ciphers[] = {
    {"aes128-gcm@openssh.com", EVP_aes_128_gcm, 16, true},
    {"aes256-gcm@openssh.com", EVP_aes_256_gcm, 32, true},
    {"aes128-ctr", EVP_aes_128_ctr, 16, false},
    {"aes192-ctr", EVP_aes_192_ctr, 24, false},
    {"aes256-ctr", EVP_aes_256_ctr, 32, false},
};

static const struct mac macs[] = {
    {"hmac-sha2-256-etm@openssh.com", EVP_sha256, 32, true},
    {"hmac-sha2-512-etm@openssh.com", EVP_sha512, 64, true},
    {"hmac-sha2-256", EVP_sha256, 32, false},
};

struct client {
    struct exchange exchange;
    bool encrypts;
    const struct cipher *cipher;
    const struct mac *mac;
    EVP_CIPHER_CTX *context;
    uint8_t iv[HASH_SIZE], key[HASH_SIZE], mac_key[2 * HASH_SIZE];
    uint32_t number; /* of the next packet */
};

static void put32(uint8_t *to, size_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static size_t get32(const uint8_t *from)
{
    return (size_t)from[0] << 24 | (size_t)from[1] << 16 | (size_t)from[2] << 8 | from[3];
}

void client_public(uint8_t exchange[32], uint8_t signing[32])
{
    EVP_PKEY *first = exchange_own_key(EVP_PKEY_X25519);
    EVP_PKEY *second = exchange_own_key(EVP_PKEY_ED25519);
    size_t length = 32;

    (void)EVP_PKEY_get_raw_public_key(first, exchange, &length);
    (void)EVP_PKEY_get_raw_public_key(second, signing, &length);
    EVP_PKEY_free(first);
    EVP_PKEY_free(second);
}

static bool choose(struct client *client)
{
    char cipher[64], mac[64];

    exchange_agreed(&client->exchange, LIST_CIPHER, cipher, sizeof cipher);
    exchange_agreed(&client->exchange, LIST_MAC, mac, sizeof mac);
    for (size_t i = 0; i < sizeof ciphers / sizeof *ciphers; i++) {
        if (strcmp(cipher, ciphers[i].name) == 0)
            client->cipher = &ciphers[i];
    }
    for (size_t i = 0; i < sizeof macs / sizeof *macs; i++) {
        if (strcmp(mac, macs[i].name) == 0)
            client->mac = &macs[i];
    }
    return client->cipher && (client->cipher->gcm || client->mac);
}

static void begin_encryption(struct client *client)
{
    if (!client->exchange.has_hash || !choose(client))
        return;
    exchange_derive(&client->exchange, 'A', client->iv, false);
    exchange_derive(&client->exchange, 'C', client->key, false);
    exchange_derive(&client->exchange, 'E', client->mac_key, true);
    client->context = EVP_CIPHER_CTX_new();
    client->encrypts =
        client->context && EVP_EncryptInit_ex(client->context, client->cipher->type(), NULL,
                                              client->key, client->iv) == 1;
    if (exchange_is_strict(&client->exchange))
        client->number = 0;
}

static void seal_gcm(struct client *client, uint8_t *wire, size_t length)
{
    int done;

    (void)EVP_EncryptInit_ex(client->context, NULL, NULL, NULL, client->iv);
    (void)EVP_EncryptUpdate(client->context, NULL, &done, wire, 4);
    (void)EVP_EncryptUpdate(client->context, wire + 4, &done, wire + 4, (int)length - 4);
    (void)EVP_EncryptFinal_ex(client->context, wire + length, &done);
    (void)EVP_CIPHER_CTX_ctrl(client->context, EVP_CTRL_GCM_GET_TAG, TAG, wire + length);
    for (int i = 11; i >= 4 && ++client->iv[i] == 0; i--)
        continue;
}

static void authenticate(struct client *client, uint8_t *wire, size_t length)
{
    uint8_t text[4 + CLIENT_WIRE_MAX];

    put32(text, client->number);
    memcpy(text + 4, wire, length);
    (void)HMAC(client->mac->type(), client->mac_key, (int)client->mac->length, text, 4 + length,
               wire + length, NULL);
}

static void seal_ctr(struct client *client, uint8_t *wire, size_t length)
{
    size_t clear = client->mac->after ? 4 : 0;
    int done;

    if (!client->mac->after)
        authenticate(client, wire, length);
    (void)EVP_EncryptUpdate(client->context, wire + clear, &done, wire + clear,
                            (int)(length - clear));
    if (client->mac->after)
        authenticate(client, wire, length);
}

/* `length` bytes at wire + 5 become a packet with that length before it (0: the right one). */
static size_t frame(struct client *client, uint8_t *wire, size_t length, size_t more_padding,
                    size_t lie)
{
    bool covered = !client->encrypts || !(client->cipher->gcm || client->mac->after);
    size_t before = covered ? 5 : 1; /* what of it counts for the blocks */
    size_t padding = BLOCK - (before + length) % BLOCK;
    size_t total;

    if (padding < 4)
        padding += BLOCK;
    padding += more_padding * BLOCK;
    total = 5 + length + padding;
    memset(wire + 5 + length, 0, padding);
    put32(wire, lie ? lie : total - 4);
    wire[4] = (uint8_t)padding;
    if (client->encrypts && client->cipher->gcm) {
        seal_gcm(client, wire, total);
        total += TAG;
    } else if (client->encrypts) {
        seal_ctr(client, wire, total);
        total += client->mac->length;
    }
    client->number++;
    return total;
}

/* RFC 4252, 7: over the session's id and the request before it; appended as a string. */
static size_t sign(const struct client *client, uint8_t *payload, size_t length)
{
    static const uint8_t head[] = {0,   0,   0,   83,  0,   0,   0,   11, 's', 's', 'h', '-',
                                   'e', 'd', '2', '5', '5', '1', '9', 0,  0,   0,   64};
    uint8_t text[4 + HASH_SIZE + RECORD_MAX];
    size_t signature = 64;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY *key = exchange_own_key(EVP_PKEY_ED25519);

    put32(text, HASH_SIZE);
    memcpy(text + 4, client->exchange.hash, HASH_SIZE);
    memcpy(text + 4 + HASH_SIZE, payload, length);
    memcpy(payload + length, head, sizeof head);
    (void)EVP_DigestSignInit(context, NULL, NULL, NULL, key);
    (void)EVP_DigestSign(context, payload + length + sizeof head, &signature, text,
                         4 + HASH_SIZE + length);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return length + sizeof head + 64;
}

size_t client_say(struct client *client, const struct record *record, uint8_t wire[CLIENT_WIRE_MAX])
{
    enum record_kind kind = (enum record_kind)RECORD_KIND(record->how);
    size_t length = record->length, lie = 0;

    if (kind == RECORD_RAW) {
        memcpy(wire, record->payload, length);
        exchange_note_banner(&client->exchange, wire, length);
        return length;
    }
    if (kind == RECORD_LYING && length >= 4) {
        length -= 4;
        lie = get32(record->payload + length);
    }
    memcpy(wire + 5, record->payload, length);
    if (!client->encrypts)
        exchange_note_sent(&client->exchange, wire + 5, length);
    if (kind == RECORD_SIGNED)
        length = sign(client, wire + 5, length);
    bool last_in_clear = !client->encrypts && length > 0 && wire[5] == NEWKEYS;
    length = frame(client, wire, length, record->what & 7, lie);
    if (last_in_clear)
        begin_encryption(client);
    return length;
}

void client_hear(struct client *client, const uint8_t *bytes, size_t length)
{
    exchange_hear(&client->exchange, bytes, length);
}

struct client *client_new(void)
{
    return calloc(1, sizeof(struct client));
}

void client_free(struct client *client)
{
    EVP_CIPHER_CTX_free(client->context);
    free(client);
}
