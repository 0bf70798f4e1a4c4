/*
 * Writing to a channel.  Its peer has said how large a packet may be (RFC 4254, 5.1), and may have
 * said ten bytes: so much is a packet's header, and libssh 0.10 sends empty packets without end,
 * into a buffer that grows.  With eleven bytes it is a packet for each byte, each encrypted by
 * itself.  libssh does not tell what the peer has said; but it shows each part of what it writes to
 * ssh_buffer_add_data (shortcut.c), before it is sent.
 *
 * Built with TUNNEL_WIRE off, nobody looks at the parts.
 */
#define _GNU_SOURCE
#include "ssh/writing.h"

#include <stddef.h>

#include "ssh/stream_internal.h"

#define NARROWEST                                                                                  \
    256 /* bytes that a packet must be able to carry: known peers take 16 KiB and more */

/* Other threads have none. */
static _Thread_local struct {
    const uint8_t *next, *end; /* what libssh has not cut off yet; NULL: nothing is being written */
    bool narrow;
} writing;

bool writing_is_narrow(const void *bytes, uint32_t length)
{
    if (!writing.next || bytes != writing.next)
        return false;
    size_t left = (size_t)(writing.end - writing.next);
    writing.narrow = length < NARROWEST && length < left;
    writing.next += length < left ? length : left;
    return writing.narrow;
}

int transport_write(struct transport *transport, ssh_channel channel, enum channel_data type,
                    const void *bytes, uint32_t length)
{
    uint32_t window = ssh_channel_window_size(channel);
    int taken;

    if (window == 0)
        return 0;
    length = length < window ? length : window;
    writing.next = bytes;
    writing.end = writing.next + length;
    writing.narrow = false;
    shortcut_out(wire_out(transport->wire));
    taken = type == CHANNEL_STDERR ? ssh_channel_write_stderr(channel, bytes, length)
                                   : ssh_channel_write(channel, bytes, length);
    shortcut_out(NULL);
    writing.next = writing.end = NULL;
    if (writing.narrow)
        transport_close(transport, "protocol error: the peer takes no packets of 256 bytes");
    return taken;
}
