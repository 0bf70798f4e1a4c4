/*
 * host:port as people write it, and socket addresses as the kernel wants them.
 * IPv6 literals are bracketed everywhere: "[2001:db8::1]:443".  No name is resolved here.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/fault.h"

#define HOST_SIZE      256              /* a host name or address literal with its NUL */
#define HOST_PORT_SIZE (HOST_SIZE + 10) /* "[host]:65535" with its NUL */

struct host_port {
    char host[HOST_SIZE]; /* without brackets */
    uint16_t port;
};

/* "host:port"; the port is wanted and 1..65535 (0 too where `zero_allowed`).  Host names follow
 * RFC 1123, literals are checked. */
int host_port_parse(const char *text, bool zero_allowed, struct host_port *out,
                    struct fault *fault) MUST_CHECK;
/* "[ADDR:]PORT": host stays empty when only a port was given.  ADDR is an IP literal. */
int listen_port_parse(const char *text, struct host_port *out, struct fault *fault) MUST_CHECK;
/* Brackets IPv6; an empty host gives the port alone.  `text` holds HOST_PORT_SIZE.  Returns
 * `text`. */
char *host_port_format(const char *host, uint16_t port, char *text);

/* Is it an IPv4 or IPv6 literal (no brackets, no zone)? */
bool address_is_literal(const char *host);
/* The same name in any case, or the same address in any spelling.  No name is resolved. */
bool host_same(const char *a, const char *b);
/* An IP literal and port as a socket address; "" means 0.0.0.0. */
int address_from_literal(const char *host, uint16_t port, struct sockaddr_storage *out,
                         socklen_t *length, struct fault *fault) MUST_CHECK;
/* "192.0.2.7:50122" / "[2001:db8::1]:50122"; v4-mapped IPv6 is written as IPv4. */
char *address_format(const struct sockaddr *address, char *text /* HOST_PORT_SIZE */);
/* The same, host part and port apart.  Returns the port.  Of neither IPv4 nor IPv6: "" and 0. */
uint16_t address_host(const struct sockaddr *address, char *host /* HOST_SIZE */);

#endif
