/*
 * The calls by which libssh reaches its socket, for those sessions that carry streams: large reads,
 * no calls that only ask how the socket is, and a full socket is no error.  Between wire.c and
 * transport.c; nobody else includes this.
 */
#ifndef SSH_WIRE_H
#define SSH_WIRE_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire;

/* From now on what libssh asks of the session's socket is done here, on `descriptor`, a copy of it
 * that the caller owns and closes after wire_close, which comes before the session's end; `bytes`
 * is the session's counter.  NULL: out of memory, or built without; then libssh goes on asking the
 * kernel.  One thread only. */
struct wire *wire_open(ssh_session session, int descriptor, ssh_counter bytes);
void wire_close(struct wire *wire); /* NULL is nothing */

/* What the loop was told of the descriptor.  Until then the wire takes a short read or write for
 * the last one. */
void wire_note(struct wire *wire, bool readable, bool writable);
/* Bytes that were read, but libssh has not taken yet.  The kernel reports them no more. */
size_t wire_held(const struct wire *wire);
/* The same, with those that wait in libssh's own buffer, a packet in its hands among them. */
size_t wire_coming(const struct wire *wire);

/* Will more be written at once?  Then the kernel may wait for it before it sends what fills no
 * segment, at the latest until wire_push. */
void wire_expect_more(struct wire *wire, bool more);
/* The same for all that is written until wire_push. */
void wire_gather(struct wire *wire);
void wire_push(struct wire *wire);

/* ssh_channel_write, with one copy less where the socket takes the packet at once. */
int wire_write(struct wire *wire, ssh_channel channel, const void *bytes, uint32_t length);

#endif
