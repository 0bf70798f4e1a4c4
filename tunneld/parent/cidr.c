/*
 * Networks as people write them, and which addresses they hold.  IPv4 is kept in its v4-mapped
 * form, so that one comparison serves both families.  Knows nothing of interfaces or routes.
 */
#define _GNU_SOURCE
#include "parent/cidr.h"

#include <arpa/inet.h>
#include <stdio.h>
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

/* The network's first address. */
static void clear_host_bits(struct cidr *cidr)
{
    for (unsigned bit = cidr->prefix; bit < 128; bit++)
        cidr->bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

char *cidr_format(const struct cidr *cidr, char text[CIDR_TEXT_SIZE])
{
    bool v4 = cidr->prefix >= 96 && memcmp(cidr->bytes, mapped, sizeof mapped) == 0;
    unsigned less = v4 ? 96 : 0;
    (void)inet_ntop(v4 ? AF_INET : AF_INET6, cidr->bytes + less / 8, text, CIDR_TEXT_SIZE);
    size_t length = strlen(text);
    if (cidr->prefix < 128)
        (void)snprintf(text + length, CIDR_TEXT_SIZE - length, "/%u", cidr->prefix - less);
    return text;
}

static int check_host_bits(const char *text, const struct cidr *cidr, struct fault *fault)
{
    struct cidr meant = *cidr, single = *cidr;
    char network[CIDR_TEXT_SIZE], address[CIDR_TEXT_SIZE];
    clear_host_bits(&meant);
    if (memcmp(meant.bytes, cidr->bytes, sizeof meant.bytes) == 0)
        return 0;
    single.prefix = 128;
    return fault_set(fault,
                     "network '%s' has bits set behind its prefix: write %s for the network, or "
                     "%s for the single address",
                     text, cidr_format(&meant, network), cidr_format(&single, address));
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
    cidr.prefix = (uint8_t)(prefix + (128 - bits));
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
    /* ::/0 is all of IPv6, and nobody who writes it means IPv4. */
    if (cidr->prefix < 96 && memcmp(bytes, mapped, sizeof mapped) == 0)
        return false;
    unsigned whole = cidr->prefix / 8, rest = cidr->prefix % 8;
    if (memcmp(bytes, cidr->bytes, whole) != 0)
        return false;
    if (rest == 0)
        return true;
    unsigned mask = 0xffu << (8 - rest) & 0xffu;
    return (bytes[whole] & mask) == (cidr->bytes[whole] & mask);
}
