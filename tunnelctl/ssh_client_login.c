/* Logging in with a private key, or with what an ssh-agent holds.  No other method is tried. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "tunnelctl/identity.h"
#include "tunnelctl/ssh_client_internal.h"

/* An agent may hold more keys than a server lets one try. */
#define AGENT_KEYS_MAX 16

#define RSA_FROM 0x010b00 /* libssh2 1.11.0: before, RSA means SHA-1, which no hub accepts */

static bool cannot_sign(const struct public_key *key)
{
    return strcmp(key->type, "ssh-rsa") == 0 && libssh2_version(RSA_FROM) == NULL;
}

static bool is_refusal(int result)
{
    return result == LIBSSH2_ERROR_AUTHENTICATION_FAILED ||
           result == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED ||
           result == LIBSSH2_ERROR_METHOD_NOT_SUPPORTED;
}

/* What libssh2 made of an answer, or of none. */
static enum outcome judge(struct ssh_client *client, int result, const char *user,
                          const char *with_what, struct fault *fault)
{
    if (result == 0)
        return DONE;
    if (!is_refusal(result))
        return ssh_client_lost(client, fault);
    fault_set(
        fault,
        "the hub refuses %s with %s; 'tunnelctl operator list' on the hub shows who may log in",
        user, with_what);
    return REFUSED;
}

static enum outcome login_with_file(struct ssh_client *client, const struct patience *patience,
                                    const char *user, const struct identity *identity,
                                    char print[FINGERPRINT_SIZE], struct fault *fault)
{
    int result;
    public_key_fingerprint(&identity->key, print);
    if (cannot_sign(&identity->key)) {
        fault_set(
            fault,
            "libssh2 %s signs with RSA keys as hubs do not accept it any more; use an Ed25519 "
            "key: ssh-keygen -t ed25519",
            libssh2_version(0));
        return REFUSED;
    }
    while ((result = libssh2_userauth_publickey_frommemory(
                client->ssh, user, strlen(user), NULL, 0, identity->text, identity->length,
                identity->passphrase)) == LIBSSH2_ERROR_EAGAIN) {
        enum outcome outcome = ssh_client_wait(client, patience, fault);
        if (outcome != DONE)
            return outcome;
    }
    if (result != 0 && !is_refusal(result) && identity->passphrase && !client->wire.ended) {
        fault_set(fault, "the passphrase does not open the key %s", print);
        return REFUSED;
    }
    return judge(client, result, user, print, fault);
}

static enum outcome try_agent_key(struct ssh_client *client, const struct patience *patience,
                                  const char *user, LIBSSH2_AGENT *agent,
                                  struct libssh2_agent_publickey *key, struct fault *fault)
{
    int result;
    while ((result = libssh2_agent_userauth(agent, user, key)) == LIBSSH2_ERROR_EAGAIN) {
        enum outcome outcome = ssh_client_wait(client, patience, fault);
        if (outcome != DONE)
            return outcome;
    }
    return judge(client, result, user, "the keys of the ssh-agent", fault);
}

static enum outcome try_agent_keys(struct ssh_client *client, const struct patience *patience,
                                   const char *user, LIBSSH2_AGENT *agent,
                                   char print[FINGERPRINT_SIZE], struct fault *fault)
{
    struct libssh2_agent_publickey *entry = NULL;
    struct public_key key;
    enum outcome outcome = REFUSED;
    fault_set(fault, "the ssh-agent holds no key that could be used; name one with --identity");
    for (int tried = 0; tried < AGENT_KEYS_MAX && outcome == REFUSED;) {
        if (libssh2_agent_get_identity(agent, &entry, entry) != 0)
            break;
        if (public_key_from_blob(entry->blob, entry->blob_len, &key, NULL) < 0 ||
            strncmp(key.type, "sk-", 3) == 0 || cannot_sign(&key))
            continue;
        public_key_fingerprint(&key, print);
        outcome = try_agent_key(client, patience, user, agent, entry, fault);
        tried++;
    }
    return outcome;
}

static enum outcome login_with_agent(struct ssh_client *client, const struct patience *patience,
                                     const char *user, char print[FINGERPRINT_SIZE],
                                     struct fault *fault)
{
    const char *socket = getenv("SSH_AUTH_SOCK");
    enum outcome outcome = REFUSED;
    if (!socket || !*socket) {
        fault_set(fault, "there is no key to log in with; name one with --identity, or start an "
                         "ssh-agent");
        return REFUSED;
    }
    LIBSSH2_AGENT *agent = libssh2_agent_init(client->ssh);
    if (!agent || libssh2_agent_connect(agent) != 0 || libssh2_agent_list_identities(agent) != 0)
        fault_set(fault, "the ssh-agent at %s does not answer; name a key with --identity", socket);
    else
        outcome = try_agent_keys(client, patience, user, agent, print, fault);
    if (agent) {
        (void)libssh2_agent_disconnect(agent);
        libssh2_agent_free(agent);
    }
    return outcome;
}

enum outcome ssh_client_login(struct ssh_client *client, uint64_t timeout_ms, const char *user,
                              const struct identity *identity, char print[FINGERPRINT_SIZE],
                              struct fault *fault)
{
    const struct patience patience = patience_of(timeout_ms, "log in");
    if (identity)
        return login_with_file(client, &patience, user, identity, print, fault);
    return login_with_agent(client, &patience, user, print, fault);
}
