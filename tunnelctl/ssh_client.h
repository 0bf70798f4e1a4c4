/*
 * An SSH session to the hub as an operator, with one channel to a granted port.  The only files
 * that see libssh2 are ssh_client*.c.
 *
 * Steps in this order: handshake, login, open; each waits for at most its time.  Then read, write
 * and end never wait: 0 means "not now", and ssh_client_wire tells what to poll for.  Outcomes:
 * REFUSED is the hub's no, UNREACHABLE a hub that is gone or silent.
 */
#ifndef TUNNELCTL_SSH_CLIENT_H
#define TUNNELCTL_SSH_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "keys/public_key.h"
#include "tunnelctl/outcome.h"

#define SSH_CLIENT_WRITE_MAX 32700 /* what libssh2 takes in one packet */

struct identity;
struct ssh_client;
struct wire;

/* Takes the socket, also when it fails. */
int ssh_client_new(int socket, struct ssh_client **out, struct fault *fault) MUST_CHECK;
/* Says goodbye, without waiting.  NULL is fine. */
void ssh_client_free(struct ssh_client *client);

/* Nothing about the host key is decided here. */
enum outcome ssh_client_handshake(struct ssh_client *client, uint64_t timeout_ms,
                                  struct public_key *host_key, struct fault *fault) MUST_CHECK;
/* With the identity, or without one with the keys of the agent at $SSH_AUTH_SOCK; `print` gets the
 * fingerprint of the key that was accepted. */
enum outcome ssh_client_login(struct ssh_client *client, uint64_t timeout_ms, const char *user,
                              const struct identity *identity, char print[FINGERPRINT_SIZE],
                              struct fault *fault) MUST_CHECK;
/* Refused, the fault is the hub's reason alone. */
enum outcome ssh_client_open(struct ssh_client *client, uint64_t timeout_ms, const char *host,
                             uint16_t port, struct fault *fault) MUST_CHECK;

/* Receives what is there without handing any of it out; the window bounds it. */
enum outcome ssh_client_pump(struct ssh_client *client, struct fault *fault) MUST_CHECK;
/* Bytes of the target; 0: none now, or *ended; -1: lost. */
ssize_t ssh_client_read(struct ssh_client *client, void *bytes, size_t size, bool *ended,
                        struct fault *fault) MUST_CHECK;
/* Bytes taken for the target, or 0, after which the same bytes must be offered again; -1: lost. */
ssize_t ssh_client_write(struct ssh_client *client, const void *bytes, size_t length,
                         struct fault *fault) MUST_CHECK;
/* No more will be written: 1 done, 0 ask again, -1 lost. */
int ssh_client_end(struct ssh_client *client, struct fault *fault) MUST_CHECK;
/* The hub has closed the channel: nothing more can be written. */
bool ssh_client_closed(const struct ssh_client *client);

/* For those who may wait.  All of it is written; and what comes next, at most `size`: *length is 0
 * when the time is over or the target *ended. */
enum outcome ssh_client_say(struct ssh_client *client, uint64_t timeout_ms, const void *bytes,
                            size_t length, struct fault *fault) MUST_CHECK;
enum outcome ssh_client_hear(struct ssh_client *client, uint64_t timeout_ms, void *bytes,
                             size_t size, size_t *length, bool *ended,
                             struct fault *fault) MUST_CHECK;

/* Asks for a sign of life; any answer counts as heard. */
void ssh_client_keepalive(struct ssh_client *client);
struct wire *ssh_client_wire(struct ssh_client *client);

#endif
