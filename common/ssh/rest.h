/*
 * Memory given back by sessions at rest.  libssh keeps the four buffers of a session as large as
 * they ever were: 8 KiB after a login, some 400 KiB after a transfer.  Once little has moved for a
 * while, their pages go back to the kernel, and with them what the heap has to spare.  Between
 * rest.c and transport.c; nobody else includes this.
 */
#ifndef SSH_REST_H
#define SSH_REST_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stdint.h>

#define REST_AFTER_MS 20000       /* less than a keepalive: what wakes a session at rest */
#define REST_BYTES    (16u << 10) /* that are no traffic worth mentioning in that time */

/* Embedded in a transport; zeroed at first. */
struct rest {
    bool rested;   /* nothing to give back since */
    bool due;      /* in this turn */
    bool awaiting; /* a packet of the peer's */
    uint64_t since_ms, since_bytes, in_packets;
};

/* Pure: `bytes` have moved by now.  True once for each rest: little has moved for REST_AFTER_MS. */
bool rest_is_due(struct rest *rest, uint64_t bytes, uint64_t now_ms);

/* Around a session's turn, outside of libssh's callbacks; at its very end, what it has moved is
 * noted, so that the first keepalive after a transfer finds a session at rest. */
void rest_turn_begins(struct rest *rest, const struct ssh_counter_struct *bytes,
                      const struct ssh_counter_struct *packets, uint64_t now_ms);
void rest_turn_ends(struct rest *rest, ssh_session session,
                    const struct ssh_counter_struct *packets, uint64_t now_ms);
void rest_note(struct rest *rest, const struct ssh_counter_struct *bytes, uint64_t now_ms);

#endif
