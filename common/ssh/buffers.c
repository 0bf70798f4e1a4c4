/*
 * libssh does not tell where its buffers are.  But it asks for their lengths through a function of
 * its own interface, ssh_buffer_get_len, which is found here first and does what libssh's does.
 *
 * Built with TUNNEL_WIRE off, this file is empty of all that.
 */
#define _GNU_SOURCE
#include "ssh/buffers.h"

#ifdef TUNNEL_WIRE

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

static _Thread_local void (*on_length)(ssh_buffer buffer, uint32_t length);

bool buffers_are_known(void)
{
    return ssh_version(SSH_VERSION_INT(0, 12, 0)) == NULL;
}

void buffers_find(const char *name, void *function)
{
    void *found = dlsym(RTLD_NEXT, name);

    memcpy(function, &found, sizeof found);
}

void buffers_on_length(void (*told)(ssh_buffer buffer, uint32_t length))
{
    on_length = told;
}

uint32_t on_get_len(ssh_buffer buffer) INSTEAD_OF("ssh_buffer_get_len");

uint32_t on_get_len(ssh_buffer buffer)
{
    static uint32_t (*get_len)(ssh_buffer);
    uint32_t length;

    if (!get_len)
        buffers_find("ssh_buffer_get_len", &get_len);
    length = get_len(buffer);
    if (on_length)
        on_length(buffer, length);
    return length;
}

#else

bool buffers_are_known(void)
{
    return false;
}

#endif
