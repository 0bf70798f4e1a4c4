/*
 * Public keys: taking a blob apart to see that it is whole and of an accepted type, and writing
 * it as line and fingerprint.  No signature is checked and no point is put on its curve here.
 */
#define _GNU_SOURCE
#include "keys/public_key.h"

#include <openssl/sha.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define RSA_BITS_MIN 3072
#define RSA_BITS_MAX 16384
#define ADVICE       "make one with ssh-keygen -t ed25519"

/* The rest of a blob that is still to be read (RFC 4251, 5). */
struct cursor {
    const uint8_t *bytes;
    size_t left;
};

struct string {
    const uint8_t *bytes;
    size_t length;
};

struct key_type {
    const char *name;
    unsigned bits;
    const char *curve;   /* ECDSA: the name that must follow */
    size_t point_length; /* bytes of the point; 0: RSA */
    bool application;    /* a security key's (sk-) blob ends with this string */
};

static const struct key_type key_types[] = {
    {"ssh-ed25519", 256, NULL, 32, false},
    {"ecdsa-sha2-nistp256", 256, "nistp256", 65, false},
    {"ecdsa-sha2-nistp384", 384, "nistp384", 97, false},
    {"ecdsa-sha2-nistp521", 521, "nistp521", 133, false},
    {"sk-ssh-ed25519@openssh.com", 256, NULL, 32, true},
    {"sk-ecdsa-sha2-nistp256@openssh.com", 256, "nistp256", 65, true},
    {"ssh-rsa", 0, NULL, 0, false},
};

static const struct key_type *find_type(const char *name)
{
    for (size_t i = 0; i < sizeof key_types / sizeof key_types[0]; i++)
        if (strcmp(key_types[i].name, name) == 0)
            return &key_types[i];
    return NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    size_t end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static int refuse_type(const char *name, struct fault *fault)
{
    if (ends_with(name, "-cert-v01@openssh.com"))
        return fault_set(fault, "certificates (%s) are not accepted; use the plain public key",
                         name);
    if (strcmp(name, "ssh-dss") == 0)
        return fault_set(fault, "DSA keys are too weak to be accepted; " ADVICE);
    return fault_set(fault, "keys of type '%s' are not accepted; " ADVICE, name);
}

static int damaged(struct fault *fault)
{
    return fault_set(fault, "the public key is damaged; copy it again");
}

static bool read_string(struct cursor *cursor, struct string *out)
{
    if (cursor->left < 4)
        return false;
    const uint8_t *at = cursor->bytes;
    size_t length = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
    if (length > cursor->left - 4)
        return false;
    *out = (struct string){at + 4, length};
    cursor->bytes += 4 + length;
    cursor->left -= 4 + length;
    return true;
}

static bool string_is(const struct string *string, const char *text)
{
    return string->length == strlen(text) && memcmp(string->bytes, text, string->length) == 0;
}

/* The bits of a positive number in its one right spelling (RFC 4251, mpint); 0 otherwise. */
static unsigned mpint_bits(const struct string *number)
{
    const uint8_t *bytes = number->bytes;
    size_t length = number->length;
    if (length == 0 || (bytes[0] & 0x80) != 0 || length > RSA_BITS_MAX / 8 + 1)
        return 0;
    if (bytes[0] == 0) {
        if (length == 1 || (bytes[1] & 0x80) == 0)
            return 0;
        bytes++;
        length--;
    }
    unsigned bits = (unsigned)(length - 1) * 8;
    for (unsigned top = bytes[0]; top != 0; top >>= 1)
        bits++;
    return bits;
}

static int read_rsa(struct cursor *cursor, unsigned *bits, struct fault *fault)
{
    struct string exponent;
    struct string modulus;
    if (!read_string(cursor, &exponent) || !read_string(cursor, &modulus) || cursor->left != 0)
        return damaged(fault);
    unsigned size = mpint_bits(&modulus);
    if (mpint_bits(&exponent) < 2 || size == 0)
        return damaged(fault);
    if (size < RSA_BITS_MIN || size > RSA_BITS_MAX)
        return fault_set(fault, "an RSA key of %u bits is not accepted, from %d to %d are; " ADVICE,
                         size, RSA_BITS_MIN, RSA_BITS_MAX);
    *bits = size;
    return 0;
}

static int read_point(struct cursor *cursor, const struct key_type *type, struct fault *fault)
{
    struct string string;
    if (type->curve != NULL && (!read_string(cursor, &string) || !string_is(&string, type->curve)))
        return damaged(fault);
    if (!read_string(cursor, &string) || string.length != type->point_length)
        return damaged(fault);
    /* SEC 1, 2.3.3: 4 says that the point is not compressed (RFC 5656, 3.1). */
    if (type->curve != NULL && string.bytes[0] != 4)
        return damaged(fault);
    if (type->application && (!read_string(cursor, &string) || string.length == 0))
        return damaged(fault);
    return cursor->left == 0 ? 0 : damaged(fault);
}

int public_key_from_blob(const void *blob, size_t length, struct public_key *out,
                         struct fault *fault)
{
    struct cursor cursor = {blob, length};
    struct string type_name;
    char name[PUBLIC_KEY_TYPE_SIZE];
    if (!read_string(&cursor, &type_name) || type_name.length == 0 ||
        type_name.length >= sizeof name || memchr(type_name.bytes, 0, type_name.length) != NULL)
        return damaged(fault);
    memcpy(name, type_name.bytes, type_name.length);
    name[type_name.length] = '\0';
    const struct key_type *type = find_type(name);
    if (type == NULL)
        return refuse_type(name, fault);
    if (length > PUBLIC_KEY_BLOB_MAX)
        return fault_set(fault, "the public key has %zu bytes, at most %d are accepted; " ADVICE,
                         length, PUBLIC_KEY_BLOB_MAX);
    unsigned bits = type->bits;
    int result =
        type->point_length > 0 ? read_point(&cursor, type, fault) : read_rsa(&cursor, &bits, fault);
    if (result != 0)
        return -1;
    memcpy(out->type, name, type_name.length + 1);
    out->bits = bits;
    out->length = length;
    memcpy(out->blob, blob, length);
    return 0;
}

int public_key_from_line(const char *line, struct public_key *out, struct fault *fault)
{
    static const char blanks[] = " \t";
    static const char ends[] = " \t\r\n";
    line += strspn(line, blanks);
    if (strncmp(line, "-----BEGIN", 10) == 0)
        return fault_set(fault, "this is not an OpenSSH public key but a PEM block, perhaps a "
                                "private key; use the .pub file");
    size_t type_length = strcspn(line, ends);
    const char *base64 = line + type_length + strspn(line + type_length, blanks);
    size_t base64_length = strcspn(base64, ends);
    char name[PUBLIC_KEY_TYPE_SIZE];
    if (type_length == 0 || type_length >= sizeof name || base64_length == 0)
        return fault_set(fault, "this is not a public key line, which is TYPE BASE64 [COMMENT]");
    memcpy(name, line, type_length);
    name[type_length] = '\0';
    if (find_type(name) == NULL)
        return refuse_type(name, fault);
    uint8_t blob[PUBLIC_KEY_BLOB_MAX];
    long length = text_base64_decode(base64, base64_length, blob, sizeof blob);
    if (length < 0)
        return damaged(fault);
    struct cursor cursor = {blob, (size_t)length};
    struct string type_name;
    if (!read_string(&cursor, &type_name) || !string_is(&type_name, name))
        return damaged(fault);
    return public_key_from_blob(blob, (size_t)length, out, fault);
}

char *public_key_line(const struct public_key *key, char *line)
{
    size_t length = strlen(key->type);
    memcpy(line, key->type, length);
    line[length] = ' ';
    text_base64_encode(key->blob, key->length, line + length + 1);
    return line;
}

char *public_key_fingerprint(const struct public_key *key, char text[FINGERPRINT_SIZE])
{
    uint8_t digest[32];
    char base64[45]; /* 43 characters, '=', NUL */
    digest_sha256(key->blob, key->length, digest);
    text_base64_encode(digest, sizeof digest, base64);
    snprintf(text, FINGERPRINT_SIZE, "SHA256:%.43s", base64);
    return text;
}

void digest_sha256(const void *data, size_t length, uint8_t digest[32])
{
    SHA256(data, length, digest);
}
