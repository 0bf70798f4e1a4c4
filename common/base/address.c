/*
 * Addresses as people write them and as the kernel does.  A host name is checked for its form
 * alone; whoever dials it resolves it.
 */
#define _GNU_SOURCE
#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define LABEL_MAX            63
#define HOST_NAME_MAX_LENGTH 253

bool address_is_literal(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

bool host_same(const char *a, const char *b)
{
    struct in6_addr left;
    struct in6_addr right;
    if (inet_pton(AF_INET6, a, &left) == 1 && inet_pton(AF_INET6, b, &right) == 1)
        return memcmp(&left, &right, sizeof left) == 0;
    return strcasecmp(a, b) == 0;
}

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool label_ok(const char *label, size_t length)
{
    if (length == 0 || length > LABEL_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_letter_or_digit(label[i]) && label[i] != '-')
            return false;
    return is_letter_or_digit(label[0]) && is_letter_or_digit(label[length - 1]);
}

/* RFC 1123, 2.1: labels of letters, digits and hyphens; the last is not a number, since that
 * would be a mistyped IPv4 address. */
static bool host_name_ok(const char *host)
{
    if (strlen(host) > HOST_NAME_MAX_LENGTH)
        return false;
    const char *label = host;
    for (;;) {
        size_t length = strcspn(label, ".");
        if (!label_ok(label, length))
            return false;
        if (label[length] == '\0')
            return strspn(label, "0123456789") != length;
        label += length + 1;
    }
}

static int parse_port(const char *port, bool zero_allowed, const char *text, uint16_t *out,
                      struct fault *fault)
{
    uint64_t number;
    if (!text_parse_number(port, zero_allowed ? 0 : 1, UINT16_MAX, &number))
        return fault_set(fault, "'%s' needs a port from %d to 65535, not '%s'", text,
                         zero_allowed ? 0 : 1, port);
    *out = (uint16_t)number;
    return 0;
}

/* "[ADDRESS]:PORT" */
static int parse_bracketed(const char *text, bool zero_allowed, struct host_port *out,
                           struct fault *fault)
{
    struct host_port result = {.port = 0};
    const char *end = strchr(text, ']');
    if (end == NULL || end[1] != ':')
        return fault_set(fault, "'%s' is not [ADDRESS]:PORT", text);
    size_t length = (size_t)(end - text) - 1;
    struct in6_addr address;
    if (length < HOST_SIZE)
        memcpy(result.host, text + 1, length);
    if (inet_pton(AF_INET6, result.host, &address) != 1)
        return fault_set(fault, "'%s' does not hold an IPv6 address between its brackets", text);
    if (parse_port(end + 2, zero_allowed, text, &result.port, fault) != 0)
        return -1;
    *out = result;
    return 0;
}

int host_port_parse(const char *text, bool zero_allowed, struct host_port *out, struct fault *fault)
{
    if (text[0] == '[')
        return parse_bracketed(text, zero_allowed, out, fault);
    const char *colon = strchr(text, ':');
    if (colon == NULL)
        return fault_set(fault, "'%s' lacks a port; write HOST:PORT", text);
    if (strchr(colon + 1, ':') != NULL)
        return fault_set(fault, "'%s' has several colons; write an IPv6 address as [ADDRESS]:PORT",
                         text);
    struct host_port result = {.port = 0};
    size_t length = (size_t)(colon - text);
    if (length < HOST_SIZE)
        memcpy(result.host, text, length);
    if (!address_is_literal(result.host) && !host_name_ok(result.host))
        return fault_set(fault, "'%s' does not begin with a host name or an IP address", text);
    if (parse_port(colon + 1, zero_allowed, text, &result.port, fault) != 0)
        return -1;
    *out = result;
    return 0;
}

int listen_port_parse(const char *text, struct host_port *out, struct fault *fault)
{
    struct host_port result = {.port = 0};
    if (strchr(text, ':') == NULL) {
        if (parse_port(text, false, text, &result.port, fault) != 0)
            return -1;
        *out = result;
        return 0;
    }
    if (host_port_parse(text, false, &result, fault) != 0)
        return -1;
    if (!address_is_literal(result.host))
        return fault_set(fault, "'%s' must begin with an IP address, not with a name", text);
    *out = result;
    return 0;
}

char *host_port_format(const char *host, uint16_t port, char *text)
{
    if (strchr(host, ':') != NULL)
        snprintf(text, HOST_PORT_SIZE, "[%.*s]:%u", HOST_SIZE - 1, host, port);
    else if (host[0] == '\0')
        snprintf(text, HOST_PORT_SIZE, "%u", port);
    else
        snprintf(text, HOST_PORT_SIZE, "%.*s:%u", HOST_SIZE - 1, host, port);
    return text;
}

int address_from_literal(const char *host, uint16_t port, struct sockaddr_storage *out,
                         socklen_t *length, struct fault *fault)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_storage result = {.ss_family = AF_UNSPEC};
    if (host[0] == '\0' || inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(&result, &v4, sizeof v4);
        *length = sizeof v4;
    } else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(&result, &v6, sizeof v6);
        *length = sizeof v6;
    } else {
        return fault_set(fault, "'%s' is not an IP address", host);
    }
    *out = result;
    return 0;
}

uint16_t address_host(const struct sockaddr *address, char *host)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    host[0] = '\0';
    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        inet_ntop(AF_INET, &v4.sin_addr, host, HOST_SIZE);
        return ntohs(v4.sin_port);
    }
    if (address->sa_family != AF_INET6)
        return 0;
    memcpy(&v6, address, sizeof v6);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
        inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], host, HOST_SIZE);
    else
        inet_ntop(AF_INET6, &v6.sin6_addr, host, HOST_SIZE);
    return ntohs(v6.sin6_port);
}

char *address_format(const struct sockaddr *address, char *text)
{
    char host[HOST_SIZE];
    uint16_t port = address_host(address, host);
    return host_port_format(host, port, text);
}
