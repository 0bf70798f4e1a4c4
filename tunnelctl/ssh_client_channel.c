/*
 * The channel to a granted port.  A read of libssh2 widens the window again, so it is called only
 * when somebody takes the bytes; receiving alone (pump) goes through the calls that wait for the
 * channel's end, which queue and widen nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "tunnelctl/ssh_client_internal.h"

#define KIND         "direct-tcpip"
#define WINDOW_BYTES (8u << 20)
#define PACKET_BYTES 32768u
/* Room for one packet of data and what libssh2 answers by itself meanwhile. */
#define WIRE_BUSY (WIRE_SIZE / 2)

/* --- opening ---------------------------------------------------------------------------------- */

static size_t put_number(uint8_t *at, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(number >> (24 - 8 * i));
    return 4;
}

static size_t put_string(uint8_t *at, const char *text)
{
    size_t length = strlen(text);
    (void)put_number(at, (uint32_t)length);
    memcpy(at + 4, text, length + 1); /* the NUL is overwritten by what follows */
    return 4 + length;
}

/* libssh2 has no place for the description of a failure (RFC 4254, 5.1): the hub says it in a debug
 * message before, else its kind remains. */
static enum outcome refused(struct ssh_client *client, struct fault *fault)
{
    char *text = NULL;
    (void)libssh2_session_last_error(client->ssh, &text, NULL, 0);
    fault_set(fault, "%s", *client->remark ? client->remark : text);
    return REFUSED;
}

enum outcome ssh_client_open(struct ssh_client *client, uint64_t timeout_ms, const char *host,
                             uint16_t port, struct fault *fault)
{
    const struct patience patience = patience_of(timeout_ms, "be connected");
    uint8_t message[NAME_SIZE + 64];
    if (strlen(host) >= NAME_SIZE) {
        fault_set(fault, "'%.64s...' is no site's name", host);
        return REFUSED;
    }
    size_t length = put_string(message, host);
    length += put_number(message + length, port);
    length += put_string(message + length, "127.0.0.1");
    length += put_number(message + length, 0);
    client->remark[0] = '\0';
    while (!(client->channel =
                 libssh2_channel_open_ex(client->ssh, KIND, strlen(KIND), WINDOW_BYTES,
                                         PACKET_BYTES, (const char *)message, (unsigned)length))) {
        int error = libssh2_session_last_errno(client->ssh);
        if (error == LIBSSH2_ERROR_CHANNEL_FAILURE)
            return refused(client, fault);
        if (error != LIBSSH2_ERROR_EAGAIN)
            return ssh_client_lost(client, fault);
        enum outcome outcome = ssh_client_wait(client, &patience, fault);
        if (outcome != DONE)
            return outcome;
    }
    return DONE;
}

/* --- moving ----------------------------------------------------------------------------------- */

enum outcome ssh_client_pump(struct ssh_client *client, struct fault *fault)
{
    int result = libssh2_channel_wait_eof(client->channel);
    if (result == 0)
        result = libssh2_channel_wait_closed(client->channel);
    if (result == 0)
        client->closed = true;
    return result == 0 || result == LIBSSH2_ERROR_EAGAIN ? DONE : ssh_client_lost(client, fault);
}

ssize_t ssh_client_read(struct ssh_client *client, void *bytes, size_t size, bool *ended,
                        struct fault *fault)
{
    ssize_t length = libssh2_channel_read_ex(client->channel, 0, bytes, size);
    *ended = length <= 0 && libssh2_channel_eof(client->channel) == 1;
    if (length > 0)
        return length;
    if (length == 0 || length == LIBSSH2_ERROR_EAGAIN || *ended)
        return 0;
    (void)ssh_client_lost(client, fault);
    return -1;
}

ssize_t ssh_client_write(struct ssh_client *client, const void *bytes, size_t length,
                         struct fault *fault)
{
    if (wire_waiting(&client->wire) > WIRE_BUSY)
        return 0;
    ssize_t written = libssh2_channel_write_ex(client->channel, 0, bytes, length);
    if (written >= 0)
        return written;
    if (written == LIBSSH2_ERROR_EAGAIN)
        return 0;
    if (written == LIBSSH2_ERROR_CHANNEL_CLOSED) {
        client->closed = true;
        return 0;
    }
    (void)ssh_client_lost(client, fault);
    return -1;
}

int ssh_client_end(struct ssh_client *client, struct fault *fault)
{
    int result = libssh2_channel_send_eof(client->channel);
    if (result == LIBSSH2_ERROR_EAGAIN)
        return 0;
    if (result == 0)
        return 1;
    (void)ssh_client_lost(client, fault);
    return -1;
}

bool ssh_client_closed(const struct ssh_client *client)
{
    return client->closed;
}

/* --- waiting ---------------------------------------------------------------------------------- */

enum outcome ssh_client_say(struct ssh_client *client, uint64_t timeout_ms, const void *bytes,
                            size_t length, struct fault *fault)
{
    const struct patience patience = patience_of(timeout_ms, "tell the target something");
    const uint8_t *at = bytes;
    enum outcome outcome = DONE;
    while (length > 0 && outcome == DONE) {
        ssize_t written = ssh_client_write(client, at, length, fault);
        if (written < 0)
            return UNREACHABLE;
        at += written;
        length -= (size_t)written;
        if (written == 0)
            outcome = ssh_client_wait(client, &patience, fault);
    }
    return outcome;
}

enum outcome ssh_client_hear(struct ssh_client *client, uint64_t timeout_ms, void *bytes,
                             size_t size, size_t *length, bool *ended, struct fault *fault)
{
    const struct patience patience = patience_of(timeout_ms, "hear the target");
    enum outcome outcome = DONE;
    *length = 0;
    while (outcome == DONE) {
        ssize_t heard = ssh_client_read(client, bytes, size, ended, fault);
        if (heard < 0)
            return UNREACHABLE;
        *length = (size_t)heard;
        if (heard > 0 || *ended)
            return DONE;
        outcome = ssh_client_wait(client, &patience, fault);
    }
    return client->wire.ended ? outcome : DONE;
}

/* Answers stay in libssh2's queue for ever, so this is for a silent hub only. */
void ssh_client_keepalive(struct ssh_client *client)
{
    int next_s;
    libssh2_keepalive_config(client->ssh, 1, 2);
    (void)libssh2_keepalive_send(client->ssh, &next_s);
}
