/*
 * Networks as people write them: "192.0.2.0/24", "2001:db8::/32", or one address.
 * Pure.  IPv4 and v4-mapped IPv6 are the same thing here.
 */
#ifndef PARENT_CIDR_H
#define PARENT_CIDR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

#define CIDR_TEXT_SIZE 64

struct cidr {
    uint8_t bytes[16]; /* v4 as ::ffff:a.b.c.d */
    uint8_t prefix;    /* of 128 bits */
};

/* Bits set behind the prefix are refused, with the network that was probably meant. */
int cidr_parse(const char *text, struct cidr *out, struct fault *fault) MUST_CHECK;
/* As cidr_parse takes it; a network of one address is written as that address.  Returns `text`. */
char *cidr_format(const struct cidr *cidr, char text[CIDR_TEXT_SIZE]);
/* Does the network hold this address literal?  Anything else is outside.  A network of one family
 * holds no address of the other: ::/0 is all of IPv6. */
bool cidr_contains(const struct cidr *cidr, const char *host);

#endif
