/*
 * The client's transport: curve25519-sha256 (RFC 8731), then aes-gcm (RFC 5647, as OpenSSH spells
 * it) or aes-ctr with HMAC-SHA2, of which the MAC may come before or after encryption.  Where
 * something else was agreed on, what follows is noise to the server.
 */
#define _GNU_SOURCE
#include "ssh_client.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define HEARD_MAX 16384 /* of a server before its NEWKEYS */
#define HASH_SIZE 32
#define BLOCK     16
#define TAG       16

enum { NEWKEYS = 21, KEXINIT = 20, ECDH_INIT = 30, ECDH_REPLY = 31 };
enum { LIST_CIPHER = 2, LIST_MAC = 4 }; /* of a KEXINIT, for what the client sends */

/* Bytes of a packet that is kept, or a part of one. */
struct piece {
    uint8_t bytes[RECORD_MAX];
    size_t length;
};

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
    struct piece banner, kexinit, public;                           /* what was sent */
    struct piece its_banner, its_kexinit, its_host_key, its_public; /* what was heard */
    uint8_t heard[HEARD_MAX];
    size_t heard_length;
    bool its_newkeys; /* what comes after is not read */

    uint8_t hash[HASH_SIZE]; /* the session's */
    bool has_hash, encrypts;
    uint8_t secret[5 + HASH_SIZE]; /* as an mpint */
    size_t secret_length;
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

static void keep(struct piece *piece, const uint8_t *bytes, size_t length)
{
    piece->length = length < sizeof piece->bytes ? length : sizeof piece->bytes;
    if (piece->length > 0)
        memcpy(piece->bytes, bytes, piece->length);
}

/* A string at `*at`; `*at` goes on behind it. */
static bool read_string(const uint8_t *bytes, size_t length, size_t *at, struct piece *out)
{
    if (length < *at + 4 || get32(bytes + *at) > length - *at - 4)
        return false;
    keep(out, bytes + *at + 4, get32(bytes + *at));
    *at += 4 + get32(bytes + *at);
    return true;
}

/* --- the client's own keys --- */

static EVP_PKEY *own_key(int type)
{
    uint8_t bytes[32];

    memset(bytes, type == EVP_PKEY_X25519 ? 0x41 : 0x42, sizeof bytes);
    return EVP_PKEY_new_raw_private_key(type, NULL, bytes, sizeof bytes);
}

void client_public(uint8_t exchange[32], uint8_t signing[32])
{
    EVP_PKEY *first = own_key(EVP_PKEY_X25519);
    EVP_PKEY *second = own_key(EVP_PKEY_ED25519);
    size_t length = 32;

    (void)EVP_PKEY_get_raw_public_key(first, exchange, &length);
    (void)EVP_PKEY_get_raw_public_key(second, signing, &length);
    EVP_PKEY_free(first);
    EVP_PKEY_free(second);
}

static bool shared_secret(const uint8_t its_public[32], uint8_t secret[HASH_SIZE])
{
    EVP_PKEY *own = own_key(EVP_PKEY_X25519);
    EVP_PKEY *its = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, its_public, 32);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(own, NULL);
    size_t length = HASH_SIZE;
    bool fine = its && context && EVP_PKEY_derive_init(context) == 1 &&
                EVP_PKEY_derive_set_peer(context, its) == 1 &&
                EVP_PKEY_derive(context, secret, &length) == 1;

    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(its);
    EVP_PKEY_free(own);
    return fine;
}

/* --- the exchange's hash, and what follows from it --- */

static void keep_secret(struct client *client, const uint8_t secret[HASH_SIZE])
{
    size_t zeroes = 0;
    uint8_t *at = client->secret + 4;

    while (zeroes < HASH_SIZE - 1 && secret[zeroes] == 0)
        zeroes++;
    if (secret[zeroes] & 0x80)
        *at++ = 0;
    memcpy(at, secret + zeroes, HASH_SIZE - zeroes);
    at += HASH_SIZE - zeroes;
    client->secret_length = (size_t)(at - client->secret);
    put32(client->secret, client->secret_length - 4);
}

static void add_string(EVP_MD_CTX *digest, const struct piece *piece)
{
    uint8_t length[4];

    put32(length, piece->length);
    (void)EVP_DigestUpdate(digest, length, sizeof length);
    (void)EVP_DigestUpdate(digest, piece->bytes, piece->length);
}

static void make_hash(struct client *client)
{
    const struct piece *parts[] = {&client->banner,      &client->its_banner,   &client->kexinit,
                                   &client->its_kexinit, &client->its_host_key, &client->public,
                                   &client->its_public};
    EVP_MD_CTX *digest = EVP_MD_CTX_new();

    (void)EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        add_string(digest, parts[i]);
    (void)EVP_DigestUpdate(digest, client->secret, client->secret_length);
    (void)EVP_DigestFinal_ex(digest, client->hash, NULL);
    EVP_MD_CTX_free(digest);
}

/* RFC 4253, 7.2; `more` is the part after the first 32 bytes. */
static void derive(const struct client *client, char letter, uint8_t *out, bool more)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();

    for (int round = 0; round <= (more ? 1 : 0); round++) {
        (void)EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
        (void)EVP_DigestUpdate(digest, client->secret, client->secret_length);
        (void)EVP_DigestUpdate(digest, client->hash, HASH_SIZE);
        if (round == 0) {
            (void)EVP_DigestUpdate(digest, &letter, 1);
            (void)EVP_DigestUpdate(digest, client->hash, HASH_SIZE);
        } else {
            (void)EVP_DigestUpdate(digest, out, HASH_SIZE);
        }
        (void)EVP_DigestFinal_ex(digest, out + (size_t)round * HASH_SIZE, NULL);
    }
    EVP_MD_CTX_free(digest);
}

/* --- what was agreed on --- */

/* The name-list with that number, or an empty one. */
static void name_list(const struct piece *kexinit, int number, struct piece *list)
{
    size_t at = 17; /* type and cookie */

    list->length = 0;
    for (int i = 0; i <= number; i++) {
        if (!read_string(kexinit->bytes, kexinit->length, &at, list)) {
            list->length = 0;
            return;
        }
    }
}

static bool has_name(const struct piece *list, const uint8_t *name, size_t length)
{
    for (size_t at = 0; at + length <= list->length; at++) {
        if ((at == 0 || list->bytes[at - 1] == ',') &&
            (at + length == list->length || list->bytes[at + length] == ',') &&
            memcmp(list->bytes + at, name, length) == 0)
            return true;
    }
    return false;
}

/* The first of the client's names that the server has, too. */
static void agreed(const struct client *client, int number, char *name, size_t room)
{
    struct piece own, its;
    size_t begin = 0;

    name[0] = '\0';
    name_list(&client->kexinit, number, &own);
    name_list(&client->its_kexinit, number, &its);
    for (size_t at = 0; at <= own.length; at++) {
        if (at < own.length && own.bytes[at] != ',')
            continue;
        if (at - begin < room && at > begin && has_name(&its, own.bytes + begin, at - begin)) {
            memcpy(name, own.bytes + begin, at - begin);
            name[at - begin] = '\0';
            return;
        }
        begin = at + 1;
    }
}

static bool is_strict(const struct client *client)
{
    static const char strict[] = "kex-strict-c-v00@openssh.com";
    struct piece list;

    name_list(&client->kexinit, 0, &list);
    return has_name(&list, (const uint8_t *)strict, sizeof strict - 1);
}

static bool choose(struct client *client)
{
    char cipher[64], mac[64];

    agreed(client, LIST_CIPHER, cipher, sizeof cipher);
    agreed(client, LIST_MAC, mac, sizeof mac);
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
    if (!client->has_hash || !choose(client))
        return;
    derive(client, 'A', client->iv, false);
    derive(client, 'C', client->key, false);
    derive(client, 'E', client->mac_key, true);
    client->context = EVP_CIPHER_CTX_new();
    client->encrypts =
        client->context && EVP_EncryptInit_ex(client->context, client->cipher->type(), NULL,
                                              client->key, client->iv) == 1;
    if (is_strict(client))
        client->number = 0;
}

/* --- what is sent --- */

/* Packets before NEWKEYS that the hash is made of. */
static void note_sent(struct client *client, const uint8_t *payload, size_t length)
{
    size_t at = 1;

    if (length == 0)
        return;
    if (payload[0] == KEXINIT && client->kexinit.length == 0)
        keep(&client->kexinit, payload, length);
    else if (payload[0] == ECDH_INIT && client->public.length == 0)
        (void)read_string(payload, length, &at, &client->public);
}

static void note_banner(struct client *client, const uint8_t *bytes, size_t length)
{
    const uint8_t *end = length > 0 ? memchr(bytes, '\n', length) : NULL;

    if (!end || client->banner.length > 0)
        return;
    length = (size_t)(end - bytes);
    keep(&client->banner, bytes, length > 0 && bytes[length - 1] == '\r' ? length - 1 : length);
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
    EVP_PKEY *key = own_key(EVP_PKEY_ED25519);

    put32(text, HASH_SIZE);
    memcpy(text + 4, client->hash, HASH_SIZE);
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
        note_banner(client, wire, length);
        return length;
    }
    if (kind == RECORD_LYING && length >= 4) {
        length -= 4;
        lie = get32(record->payload + length);
    }
    memcpy(wire + 5, record->payload, length);
    if (!client->encrypts)
        note_sent(client, wire + 5, length);
    if (kind == RECORD_SIGNED)
        length = sign(client, wire + 5, length);
    bool last_in_clear = !client->encrypts && length > 0 && wire[5] == NEWKEYS;
    length = frame(client, wire, length, record->what & 7, lie);
    if (last_in_clear)
        begin_encryption(client);
    return length;
}

/* --- what is heard --- */

static void on_reply(struct client *client, const uint8_t *payload, size_t length)
{
    struct piece signature;
    uint8_t secret[HASH_SIZE];
    size_t at = 1;

    if (client->has_hash || !read_string(payload, length, &at, &client->its_host_key) ||
        !read_string(payload, length, &at, &client->its_public) ||
        !read_string(payload, length, &at, &signature) || client->its_public.length != 32 ||
        !shared_secret(client->its_public.bytes, secret))
        return;
    keep_secret(client, secret);
    make_hash(client);
    client->has_hash = true;
}

static void on_packet(struct client *client, const uint8_t *payload, size_t length)
{
    if (payload[0] == KEXINIT && client->its_kexinit.length == 0)
        keep(&client->its_kexinit, payload, length);
    else if (payload[0] == ECDH_REPLY)
        on_reply(client, payload, length);
    else if (payload[0] == NEWKEYS)
        client->its_newkeys = true;
}

/* The server's banner or packet at the beginning of what was heard: its length, 0 if it is not
 * whole yet. */
static size_t take_one(struct client *client, const uint8_t *bytes, size_t length)
{
    if (client->its_banner.length == 0) {
        const uint8_t *end = memchr(bytes, '\n', length);
        if (!end || end - bytes < 2)
            return 0;
        keep(&client->its_banner, bytes, (size_t)(end - bytes) - 1);
        return (size_t)(end - bytes) + 1;
    }
    if (length < 6 || get32(bytes) > HEARD_MAX || get32(bytes) < bytes[4] + 2u ||
        length < 4 + get32(bytes))
        return 0;
    on_packet(client, bytes + 5, get32(bytes) - bytes[4] - 1);
    return 4 + get32(bytes);
}

void client_hear(struct client *client, const uint8_t *bytes, size_t length)
{
    size_t taken;

    if (length > HEARD_MAX - client->heard_length)
        length = HEARD_MAX - client->heard_length;
    if (length == 0 || client->its_newkeys)
        return;
    memcpy(client->heard + client->heard_length, bytes, length);
    client->heard_length += length;
    while (!client->its_newkeys && client->heard_length > 0 &&
           (taken = take_one(client, client->heard, client->heard_length)) > 0) {
        client->heard_length -= taken;
        memmove(client->heard, client->heard + taken, client->heard_length);
    }
}

bool client_encrypts(const struct client *client)
{
    return client->encrypts;
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
