/*
 * The client that ssh_port plays: it sends whatever it is told to, framed and encrypted as RFC 4253
 * asks for, and believes everything that it is told.  It has one key of each kind, made of fixed
 * bytes.  Packets it can only write, once there are keys: answers are not read.
 */
#ifndef TESTS_SSH_CLIENT_H
#define TESTS_SSH_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "ssh_records.h"

#define CLIENT_WIRE_MAX (RECORD_MAX + 1024)

struct client;

struct client *client_new(void);
void client_free(struct client *client);

/* What the client sends for this record.  Returns its length in `wire`. */
size_t client_say(struct client *client, const struct record *record,
                  uint8_t wire[CLIENT_WIRE_MAX]);
/* What the server said. */
void client_hear(struct client *client, const uint8_t *bytes, size_t length);

/* Public parts: of the key exchange, and of the key that signs. */
void client_public(uint8_t exchange[32], uint8_t signing[32]);

#endif
