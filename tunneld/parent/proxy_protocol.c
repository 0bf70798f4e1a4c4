/*
 * The header as it goes over the wire.  When it is sent, and that nothing goes before it, is the
 * worker's business.
 */
#define _GNU_SOURCE
#include "parent/proxy_protocol.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define V2_SIGNATURE   "\r\n\r\n\0\r\nQUIT\n"
#define V2_LOCAL       0x20 /* version 2, the receiver looks at the socket instead */
#define V2_PROXY       0x21
#define V2_UNSPECIFIED 0x00
#define V2_TCP4        0x11
#define V2_TCP6        0x21

struct end {
    int family; /* AF_UNSPEC: neither IPv4 nor IPv6 */
    unsigned char bytes[16];
    in_port_t port; /* network order */
};

static struct end end_of(const struct sockaddr *address)
{
    struct end end = {.family = address ? address->sa_family : AF_UNSPEC};
    if (end.family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        memcpy(end.bytes, &v4.sin_addr, sizeof v4.sin_addr);
        end.port = v4.sin_port;
    } else if (end.family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        bool mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr);
        end.family = mapped ? AF_INET : AF_INET6;
        memcpy(end.bytes, v6.sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
        end.port = v6.sin6_port;
    } else {
        end.family = AF_UNSPEC;
    }
    return end;
}

static size_t write_v1(const struct end *from, const struct end *to, unsigned char *out)
{
    char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN], line[PROXY_HEADER_MAX + 1];
    int length;
    if (from->family == AF_UNSPEC || from->family != to->family) {
        length = snprintf(line, sizeof line, "PROXY UNKNOWN\r\n");
    } else {
        (void)inet_ntop(from->family, from->bytes, source, sizeof source);
        (void)inet_ntop(to->family, to->bytes, destination, sizeof destination);
        length = snprintf(line, sizeof line, "PROXY %s %s %s %u %u\r\n",
                          from->family == AF_INET ? "TCP4" : "TCP6", source, destination,
                          (unsigned)ntohs(from->port), (unsigned)ntohs(to->port));
    }
    memcpy(out, line, (size_t)length);
    return (size_t)length;
}

static size_t write_v2(const struct end *from, const struct end *to, unsigned char *out)
{
    unsigned char *at = out + sizeof V2_SIGNATURE - 1;
    memcpy(out, V2_SIGNATURE, sizeof V2_SIGNATURE - 1);
    bool known = from->family != AF_UNSPEC && from->family == to->family;
    size_t size = from->family == AF_INET ? 4 : 16;
    *at++ = known ? V2_PROXY : V2_LOCAL;
    *at++ = !known ? V2_UNSPECIFIED : from->family == AF_INET ? V2_TCP4 : V2_TCP6;
    *at++ = 0;
    *at++ = (unsigned char)(known ? 2 * size + 4 : 0);
    if (!known)
        return (size_t)(at - out);
    memcpy(at, from->bytes, size);
    memcpy(at + size, to->bytes, size);
    at += 2 * size;
    memcpy(at, &from->port, 2);
    memcpy(at + 2, &to->port, 2);
    return (size_t)(at + 4 - out);
}

size_t proxy_header(enum proxy_protocol version, const struct sockaddr *visitor,
                    const struct sockaddr *local, unsigned char out[PROXY_HEADER_MAX])
{
    struct end from = end_of(visitor), to = end_of(local);
    if (version == PROXY_PROTOCOL_OFF)
        return 0;
    return version == PROXY_PROTOCOL_V1 ? write_v1(&from, &to, out) : write_v2(&from, &to, out);
}
