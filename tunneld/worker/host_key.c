/*
 * Makes the hub's host keys and says which public part a private one has.  It stands in this room
 * because libssh knows the format; it runs in the parent, which talks to nobody with it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <libssh/libssh.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/secret.h"
#include "worker/worker.h"

#define PATH_SIZE     4096
#define PUB_LINE_SIZE 256

static int must_not_exist(const char *path, struct fault *fault)
{
    struct stat info;

    if (lstat(path, &info) < 0 && errno == ENOENT)
        return 0;
    return fault_set(fault, "%s exists already and is not replaced", path);
}

static int write_private(const char *path, ssh_key key, struct fault *fault)
{
    char *pem = NULL;
    int code;

    if (ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &pem) != SSH_OK)
        return fault_set(fault, "cannot write out the new host key");
    code = file_write(path, pem, strlen(pem), 0600, fault);
    secret_wipe(pem, strlen(pem));
    ssh_string_free_char(pem);
    return code;
}

static int write_public(const char *path, ssh_key key, struct fault *fault)
{
    char line[PUB_LINE_SIZE], *base64 = NULL;
    int length;

    if (ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK)
        return fault_set(fault, "cannot write out the new host key's public part");
    length = snprintf(line, sizeof line, "ssh-ed25519 %s\n", base64);
    ssh_string_free_char(base64);
    return file_write(path, line, (size_t)length, 0644, fault);
}

int host_key_generate(const char *path, struct fault *fault)
{
    char public_path[PATH_SIZE];
    ssh_key key = NULL;
    int code = -1;

    if (snprintf(public_path, sizeof public_path, "%s.pub", path) >= (int)sizeof public_path)
        return fault_set(fault, "%s is too long a path", path);
    if (must_not_exist(path, fault) < 0 || must_not_exist(public_path, fault) < 0)
        return -1;
    if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK)
        return fault_set(fault, "cannot make a host key: out of memory or of random numbers");
    /* The public part last: where it is, the private part is whole. */
    if (write_private(path, key, fault) == 0)
        code = write_public(public_path, key, fault);
    ssh_key_free(key);
    return code;
}

int host_key_public(const char *pem, char *line, struct fault *fault)
{
    ssh_key key = NULL;
    char *base64 = NULL;
    int length = -1;

    /* An encrypted key would ask for a passphrase on the terminal; "" makes it fail instead. */
    if (ssh_pki_import_privkey_base64(pem, "", NULL, NULL, &key) != SSH_OK)
        return fault_set(fault, "not a private key without passphrase");
    if (ssh_pki_export_pubkey_base64(key, &base64) == SSH_OK)
        length = snprintf(line, HOST_KEY_LINE_SIZE, "%s %s",
                          ssh_key_type_to_char(ssh_key_type(key)), base64);
    ssh_string_free_char(base64);
    ssh_key_free(key);
    if (length < 0 || length >= HOST_KEY_LINE_SIZE)
        return fault_set(fault, "its public part cannot be read");
    return 0;
}
