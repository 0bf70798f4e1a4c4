/*
 * Reading a private key far enough to say what is wrong with it, and which public key it has
 * (openssh-key-v1, as PROTOCOL.key in OpenSSH's source describes it).  The secret part is for the
 * SSH library.
 */
#define _GNU_SOURCE
#include "tunnelctl/identity.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "tunnelctl/passphrase.h"

#define FILE_MAX (64u << 10)
#define BEGIN    "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END      "-----END OPENSSH PRIVATE KEY-----"
#define MAGIC    "openssh-key-v1" /* with its NUL */

struct field {
    const uint8_t *bytes;
    size_t length;
};

/* A length of 4 bytes, and so many bytes. */
static bool take_field(struct field *rest, struct field *out)
{
    if (rest->length < 4)
        return false;
    const uint8_t *at = rest->bytes;
    size_t length = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
    if (length > rest->length - 4)
        return false;
    *out = (struct field){at + 4, length};
    *rest = (struct field){at + 4 + length, rest->length - 4 - length};
    return true;
}

static int parse_blob(const uint8_t *blob, size_t length, struct public_key *key, bool *encrypted,
                      struct fault *fault)
{
    static const char damaged[] = "the private key is damaged; copy it again";
    struct field rest = {blob, length}, cipher, method, options, public;
    if (length < sizeof(MAGIC) || memcmp(blob, MAGIC, sizeof(MAGIC)) != 0)
        return fault_set(fault, damaged);
    rest = (struct field){blob + sizeof(MAGIC), length - sizeof(MAGIC)};
    if (!take_field(&rest, &cipher) || !take_field(&rest, &method) ||
        !take_field(&rest, &options) || rest.length < 4)
        return fault_set(fault, damaged);
    rest = (struct field){rest.bytes + 4, rest.length - 4}; /* the count of keys: 1 */
    if (!take_field(&rest, &public))
        return fault_set(fault, damaged);
    *encrypted = cipher.length != 4 || memcmp(cipher.bytes, "none", 4) != 0;
    if (public_key_from_blob(public.bytes, public.length, key, fault) < 0)
        return -1;
    if (strncmp(key->type, "sk-", 3) == 0)
        return fault_set(fault, "the key is on a security key, which only ssh can use here; use "
                                "ssh -W SITE:PORT");
    return 0;
}

static int wrong_format(const char *text, struct fault *fault)
{
    if (strncmp(text, "ssh-", 4) == 0 || strncmp(text, "ecdsa-", 6) == 0)
        return fault_set(fault, "that is a public key; name the private one");
    if (strstr(text, "PRIVATE KEY-----"))
        return fault_set(fault, "the key is not in OpenSSH's format; convert it with: ssh-keygen "
                                "-p -f FILE");
    return fault_set(fault, "that is no private key; make one with: ssh-keygen -t ed25519");
}

int identity_parse(const char *text, struct public_key *key, bool *encrypted, struct fault *fault)
{
    const char *begin = strstr(text, BEGIN),
               *end = begin ? strstr(begin + strlen(BEGIN), END) : NULL;
    if (!end)
        return wrong_format(text, fault);
    begin += strlen(BEGIN);
    size_t room = (size_t)(end - begin), length = 0;
    char *base64 = malloc(room + 1);
    uint8_t *blob = malloc(room + 1);
    int result = -1;
    if (base64 && blob) {
        for (const char *c = begin; c < end; c++)
            if (!strchr(" \t\r\n", *c))
                base64[length++] = *c;
        long decoded = text_base64_decode(base64, length, blob, room);
        result = parse_blob(blob, decoded > 0 ? (size_t)decoded : 0, key, encrypted, fault);
    } else {
        fault_set(fault, "out of memory");
    }
    if (base64)
        secret_wipe(base64, room + 1);
    if (blob)
        secret_wipe(blob, room + 1);
    free(base64);
    free(blob);
    return result;
}

static int ask_passphrase(const char *path, struct identity *identity, struct fault *fault)
{
    char question[PATH_MAX + 32];
    identity->passphrase = calloc(1, PASSPHRASE_SIZE);
    if (!identity->passphrase)
        return fault_set(fault, "out of memory");
    (void)snprintf(question, sizeof(question), "Passphrase of %s: ", path);
    if (passphrase_ask(question, identity->passphrase, fault) == 0)
        return 0;
    return fault_set(fault,
                     "the key is encrypted, and %s; give it to an ssh-agent with ssh-add, and "
                     "leave --identity out",
                     fault->text);
}

int identity_read(const char *path, struct identity *out, struct fault *fault)
{
    struct identity identity = {.text = NULL};
    struct stat status;
    bool encrypted = false;
    if (file_read(path, FILE_MAX, &identity.text, &identity.length, fault) < 0)
        return fault_prefix(fault, "--identity");
    int result = 0;
    if (stat(path, &status) == 0 && (status.st_mode & 077) != 0)
        result =
            fault_set(fault, "others may read it (mode %03o); make it private with: chmod 600 %s",
                      (unsigned)status.st_mode & 0777, path);
    else if (strlen(identity.text) != identity.length)
        result = fault_set(fault, "that is no private key; make one with: ssh-keygen -t ed25519");
    else
        result = identity_parse(identity.text, &identity.key, &encrypted, fault);
    if (result == 0 && encrypted)
        result = ask_passphrase(path, &identity, fault);
    if (result == 0) {
        *out = identity;
        return 0;
    }
    identity_release(&identity);
    return fault_prefix(fault, "--identity %s", path);
}

void identity_release(struct identity *identity)
{
    if (identity->text)
        secret_wipe(identity->text, identity->length);
    free(identity->text);
    if (identity->passphrase)
        secret_wipe(identity->passphrase, PASSPHRASE_SIZE);
    free(identity->passphrase);
    *identity = (struct identity){.text = NULL};
}
