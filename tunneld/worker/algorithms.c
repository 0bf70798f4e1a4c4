/*
 * Which algorithms the hub offers.  The order is the hub's preference, but a client's own order
 * decides (RFC 4253, 7.1).  Of key exchanges there is one: the groups of diffie-hellman cost a
 * worker 15 to 100 ms for two numbers that a stranger has made up (CVE-2002-20001), so that 200
 * connections hold it until it is taken for stuck, and who has no curve25519 cannot read the
 * hub's Ed25519 key either; nobody can explain the parameters of the NIST curves.  Strict key
 * exchange (CVE-2023-48795) libssh adds by itself.
 */
#define _GNU_SOURCE
#include "worker/algorithms.h"

#include "ssh/mac.h"

#define KEY_EXCHANGES "curve25519-sha256,curve25519-sha256@libssh.org"
#define CIPHERS                                                                                    \
    "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,"                 \
    "aes128-ctr,aes192-ctr,aes256-ctr"
#define MACS "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com"
/* For clients that know no encrypt-then-MAC, such as libssh2 1.10 and Dropbear. */
#define LEGACY_MAC ",hmac-sha2-256"
#define USER_KEYS                                                                                  \
    "ssh-ed25519,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"              \
    "ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256"

#define RSA_BITS_MIN 3072

static const enum ssh_keytypes_e welcome[] = {
    SSH_KEYTYPE_ED25519,    SSH_KEYTYPE_SK_ED25519, SSH_KEYTYPE_ECDSA_P256, SSH_KEYTYPE_ECDSA_P384,
    SSH_KEYTYPE_ECDSA_P521, SSH_KEYTYPE_SK_ECDSA,   SSH_KEYTYPE_RSA,
};

bool algorithms_key_is_welcome(ssh_key key)
{
    for (size_t i = 0; i < sizeof welcome / sizeof *welcome; i++) {
        if (ssh_key_type(key) == welcome[i])
            return true;
    }
    return false;
}

static int set_options(ssh_bind bind)
{
    const bool off = false;
    const int rsa_bits = RSA_BITS_MIN;
    const struct {
        enum ssh_bind_options_e option;
        const void *value;
    } options[] = {
        {SSH_BIND_OPTIONS_PROCESS_CONFIG, &off},
        {SSH_BIND_OPTIONS_BANNER, "tunneld"},
        {SSH_BIND_OPTIONS_KEY_EXCHANGE, KEY_EXCHANGES},
        {SSH_BIND_OPTIONS_CIPHERS_C_S, CIPHERS},
        {SSH_BIND_OPTIONS_CIPHERS_S_C, CIPHERS},
        {SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES, USER_KEYS},
        {SSH_BIND_OPTIONS_RSA_MIN_SIZE, &rsa_bits},
    };

    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (ssh_bind_options_set(bind, options[i].option, options[i].value) != SSH_OK)
            return -1;
    }
    return 0;
}

int algorithms_offer_macs(ssh_bind bind, bool legacy_mac, struct fault *fault)
{
    const char *macs = legacy_mac ? MACS LEGACY_MAC : MACS;

    if (ssh_bind_options_set(bind, SSH_BIND_OPTIONS_HMAC_C_S, macs) == SSH_OK &&
        ssh_bind_options_set(bind, SSH_BIND_OPTIONS_HMAC_S_C, macs) == SSH_OK)
        return 0;
    return fault_set(fault, "libssh refuses an option: %s", ssh_get_error(bind));
}

int algorithms_bind(const char *pem, bool legacy_mac, ssh_bind *out, struct fault *fault)
{
    ssh_key key = NULL;
    ssh_bind bind;

    if (ssh_pki_import_privkey_base64(pem, NULL, NULL, NULL, &key) != SSH_OK)
        return fault_set(fault, "the host key is no private key that libssh can read");
    bind = ssh_bind_new();
    if (!bind) {
        ssh_key_free(key);
        return fault_set(fault, "out of memory for the host key");
    }
    /* Takes the key. */
    if (ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, key) != SSH_OK) {
        ssh_key_free(key);
        ssh_bind_free(bind);
        return fault_set(fault, "libssh does not take the host key");
    }
    if (set_options(bind) < 0) {
        fault_set(fault, "libssh refuses an option: %s", ssh_get_error(bind));
        ssh_bind_free(bind);
        return -1;
    }
    if (algorithms_offer_macs(bind, legacy_mac, fault) < 0) {
        ssh_bind_free(bind);
        return -1;
    }
    mac_prepare();
    *out = bind;
    return 0;
}
