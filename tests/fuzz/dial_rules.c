/*
 * The dialer's rules: 16 bytes are an address (4: IPv4), the next 16 one of the hub's own.  What
 * may be dialled must be global, must not be the hub's, and must get the same verdict in every
 * dress that IPv6 has for an IPv4 address.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dialer/dial_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *judge_v6(const uint8_t bytes[16], const struct dial_address *own)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    memcpy(&address.sin6_addr, bytes, 16);
    if (dial_forbidden((struct sockaddr *)&address, true, own, 1))
        abort();
    return dial_forbidden((struct sockaddr *)&address, false, own, 1);
}

static void check_v4(const uint8_t v4[4], const struct dial_address *own)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff}, nat64[16] = {0, 0x64, 0xff, 0x9b},
            six[16] = {0x20, 0x02}, compatible[16] = {0};
    memcpy(&address.sin_addr, v4, 4);
    memcpy(mapped + 12, v4, 4);
    memcpy(nat64 + 12, v4, 4);
    memcpy(six + 2, v4, 4);
    memcpy(compatible + 12, v4, 4);
    const char *kind = dial_forbidden((struct sockaddr *)&address, false, own, 1);
    if (judge_v6(mapped, own) != kind || !judge_v6(compatible, own))
        abort();
    if (kind && (!judge_v6(nat64, own) || !judge_v6(six, own)))
        abort();
    if (!kind && (v4[0] == 0 || v4[0] == 10 || v4[0] == 127 || v4[0] >= 224))
        abort();
    if (!kind && memcmp(mapped, own, sizeof mapped) == 0)
        abort();
}

static void check_v6(const uint8_t bytes[16], const struct dial_address *own)
{
    struct in6_addr address;
    memcpy(&address, bytes, sizeof address);
    if (judge_v6(bytes, own))
        return;
    if (IN6_IS_ADDR_LOOPBACK(&address) || IN6_IS_ADDR_LINKLOCAL(&address) ||
        IN6_IS_ADDR_MULTICAST(&address) || IN6_IS_ADDR_UNSPECIFIED(&address) ||
        (bytes[0] & 0xfe) == 0xfc || memcmp(bytes, own, 16) == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t input[32] = {0};
    struct dial_address own;
    if (size > 0)
        memcpy(input, data, size < sizeof input ? size : sizeof input);
    memcpy(&own, input + 16, sizeof own);
    check_v4(input, &own);
    check_v6(input, &own);
    return 0;
}
