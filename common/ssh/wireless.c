/*
 * What wire.h promises, built with TUNNEL_WIRE off: nothing stands between libssh and its sockets.
 */
#include "ssh/wire.h"

#ifndef TUNNEL_WIRE

struct wire *wire_open(ssh_session session, int descriptor, ssh_counter bytes, wire_kick *kick,
                       void *owner)
{
    (void)session, (void)descriptor, (void)bytes, (void)kick, (void)owner;
    return NULL;
}

void wire_close(struct wire *wire)
{
    (void)wire;
}

void wire_note(struct wire *wire, bool readable, bool writable)
{
    (void)wire, (void)readable, (void)writable;
}

size_t wire_held(const struct wire *wire)
{
    (void)wire;
    return 0;
}

size_t wire_coming(const struct wire *wire)
{
    (void)wire;
    return 0;
}

void wire_expect_more(struct wire *wire, bool more)
{
    (void)wire, (void)more;
}

void wire_gather(struct wire *wire)
{
    (void)wire;
}

void wire_may_wait(struct wire *wire, bool may_wait)
{
    (void)wire, (void)may_wait;
}

void wire_hurry(struct wire *wire)
{
    (void)wire;
}

bool wire_is_full(const struct wire *wire)
{
    (void)wire;
    return false;
}

bool wire_push(struct wire *wire, bool all)
{
    (void)wire, (void)all;
    return true;
}

void wire_enter(struct wire *wire)
{
    (void)wire;
}

const struct shortcut *wire_out(const struct wire *wire)
{
    (void)wire;
    return NULL;
}

#endif
