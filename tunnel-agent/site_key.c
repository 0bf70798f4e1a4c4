/*
 * Making, keeping and loading the site's key.  The private part passes through memory here and
 * nowhere else; it is wiped, and never logged or sent.
 */
#define _GNU_SOURCE
#include "site_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"

int site_key_make(const char *path, struct fault *fault)
{
    ssh_key key = NULL;
    char *text = NULL;
    if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK)
        return fault_set(fault, "cannot make an Ed25519 key");
    int rc = ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &text);
    ssh_key_free(key);
    if (rc != SSH_OK)
        return fault_set(fault, "cannot write down the new key: out of memory");
    rc = file_write(path, text, strlen(text), 0600, fault);
    secret_wipe(text, strlen(text));
    ssh_string_free_char(text);
    return rc;
}

int site_key_public(ssh_key key, struct public_key *out, struct fault *fault)
{
    char *text = NULL;
    uint8_t blob[PUBLIC_KEY_BLOB_MAX];
    if (ssh_pki_export_pubkey_base64(key, &text) != SSH_OK)
        return fault_set(fault, "the public part of a key cannot be read");
    long length = text_base64_decode(text, strlen(text), blob, sizeof blob);
    ssh_string_free_char(text);
    if (length < 0)
        return fault_set(fault, "a public key is longer than any that is accepted");
    return public_key_from_blob(blob, (size_t)length, out, fault);
}

int site_key_load(const char *path, ssh_key *key, struct public_key *public, struct fault *fault)
{
    char *text = NULL;
    size_t length = 0;
    if (file_read(path, SITE_KEY_MAX_BYTES, &text, &length, fault) != 0)
        return -1;
    ssh_key loaded = NULL;
    /* An encrypted key would ask for a passphrase on the terminal; "" makes it fail instead. */
    int rc = ssh_pki_import_privkey_base64(text, "", NULL, NULL, &loaded);
    secret_wipe(text, length);
    free(text);
    if (rc != SSH_OK)
        return fault_set(fault,
                         "%s is not a private key without passphrase; move it away and enrol with "
                         "a new keyfile",
                         path);
    if (public != NULL && site_key_public(loaded, public, fault) != 0) {
        ssh_key_free(loaded);
        return fault_prefix(fault, "%s", path);
    }
    *key = loaded;
    return 0;
}

int site_key_write_public(const char *path, const struct public_key *key, struct fault *fault)
{
    char line[PUBLIC_KEY_LINE_SIZE], text[PUBLIC_KEY_LINE_SIZE + 1];
    int length = snprintf(text, sizeof text, "%s\n", public_key_line(key, line));
    return file_write(path, text, (size_t)length, 0644, fault);
}
