/*
 * What writes to channels, and how libssh cuts it.  Between writing.c and shortcut.c; nobody else
 * includes this.
 */
#ifndef SSH_WRITING_H
#define SSH_WRITING_H

#include <stdbool.h>
#include <stdint.h>

/* Of bytes that libssh is about to put in a packet: are they a part of what is being written that
 * is too small?  Then the packet must fail. */
bool writing_is_narrow(const void *bytes, uint32_t length);

#endif
