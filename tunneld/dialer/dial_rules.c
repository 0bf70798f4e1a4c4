/*
 * The rules, as tables after IANA's registries of special-purpose addresses.  The first range that
 * holds an address decides.  IPv6 ranges that carry an IPv4 address are judged by what they carry,
 * since a translator or tunnel on the way would deliver there.
 */
#define _GNU_SOURCE
#include "dialer/dial_rules.h"

#include <stdint.h>
#include <string.h>

#define OWN "one of the hub's own addresses"

#define V4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

static const struct {
    uint32_t network;
    unsigned prefix;
    const char *kind;
} v4_ranges[] = {
    {V4(169, 254, 169, 254), 32, "a metadata service's address"},
    {V4(100, 100, 100, 200), 32, "a metadata service's address"}, /* Alibaba Cloud */
    {V4(192, 0, 0, 192), 32, "a metadata service's address"},     /* Oracle Cloud */
    {V4(168, 63, 129, 16), 32, "a metadata service's address"},   /* Azure */
    {V4(0, 0, 0, 0), 8, "an unspecified address"},
    {V4(10, 0, 0, 0), 8, "a private address"},
    {V4(100, 64, 0, 0), 10, "a carrier's shared address"},
    {V4(127, 0, 0, 0), 8, "a loopback address"},
    {V4(169, 254, 0, 0), 16, "a link-local address"},
    {V4(172, 16, 0, 0), 12, "a private address"},
    {V4(192, 0, 0, 0), 24, "a reserved address"},
    {V4(192, 0, 2, 0), 24, "an address for documentation"},
    {V4(192, 168, 0, 0), 16, "a private address"},
    {V4(198, 18, 0, 0), 15, "an address for benchmarks"},
    {V4(198, 51, 100, 0), 24, "an address for documentation"},
    {V4(203, 0, 113, 0), 24, "an address for documentation"},
    {V4(224, 0, 0, 0), 4, "a multicast address"},
    {V4(255, 255, 255, 255), 32, "the broadcast address"},
    {V4(240, 0, 0, 0), 4, "a reserved address"},
};

/* Where in the 16 bytes an IPv4 address stands, and whether its bits are inverted. */
struct inner {
    unsigned offset; /* 0: none */
    uint8_t inverted;
};

static const struct {
    uint8_t network[16];
    unsigned prefix;
    const char *kind; /* NULL: allowed if what it carries is */
    struct inner inner[2];
} v6_ranges[] = {
    {{0}, 128, "an unspecified address", {{0}}},
    {{[15] = 1}, 128, "a loopback address", {{0}}},
    {{[10] = 0xff, [11] = 0xff}, 96, NULL, {{12, 0}}},                 /* v4-mapped */
    {{0}, 96, "a v4-compatible address", {{0}}},                       /* RFC 4291, 2.5.5.1 */
    {{0, 0x64, 0xff, 0x9b}, 96, NULL, {{12, 0}}},                      /* NAT64, RFC 6052 */
    {{0, 0x64, 0xff, 0x9b, 0, 1}, 48, "a local NAT64 address", {{0}}}, /* RFC 8215 */
    {{0x20, 0x01, 0, 0}, 32, NULL, {{4, 0}, {12, 0xff}}},              /* Teredo, RFC 4380 */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "an address for documentation", {{0}}},
    {{0x20, 0x02}, 16, NULL, {{2, 0}}}, /* 6to4, RFC 3056 */
    {{0x3f, 0xff}, 20, "an address for documentation", {{0}}},
    {{0x20}, 3, NULL, {{0}}}, /* global unicast */
    {{0xfd, 0, 0x0e, 0xc2, [14] = 0x02, 0x54}, 128, "a metadata service's address", {{0}}},
    {{0xfc}, 7, "a private address", {{0}}},
    {{0xfe, 0x80}, 10, "a link-local address", {{0}}},
    {{0xfe, 0xc0}, 10, "a site-local address", {{0}}},
    {{0xff}, 8, "a multicast address", {{0}}},
    {{0}, 0, "a reserved address", {{0}}},
};

static bool in_network(const uint8_t *address, const uint8_t *network, unsigned prefix)
{
    unsigned whole = prefix / 8, rest = prefix % 8;
    if (memcmp(address, network, whole) != 0)
        return false;
    return rest == 0 || (address[whole] ^ network[whole]) >> (8 - rest) == 0;
}

static bool is_own(const struct dial_address *address, const struct dial_address *own, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (memcmp(address, &own[i], sizeof *address) == 0)
            return true;
    }
    return false;
}

static const char *v4_kind(uint32_t address)
{
    for (size_t i = 0; i < sizeof v4_ranges / sizeof *v4_ranges; i++) {
        uint32_t differs = address ^ v4_ranges[i].network;
        if (differs >> (32 - v4_ranges[i].prefix) == 0)
            return v4_ranges[i].kind;
    }
    return NULL;
}

/* The IPv4 address that stands inside. */
static const char *judge_inner(const struct dial_address *address, const struct inner *inner,
                               const struct dial_address *own, size_t own_count)
{
    struct dial_address v4 = {.bytes = {[10] = 0xff, [11] = 0xff}};
    uint32_t number = 0;
    for (unsigned i = 0; i < 4; i++) {
        v4.bytes[12 + i] = address->bytes[inner->offset + i] ^ inner->inverted;
        number = number << 8 | v4.bytes[12 + i];
    }
    const char *kind = v4_kind(number);
    return !kind && is_own(&v4, own, own_count) ? OWN : kind;
}

static const char *judge(const struct dial_address *address, const struct dial_address *own,
                         size_t own_count)
{
    size_t at = 0; /* the last range holds every address */
    while (!in_network(address->bytes, v6_ranges[at].network, v6_ranges[at].prefix))
        at++;
    const char *kind = v6_ranges[at].kind;
    for (size_t i = 0; i < 2 && !kind && v6_ranges[at].inner[i].offset != 0; i++)
        kind = judge_inner(address, &v6_ranges[at].inner[i], own, own_count);
    return !kind && is_own(address, own, own_count) ? OWN : kind;
}

bool dial_address_from(const struct sockaddr *from, struct dial_address *out)
{
    struct dial_address result = {.bytes = {[10] = 0xff, [11] = 0xff}};
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (from->sa_family == AF_INET) {
        memcpy(&v4, from, sizeof v4);
        memcpy(result.bytes + 12, &v4.sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        memcpy(&v6, from, sizeof v6);
        memcpy(result.bytes, &v6.sin6_addr, sizeof result.bytes);
    } else {
        return false;
    }
    *out = result;
    return true;
}

const char *dial_forbidden(const struct sockaddr *address, bool literal,
                           const struct dial_address *own, size_t own_count)
{
    struct dial_address judged;
    if (!dial_address_from(address, &judged))
        return "neither IPv4 nor IPv6";
    return literal ? NULL : judge(&judged, own, own_count);
}
