/*
 * Copies that libssh need not make of what it relays.  A packet's bytes pass through a buffer on
 * their way out to the socket, and through another on their way to a channel's reader; where such a
 * buffer is empty, they may go on at once.  Between shortcut.c, wire.c, flow.c and transport.c;
 * nobody else includes this.
 */
#ifndef SSH_SHORTCUT_H
#define SSH_SHORTCUT_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHORTCUT_BYTES 4096u /* fewer are not worth it */

struct shortcut {
    ssh_buffer past; /* the buffer, borrowed from libssh; NULL: none */
    /* Returns how many of the bytes it took; the rest is put in the buffer.  Called from within
     * libssh, which it must not enter. */
    size_t (*take)(void *owner, const void *bytes, size_t length);
    void *owner;
};

/* Is this a libssh whose buffers may be gone past? */
bool shortcut_is_known(void);
/* The buffers between a session and its socket, and between a channel and its reader; NULL: not
 * known, as with a libssh that nobody has looked at.  They live as long as session and channel. */
void shortcut_of_session(ssh_session session, ssh_buffer *received, ssh_buffer *to_send);
/* Does and returns what ssh_channel_poll does. */
int shortcut_of_channel(ssh_channel channel, ssh_buffer *past);

/* Used while a channel is written to, and while packets are read; NULL ends it. */
void shortcut_out(const struct shortcut *shortcut);
/* The same for the small packets that libssh writes of its own accord. */
void shortcut_small(const struct shortcut *shortcut);
void shortcut_in(struct shortcut *shortcut);

#endif
