/*
 * The hub's own addresses: those that the parent names (what it listens on, what sites dial), and
 * those of the network interfaces at the moment.
 */
#ifndef DIALER_OWN_ADDRESSES_H
#define DIALER_OWN_ADDRESSES_H

#include <stdint.h>

#include "base/fault.h"
#include "dialer/dial_rules.h"

struct own_addresses {
    struct dial_address *items;
    size_t count, room;
    size_t named;        /* so many of them, at the beginning, are the parent's */
    uint64_t read_at_ms; /* the interfaces; 0: never */
};

/* Forgets all. */
void own_addresses_release(struct own_addresses *own);
/* A literal.  Only before the first reading, or after a release.  -1: out of memory, or none. */
int own_addresses_name(struct own_addresses *own, const char *host) MUST_CHECK;
/* Reads the interfaces, unless that was done within the last second.  -1: not known now. */
int own_addresses_read(struct own_addresses *own, uint64_t now_ms) MUST_CHECK;

#endif
