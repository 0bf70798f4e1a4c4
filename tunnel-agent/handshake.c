/*
 * Options and host key of the uplink's SSH session.  The host key is compared as a blob with the
 * pins of agent.yaml; known_hosts files play no part.  It authenticates nothing.
 */
#define _GNU_SOURCE
#include "handshake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "site_key.h"

#define CIPHERS                                                                                    \
    "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,"                 \
    "aes128-ctr,aes192-ctr,aes256-ctr"
#define MACS                "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com"
#define KEY_ALGORITHMS_SIZE 512

/* Every kind of host key that a pin can have: the pinned kinds are asked for first, the others
 * after them, so that a wrong host can be named by its fingerprint. */
static const struct {
    const char *type, *algorithms;
} KINDS[] = {
    {"ssh-ed25519", "ssh-ed25519"},
    {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"},
    {"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"},
    {"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"},
    {"ssh-rsa", "rsa-sha2-512,rsa-sha2-256"},
};
#define KIND_COUNT (sizeof KINDS / sizeof KINDS[0])

static bool kind_is_pinned(size_t kind, const struct text_list *host_keys)
{
    size_t length = strlen(KINDS[kind].type);
    for (size_t i = 0; i < host_keys->count; i++) {
        if (strncmp(host_keys->items[i], KINDS[kind].type, length) == 0 &&
            host_keys->items[i][length] == ' ')
            return true;
    }
    return false;
}

static void host_key_algorithms(const struct text_list *host_keys, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int pinned = 1; pinned >= 0; pinned--) {
        for (size_t i = 0; i < KIND_COUNT; i++) {
            if (kind_is_pinned(i, host_keys) != (pinned == 1))
                continue;
            int n = snprintf(text + used, size - used, "%s%s", used > 0 ? "," : "",
                             KINDS[i].algorithms);
            used += (size_t)n;
        }
    }
}

static int set_options(ssh_session session, int socket, const char *user,
                       const struct text_list *host_keys)
{
    char algorithms[KEY_ALGORITHMS_SIZE];
    host_key_algorithms(host_keys, algorithms, sizeof algorithms);
    bool off = false;
    int nodelay = 1, strict = 1;
    const struct {
        enum ssh_options_e option;
        const void *value;
    } options[] = {
        {SSH_OPTIONS_PROCESS_CONFIG, &off},
        {SSH_OPTIONS_SSH_DIR, "/nonexistent"},
        {SSH_OPTIONS_KNOWNHOSTS, "/dev/null"},
        {SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null"},
        {SSH_OPTIONS_STRICTHOSTKEYCHECK, &strict},
        {SSH_OPTIONS_HOST, "hub"},
        {SSH_OPTIONS_USER, user},
        {SSH_OPTIONS_FD, &socket},
        {SSH_OPTIONS_NODELAY, &nodelay},
        {SSH_OPTIONS_HOSTKEYS, algorithms},
        {SSH_OPTIONS_CIPHERS_C_S, CIPHERS},
        {SSH_OPTIONS_CIPHERS_S_C, CIPHERS},
        {SSH_OPTIONS_HMAC_C_S, MACS},
        {SSH_OPTIONS_HMAC_S_C, MACS},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (ssh_options_set(session, options[i].option, options[i].value) != SSH_OK)
            return -1;
    }
    return 0;
}

int handshake_new(int socket, const char *user, const struct text_list *host_keys, ssh_session *out,
                  struct fault *fault)
{
    ssh_session session = ssh_new();
    if (session == NULL)
        return fault_set(fault, "out of memory");
    if (set_options(session, socket, user, host_keys) != 0) {
        fault_set(fault, "libssh refuses an option: %s", ssh_get_error(session));
        ssh_free(session);
        return -1;
    }
    ssh_set_blocking(session, 0);
    *out = session;
    return 0;
}

/* Which pins there are, for the sentence about a wrong key. */
static void list_pins(const struct text_list *host_keys, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < host_keys->count && used < size; i++) {
        struct public_key pin = {0};
        char fingerprint[FINGERPRINT_SIZE];
        if (public_key_from_line(host_keys->items[i], &pin, NULL) != 0)
            continue;
        int n = snprintf(text + used, size - used, "%s%s", used > 0 ? " or " : "",
                         public_key_fingerprint(&pin, fingerprint));
        used += (size_t)n;
    }
}

static bool is_pinned(const struct public_key *key, const struct text_list *host_keys)
{
    for (size_t i = 0; i < host_keys->count; i++) {
        struct public_key pin = {0};
        if (public_key_from_line(host_keys->items[i], &pin, NULL) == 0 &&
            pin.length == key->length && memcmp(pin.blob, key->blob, key->length) == 0)
            return true;
    }
    return false;
}

static int received_key(ssh_session session, struct public_key *out, struct fault *fault)
{
    ssh_key key = NULL;
    if (ssh_get_server_publickey(session, &key) != SSH_OK)
        return fault_set(fault, "the hub showed no host key");
    int rc = site_key_public(key, out, fault);
    ssh_key_free(key);
    return rc;
}

static enum handshake_result check_host(ssh_session session, const struct text_list *host_keys,
                                        char seen[FINGERPRINT_SIZE], struct fault *fault)
{
    struct public_key received = {0};
    char pins[4 * FINGERPRINT_SIZE];
    if (received_key(session, &received, fault) != 0)
        return HANDSHAKE_WRONG_HOST;
    public_key_fingerprint(&received, seen);
    if (is_pinned(&received, host_keys))
        return HANDSHAKE_DONE;
    list_pins(host_keys, pins, sizeof pins);
    fault_set(fault,
              "wrong host key: expected %s, received %s; this is another machine than the keyfile "
              "names, or someone in between: ask the hub's operator before anything else",
              pins, seen);
    return HANDSHAKE_WRONG_HOST;
}

enum handshake_result handshake_step(ssh_session session, const struct text_list *host_keys,
                                     char seen[FINGERPRINT_SIZE], struct fault *fault)
{
    int rc = ssh_connect(session);
    /* Connecting makes the descriptor blocking again: libssh 0.10.6, ssh_socket_set_fd and after.
     */
    int descriptor = ssh_get_fd(session);
    int flags = descriptor >= 0 ? fcntl(descriptor, F_GETFL) : -1;
    if (flags >= 0 && (flags & O_NONBLOCK) == 0)
        (void)fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
    if (rc == SSH_AGAIN)
        return HANDSHAKE_WAIT;
    if (rc == SSH_OK)
        return check_host(session, host_keys, seen, fault);
    const char *error = ssh_get_error(session);
    fault_set(fault, "no SSH key exchange: %s", error[0] != '\0' ? error : "the peer closed");
    return HANDSHAKE_FAILED;
}
