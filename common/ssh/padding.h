/*
 * The random bytes that end each packet (RFC 4253, 6), asked for by the kibibyte and not by the
 * dozen: that takes libcrypto a twentieth of a packet's time.  Of all packets, keepalives too.
 * Between padding.c and wire.c; nobody else includes this.
 */
#ifndef SSH_PADDING_H
#define SSH_PADDING_H

/* Finds libssh's own, and has the linker take this file. */
void padding_prepare(void);

#endif
