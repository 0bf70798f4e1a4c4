/*
 * The session: libssh2 over a wire of our own, never blocking inside the library, waiting here.
 * With buffers on both sides no call of libssh2 1.10 ends half-way.  Logging in and the channel
 * stand in files of their own.
 */
#define _GNU_SOURCE
#include "tunnelctl/ssh_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "tunnelctl/ssh_client_internal.h"

/* Calls of session_free until libssh2 believes that nothing more will come. */
#define FREE_TRIES 100
#define NAMES_SIZE 512 /* of a list of algorithms */

/* The fastest first.  The hub's host key is an Ed25519 key. */
#define KEY_EXCHANGES                                                                              \
    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"        \
    "ecdh-sha2-nistp521,diffie-hellman-group16-sha512"
#define CIPHERS "aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes256-ctr"
#define MACS    "hmac-sha2-256-etm@openssh.com,hmac-sha2-256,hmac-sha2-512"

static const struct {
    int method;
    const char *names;
} preferences[] = {
    {LIBSSH2_METHOD_KEX, KEY_EXCHANGES}, {LIBSSH2_METHOD_HOSTKEY, "ssh-ed25519"},
    {LIBSSH2_METHOD_CRYPT_CS, CIPHERS},  {LIBSSH2_METHOD_CRYPT_SC, CIPHERS},
    {LIBSSH2_METHOD_MAC_CS, MACS},       {LIBSSH2_METHOD_MAC_SC, MACS},
};

/* --- what libssh2 calls ----------------------------------------------------------------------- */

/* The library talks to an ssh-agent through the same callbacks, over another socket. */
static LIBSSH2_SEND_FUNC(on_send)
{
    struct ssh_client *client = *abstract;
    if (socket == client->wire.socket)
        return client->freeing ? (ssize_t)length : wire_put(&client->wire, buffer, length);
    ssize_t sent = send(socket, buffer, length, flags | MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

static LIBSSH2_RECV_FUNC(on_receive)
{
    struct ssh_client *client = *abstract;
    if (socket == client->wire.socket)
        return client->freeing ? -ECONNRESET : wire_take(&client->wire, buffer, length);
    ssize_t received = recv(socket, buffer, length, flags);
    return received < 0 ? -errno : received;
}

static void take_remark(struct ssh_client *client, const char *message, int length)
{
    if (message && length > 0)
        snprintf(client->remark, sizeof(client->remark), "%.*s", length, message);
}

static LIBSSH2_DEBUG_FUNC(on_debug)
{
    (void)session, (void)language, (void)language_len;
    if (always_display) /* the others are for those who search for faults in the server */
        take_remark(*abstract, message, message_len);
}

static LIBSSH2_DISCONNECT_FUNC(on_disconnect)
{
    (void)session, (void)reason, (void)language, (void)language_len;
    take_remark(*abstract, message, message_len);
}

static void set_callback(LIBSSH2_SESSION *ssh, int which, void (*function)(void))
{
#if LIBSSH2_VERSION_NUM >= 0x010b01
    (void)libssh2_session_callback_set2(ssh, which, function);
#else
    void *pointer;
    memcpy(&pointer, &function, sizeof(pointer));
    (void)libssh2_session_callback_set(ssh, which, pointer);
#endif
}

/* --- algorithms ------------------------------------------------------------------------------- */

static bool knows(const char *const *known, int count, const char *name, size_t length)
{
    for (int i = 0; i < count; i++)
        if (strlen(known[i]) == length && memcmp(known[i], name, length) == 0)
            return true;
    return false;
}

/* libssh2 1.10 drops names that it does not know with an overlapping memcpy: it gets none. */
static int prefer(LIBSSH2_SESSION *ssh, int method, const char *names, struct fault *fault)
{
    char list[NAMES_SIZE] = "";
    const char **known = NULL;
    int count = libssh2_session_supported_algs(ssh, method, &known);
    size_t used = 0;
    for (const char *name = names; count > 0 && *name;) {
        size_t length = strcspn(name, ",");
        if (knows(known, count, name, length))
            used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%.*s", used ? "," : "",
                                     (int)length, name);
        name += length + (name[length] == ',');
    }
    if (count > 0)
        libssh2_free(ssh, known);
    if (used == 0 || libssh2_session_method_pref(ssh, method, list) != 0)
        return fault_set(fault, "libssh2 %s knows none of %s", libssh2_version(0), names);
    return 0;
}

/* --- life ------------------------------------------------------------------------------------- */

static int set_up(struct ssh_client *client, struct fault *fault)
{
    client->ssh = libssh2_session_init_ex(NULL, NULL, NULL, client);
    if (!client->ssh)
        return fault_set(fault, "out of memory");
    libssh2_session_set_blocking(client->ssh, 0);
    set_callback(client->ssh, LIBSSH2_CALLBACK_SEND, (void (*)(void))on_send);
    set_callback(client->ssh, LIBSSH2_CALLBACK_RECV, (void (*)(void))on_receive);
    set_callback(client->ssh, LIBSSH2_CALLBACK_DEBUG, (void (*)(void))on_debug);
    set_callback(client->ssh, LIBSSH2_CALLBACK_DISCONNECT, (void (*)(void))on_disconnect);
    for (size_t i = 0; i < sizeof(preferences) / sizeof(*preferences); i++)
        if (prefer(client->ssh, preferences[i].method, preferences[i].names, fault) < 0)
            return -1;
    return 0;
}

int ssh_client_new(int socket, struct ssh_client **out, struct fault *fault)
{
    struct ssh_client *client = calloc(1, sizeof(*client));
    if (!client) {
        struct wire wire = {.socket = socket};
        wire_release(&wire);
        return fault_set(fault, "out of memory");
    }
    if (wire_init(&client->wire, socket, fault) < 0 || set_up(client, fault) < 0) {
        ssh_client_free(client);
        return -1;
    }
    *out = client;
    return 0;
}

void ssh_client_free(struct ssh_client *client)
{
    if (!client)
        return;
    if (client->ssh) {
        (void)libssh2_session_disconnect(client->ssh, "done");
        wire_flush(&client->wire);
        client->freeing = true;
        for (int i = 0;
             i < FREE_TRIES && libssh2_session_free(client->ssh) == LIBSSH2_ERROR_EAGAIN;)
            i++;
    }
    wire_release(&client->wire);
    free(client);
}

struct wire *ssh_client_wire(struct ssh_client *client)
{
    return &client->wire;
}

/* --- waiting ---------------------------------------------------------------------------------- */

struct patience patience_of(uint64_t timeout_ms, const char *doing)
{
    return (struct patience){clock_monotonic_ms() + timeout_ms, timeout_ms, doing};
}

enum outcome ssh_client_lost(struct ssh_client *client, struct fault *fault)
{
    char *text = NULL;
    const char *reason = client->remark;
    if (!*reason && client->wire.ended)
        reason = wire_reason(&client->wire);
    else if (!*reason && libssh2_session_last_error(client->ssh, &text, NULL, 0) && text)
        reason = text;
    fault_set(fault, "the connection to the hub is lost: %s",
              *reason ? reason : "it does not speak SSH as it should");
    return UNREACHABLE;
}

enum outcome ssh_client_wait(struct ssh_client *client, const struct patience *patience,
                             struct fault *fault)
{
    struct wire *wire = &client->wire;
    uint64_t now = clock_monotonic_ms();
    wire_flush(wire);
    if (wire->ended)
        return ssh_client_lost(client, fault);
    if (now >= patience->end_ms) {
        fault_set(fault, "the hub does not answer: waited %llu s to %s",
                  (unsigned long long)(patience->timeout_ms / 1000), patience->doing);
        return UNREACHABLE;
    }
    struct pollfd polled = {.fd = wire->socket,
                            .events = (short)(POLLIN | (wire_waiting(wire) ? POLLOUT : 0))};
    (void)poll(&polled, 1, (int)(patience->end_ms - now));
    return DONE;
}

/* --- the handshake ---------------------------------------------------------------------------- */

enum outcome ssh_client_handshake(struct ssh_client *client, uint64_t timeout_ms,
                                  struct public_key *host_key, struct fault *fault)
{
    const struct patience patience = patience_of(timeout_ms, "exchange keys");
    size_t length = 0;
    int type, result;
    while ((result = libssh2_session_handshake(client->ssh, client->wire.socket)) ==
           LIBSSH2_ERROR_EAGAIN) {
        enum outcome outcome = ssh_client_wait(client, &patience, fault);
        if (outcome != DONE)
            return outcome;
    }
    if (result != 0)
        return ssh_client_lost(client, fault);
    const char *blob = libssh2_session_hostkey(client->ssh, &length, &type);
    if (!blob || public_key_from_blob(blob, length, host_key, fault) < 0) {
        fault_prefix(fault, "the hub's host key");
        return REFUSED;
    }
    return DONE;
}
