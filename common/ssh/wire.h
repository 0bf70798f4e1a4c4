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
struct shortcut;

/* Something is to be pushed, now or later. */
typedef void wire_kick(void *owner);

/* From now on what libssh asks of the session's socket is done here, on `descriptor`, a copy of it
 * that the caller owns and closes after wire_close, which comes before the session's end; `bytes`
 * is the session's counter.  NULL: out of memory, or built without; then libssh goes on asking the
 * kernel.  One thread only. */
struct wire *wire_open(ssh_session session, int descriptor, ssh_counter bytes, wire_kick *kick,
                       void *owner);
void wire_close(struct wire *wire); /* NULL is nothing */

/* What the loop was told of the descriptor.  Until then the wire takes a short read or write for
 * the last one. */
void wire_note(struct wire *wire, bool readable, bool writable);
/* Bytes that were read, but libssh has not taken yet.  The kernel reports them no more. */
size_t wire_held(const struct wire *wire);
/* The same, with those that wait in libssh's own buffer, a packet in its hands among them. */
size_t wire_coming(const struct wire *wire);

/* Small packets stay here until wire_push.  Will more large ones be written at once?  Then the
 * kernel may wait for it before it sends what fills no segment, at the latest until wire_push. */
void wire_expect_more(struct wire *wire, bool more);
/* The same for all that is written until wire_push. */
void wire_gather(struct wire *wire);
/* The next packet, if it is small, may wait for one that may not. */
void wire_may_wait(struct wire *wire, bool may_wait);
/* What waits may not wait any more. */
void wire_hurry(struct wire *wire);
/* Sends; what may wait only if `all`.  False: something waits. */
bool wire_push(struct wire *wire, bool all);
/* Was something not sent that was to be?  It is with the next push. */
bool wire_is_full(const struct wire *wire);

/* Until it is called with NULL, libssh's small packets come here without libssh's asking for the
 * socket's leave, which costs a look at all channels of the session. */
void wire_enter(struct wire *wire);
/* For shortcut_out: one copy less where the socket takes a packet at once. */
const struct shortcut *wire_out(const struct wire *wire);

#endif
