/* The client's half of a key exchange: what is kept of it, its hash, and the keys that follow. */
#define _GNU_SOURCE
#include "ssh_exchange.h"

#include <string.h>

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

EVP_PKEY *exchange_own_key(int type)
{
    uint8_t bytes[32];

    memset(bytes, type == EVP_PKEY_X25519 ? 0x41 : 0x42, sizeof bytes);
    return EVP_PKEY_new_raw_private_key(type, NULL, bytes, sizeof bytes);
}

static bool shared_secret(const uint8_t its_public[32], uint8_t secret[HASH_SIZE])
{
    EVP_PKEY *own = exchange_own_key(EVP_PKEY_X25519);
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

static void keep_secret(struct exchange *exchange, const uint8_t secret[HASH_SIZE])
{
    size_t zeroes = 0;
    uint8_t *at = exchange->secret + 4;

    while (zeroes < HASH_SIZE - 1 && secret[zeroes] == 0)
        zeroes++;
    if (secret[zeroes] & 0x80)
        *at++ = 0;
    memcpy(at, secret + zeroes, HASH_SIZE - zeroes);
    at += HASH_SIZE - zeroes;
    exchange->secret_length = (size_t)(at - exchange->secret);
    put32(exchange->secret, exchange->secret_length - 4);
}

static void add_string(EVP_MD_CTX *digest, const struct piece *piece)
{
    uint8_t length[4];

    put32(length, piece->length);
    (void)EVP_DigestUpdate(digest, length, sizeof length);
    (void)EVP_DigestUpdate(digest, piece->bytes, piece->length);
}

static void make_hash(struct exchange *exchange)
{
    const struct piece *parts[] = {&exchange->banner,       &exchange->its_banner,
                                   &exchange->kexinit,      &exchange->its_kexinit,
                                   &exchange->its_host_key, &exchange->public,
                                   &exchange->its_public};
    EVP_MD_CTX *digest = EVP_MD_CTX_new();

    (void)EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        add_string(digest, parts[i]);
    (void)EVP_DigestUpdate(digest, exchange->secret, exchange->secret_length);
    (void)EVP_DigestFinal_ex(digest, exchange->hash, NULL);
    EVP_MD_CTX_free(digest);
}

/* RFC 4253, 7.2; `more` is the part after the first 32 bytes. */
void exchange_derive(const struct exchange *exchange, char letter, uint8_t *out, bool more)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();

    for (int round = 0; round <= (more ? 1 : 0); round++) {
        (void)EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
        (void)EVP_DigestUpdate(digest, exchange->secret, exchange->secret_length);
        (void)EVP_DigestUpdate(digest, exchange->hash, HASH_SIZE);
        if (round == 0) {
            (void)EVP_DigestUpdate(digest, &letter, 1);
            (void)EVP_DigestUpdate(digest, exchange->hash, HASH_SIZE);
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
void exchange_agreed(const struct exchange *exchange, int number, char *name, size_t room)
{
    struct piece own, its;
    size_t begin = 0;

    name[0] = '\0';
    name_list(&exchange->kexinit, number, &own);
    name_list(&exchange->its_kexinit, number, &its);
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

bool exchange_is_strict(const struct exchange *exchange)
{
    static const char strict[] = "kex-strict-c-v00@openssh.com";
    struct piece list;

    name_list(&exchange->kexinit, 0, &list);
    return has_name(&list, (const uint8_t *)strict, sizeof strict - 1);
}

/* --- what is sent --- */

/* Packets before NEWKEYS that the hash is made of. */
void exchange_note_sent(struct exchange *exchange, const uint8_t *payload, size_t length)
{
    size_t at = 1;

    if (length == 0)
        return;
    if (payload[0] == KEXINIT && exchange->kexinit.length == 0)
        keep(&exchange->kexinit, payload, length);
    else if (payload[0] == ECDH_INIT && exchange->public.length == 0)
        (void)read_string(payload, length, &at, &exchange->public);
}

void exchange_note_banner(struct exchange *exchange, const uint8_t *bytes, size_t length)
{
    const uint8_t *end = length > 0 ? memchr(bytes, '\n', length) : NULL;

    if (!end || exchange->banner.length > 0)
        return;
    length = (size_t)(end - bytes);
    keep(&exchange->banner, bytes, length > 0 && bytes[length - 1] == '\r' ? length - 1 : length);
}

/* --- what is heard --- */

static void on_reply(struct exchange *exchange, const uint8_t *payload, size_t length)
{
    struct piece signature;
    uint8_t secret[HASH_SIZE];
    size_t at = 1;

    if (exchange->has_hash || !read_string(payload, length, &at, &exchange->its_host_key) ||
        !read_string(payload, length, &at, &exchange->its_public) ||
        !read_string(payload, length, &at, &signature) || exchange->its_public.length != 32 ||
        !shared_secret(exchange->its_public.bytes, secret))
        return;
    keep_secret(exchange, secret);
    make_hash(exchange);
    exchange->has_hash = true;
}

static void on_packet(struct exchange *exchange, const uint8_t *payload, size_t length)
{
    if (payload[0] == KEXINIT && exchange->its_kexinit.length == 0)
        keep(&exchange->its_kexinit, payload, length);
    else if (payload[0] == ECDH_REPLY)
        on_reply(exchange, payload, length);
    else if (payload[0] == NEWKEYS)
        exchange->its_newkeys = true;
}

/* The server's banner or packet at the beginning of what was heard: its length, 0 if it is not
 * whole yet. */
static size_t take_one(struct exchange *exchange, const uint8_t *bytes, size_t length)
{
    if (exchange->its_banner.length == 0) {
        const uint8_t *end = memchr(bytes, '\n', length);
        if (!end || end - bytes < 2)
            return 0;
        keep(&exchange->its_banner, bytes, (size_t)(end - bytes) - 1);
        return (size_t)(end - bytes) + 1;
    }
    if (length < 6 || get32(bytes) > HEARD_MAX || get32(bytes) < bytes[4] + 2u ||
        length < 4 + get32(bytes))
        return 0;
    on_packet(exchange, bytes + 5, get32(bytes) - bytes[4] - 1);
    return 4 + get32(bytes);
}

void exchange_hear(struct exchange *exchange, const uint8_t *bytes, size_t length)
{
    size_t taken;

    if (length > HEARD_MAX - exchange->heard_length)
        length = HEARD_MAX - exchange->heard_length;
    if (length == 0 || exchange->its_newkeys)
        return;
    memcpy(exchange->heard + exchange->heard_length, bytes, length);
    exchange->heard_length += length;
    while (!exchange->its_newkeys && exchange->heard_length > 0 &&
           (taken = take_one(exchange, exchange->heard, exchange->heard_length)) > 0) {
        exchange->heard_length -= taken;
        memmove(exchange->heard, exchange->heard + taken, exchange->heard_length);
    }
}
