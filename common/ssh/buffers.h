/*
 * Functions of libssh's own interface that it calls itself, too: a shared library finds those of
 * the executable first.  For rest.c, shortcut.c and wire.c; nobody else includes this.
 */
#ifndef SSH_BUFFERS_H
#define SSH_BUFFERS_H

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <stdbool.h>
#include <stdint.h>

#define INSTEAD_OF(name) __asm__(name) __attribute__((visibility("default")))

/* Has somebody looked at what this libssh does with its buffers? */
bool buffers_are_known(void);
/* libssh's own function of that name; `function` is the address of a pointer to one. */
void buffers_find(const char *name, void *function);
/* Until it is NULL: told of each buffer whose length libssh asks for.  In this thread only. */
void buffers_on_length(void (*told)(ssh_buffer buffer, uint32_t length));

#endif
