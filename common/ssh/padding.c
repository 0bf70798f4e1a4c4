/*
 * libssh asks for a packet's padding through a function of its own interface, ssh_get_random, which
 * is found in the executable first, as the functions in wire.c are.  Short requests are answered
 * from a pool that libssh's own has filled.  Each byte is handed out once; keys ask for strong
 * ones, and go to libssh's.
 *
 * Built with TUNNEL_WIRE off, this file is empty of all that.
 */
#define _GNU_SOURCE
#include "ssh/padding.h"

#ifdef TUNNEL_WIRE

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ssh/buffers.h"

#define POOL_BYTES  1024
#define PADDING_MAX 32 /* libssh's, too */

static _Thread_local uint8_t pool[POOL_BYTES];
static _Thread_local size_t left; /* at the pool's beginning */

typedef int get_random(void *bytes, int length, int strong);

static get_random *get;

static bool refill(void)
{
    left = get(pool, sizeof pool, 0) == 1 ? sizeof pool : 0;
    return left > 0;
}

int on_get_random(void *bytes, int length, int strong) INSTEAD_OF("ssh_get_random");

int on_get_random(void *bytes, int length, int strong)
{
    size_t wanted = length > 0 ? (size_t)length : 0;

    padding_prepare();
    if (strong || wanted == 0 || wanted > PADDING_MAX)
        return get(bytes, length, strong);
    if (left < wanted && !refill())
        return get(bytes, length, strong);
    left -= wanted;
    memcpy(bytes, pool + left, wanted);
    explicit_bzero(pool + left, wanted);
    return 1;
}

void padding_prepare(void)
{
    if (!get)
        buffers_find("ssh_get_random", &get);
}

#else

void padding_prepare(void)
{
}

#endif
