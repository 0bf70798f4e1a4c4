/*
 * Which addresses an outbound grant may reach.  Pure: an address goes in, a verdict comes out; no
 * name is resolved, nothing is dialled.
 *
 * A grant that names a host by its name reaches global unicast addresses alone, and none of the
 * hub's own: what a name resolves to is decided by whoever answers for the name, and that must not
 * open the hub's machine or network (DNS rebinding).  A grant that names an address reaches that
 * address, whatever kind it is of, because the operator decided.
 */
#ifndef DIALER_DIAL_RULES_H
#define DIALER_DIAL_RULES_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* An address in the form that rules compare: IPv4 as v4-mapped IPv6. */
struct dial_address {
    unsigned char bytes[16];
};

/* false: neither IPv4 nor IPv6. */
bool dial_address_from(const struct sockaddr *from, struct dial_address *out);

/* `literal`: the grant names this very address.  `own` (borrowed): the hub's own addresses.
 * NULL when the address may be dialled, else what it is: "a loopback address". */
const char *dial_forbidden(const struct sockaddr *address, bool literal,
                           const struct dial_address *own, size_t own_count);

#endif
