/*
 * Networks as people write them, and which addresses they hold.  IPv4 is kept in its v4-mapped
 * form, so that one comparison serves both families.  Knows nothing of interfaces or routes.
 */
#define _GNU_SOURCE
#include "parent/cidr.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/text.h"

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* Fills 16 bytes; returns how many bits the written family has, 0 if it is no address. */
static unsigned address_bytes(const char *host, uint8_t bytes[16])
{
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        memcpy(bytes, mapped, sizeof mapped);
        memcpy(bytes + sizeof mapped, &v4, sizeof v4);
        return 32;
    }
    struct in6_addr v6;
    if (inet_pton(AF_INET6, host, &v6) != 1)
        return 0;
    memcpy(bytes, &v6, sizeof v6);
    return 128;
}

/* Is the bit (0 = the highest of the first byte) set? */
static bool bit_is_set(const uint8_t bytes[16], unsigned bit)
{
    return (bytes[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

static int check_host_bits(const char *text, const struct cidr *cidr, struct fault *fault)
{
    for (unsigned bit = cidr->prefix; bit < 128; bit++) {
        if (bit_is_set(cidr->bytes, bit))
            return fault_set(fault,
                             "network '%s' has bits set behind its prefix: write the network's "
                             "first address, or a single address without '/'",
                             text);
    }
    return 0;
}

int cidr_parse(const char *text, struct cidr *out, struct fault *fault)
{
    char host[CIDR_TEXT_SIZE];
    if (!text_copy(host, sizeof host, text))
        return fault_set(fault, "a network of %zu characters is too long: write ADDRESS/BITS",
                         strlen(text));
    char *slash = strchr(host, '/');
    if (slash)
        *slash = '\0';
    struct cidr cidr;
    unsigned bits = address_bytes(host, cidr.bytes);
    if (bits == 0)
        return fault_set(fault, "'%s' is no network: write ADDRESS/BITS, such as 192.0.2.0/24",
                         text);
    uint64_t prefix = bits;
    if (slash && !text_parse_number(slash + 1, 0, bits, &prefix))
        return fault_set(fault, "network '%s' wants a prefix of 0 to %u bits", text, bits);
    cidr.prefix = (unsigned)prefix + (128 - bits);
    if (check_host_bits(text, &cidr, fault) != 0)
        return -1;
    *out = cidr;
    return 0;
}

bool cidr_contains(const struct cidr *cidr, const char *host)
{
    uint8_t bytes[16];
    if (address_bytes(host, bytes) == 0)
        return false;
    unsigned whole = cidr->prefix / 8, rest = cidr->prefix % 8;
    if (memcmp(bytes, cidr->bytes, whole) != 0)
        return false;
    if (rest == 0)
        return true;
    unsigned mask = 0xffu << (8 - rest) & 0xffu;
    return (bytes[whole] & mask) == (cidr->bytes[whole] & mask);
}
