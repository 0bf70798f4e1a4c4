/*
 * Reading a proxy's URL and the lists around it.  Opens nothing, and repeats nothing of a text that
 * may hold a password.
 */
#define _GNU_SOURCE
#include "net/proxy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/secret.h"
#include "base/text.h"

static const struct {
    const char *scheme;
    enum proxy_kind kind;
    uint16_t port; /* when the URL has none */
} SCHEMES[] = {
    {"http://", PROXY_HTTP, 80},
    {"socks5://", PROXY_SOCKS5, 1080},
    {"socks5h://", PROXY_SOCKS5, 1080},
};
#define SCHEME_COUNT (sizeof SCHEMES / sizeof SCHEMES[0])

/* --- URLs ------------------------------------------------------------------------------------- */

static int wrong_form(struct fault *fault)
{
    return fault_set(fault, "it is not http://[USER:PASSWORD@]HOST:PORT, "
                            "socks5://[USER:PASSWORD@]HOST:PORT or none; in user and password "
                            "write special characters as %%XX");
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c != '\0' ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
    return found != NULL ? (int)(found - digits) : -1;
}

/* Percent-decodes; false when malformed, empty, too long, or holding a control character. */
static bool decode(const char *text, size_t length, char out[PROXY_LOGIN_SIZE])
{
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        int byte = (unsigned char)text[i];
        if (byte == '%') {
            int high = i + 2 < length ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < length ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            byte = high * 16 + low;
            i += 2;
        }
        if (byte < ' ' || byte == 0x7f || used + 1 == PROXY_LOGIN_SIZE)
            return false;
        out[used++] = (char)byte;
    }
    out[used] = '\0';
    return used > 0;
}

/* "USER:PASSWORD", up to the `@`. */
static bool read_login(const char *text, size_t length, struct proxy *out)
{
    const char *colon = memchr(text, ':', length);
    if (colon == NULL || !decode(text, (size_t)(colon - text), out->user) ||
        !decode(colon + 1, length - (size_t)(colon - text) - 1, out->password))
        return false;
    out->has_login = true;
    /* Basic ends the user at the first colon (RFC 7617, 2). */
    return out->kind != PROXY_HTTP || strchr(out->user, ':') == NULL;
}

static bool read_place(const char *text, size_t length, uint16_t port, struct host_port *out)
{
    char plain[HOST_PORT_SIZE];
    const char *closing = memrchr(text, ']', length);
    const char *colon = memrchr(text, ':', length);
    bool has_port = colon != NULL && (closing == NULL || colon > closing);
    if (length + sizeof ":65535" > sizeof plain)
        return false;
    if (has_port)
        snprintf(plain, sizeof plain, "%.*s", (int)length, text);
    else
        snprintf(plain, sizeof plain, "%.*s:%u", (int)length, text, port);
    return host_port_parse(plain, false, out, NULL) == 0;
}

/* What stands behind the scheme. */
static bool read_authority(const char *text, uint16_t port, struct proxy *out)
{
    size_t length = strlen(text);
    if (length > 0 && text[length - 1] == '/')
        length--;
    const char *at = memrchr(text, '@', length);
    if (memchr(text, '/', length) != NULL)
        return false;
    if (at == NULL)
        return read_place(text, length, port, &out->at);
    size_t login = (size_t)(at - text);
    return read_login(text, login, out) && read_place(at + 1, length - login - 1, port, &out->at);
}

int proxy_parse(const char *text, struct proxy *out, struct fault *fault)
{
    struct proxy proxy = {.kind = PROXY_NONE};
    size_t scheme = 0;
    if (strcasecmp(text, PROXY_NONE_WORD) == 0) {
        *out = proxy;
        return 0;
    }
    while (scheme < SCHEME_COUNT &&
           strncasecmp(text, SCHEMES[scheme].scheme, strlen(SCHEMES[scheme].scheme)) != 0)
        scheme++;
    bool bare = scheme == SCHEME_COUNT && strstr(text, "://") == NULL;
    if (scheme == SCHEME_COUNT && !bare)
        return fault_set(fault,
                         "it is a proxy of a kind that is not known here; http, socks5 and "
                         "socks5h are (a TLS connection to the proxy itself, https, is not)");
    if (bare)
        scheme = 0; /* the usual reading of a bare HOST:PORT */
    else
        text += strlen(SCHEMES[scheme].scheme);
    proxy.kind = SCHEMES[scheme].kind;
    bool good = read_authority(text, SCHEMES[scheme].port, &proxy);
    if (good)
        *out = proxy;
    proxy_wipe(&proxy);
    return good ? 0 : wrong_form(fault);
}

char *proxy_format(const struct proxy *proxy, char text[PROXY_TEXT_SIZE])
{
    char at[HOST_PORT_SIZE];
    text[0] = '\0';
    if (proxy->kind != PROXY_NONE)
        snprintf(text, PROXY_TEXT_SIZE, "%s%s", proxy->kind == PROXY_HTTP ? "http://" : "socks5://",
                 host_port_format(proxy->at.host, proxy->at.port, at));
    return text;
}

void proxy_wipe(struct proxy *proxy)
{
    secret_wipe(proxy, sizeof *proxy);
}

/* --- no_proxy --------------------------------------------------------------------------------- */

/* The bytes of an address literal: 4, 16, or 0 when it is none. */
static size_t address_bytes(const char *host, uint8_t bytes[16])
{
    if (inet_pton(AF_INET, host, bytes) == 1)
        return 4;
    return inet_pton(AF_INET6, host, bytes) == 1 ? 16 : 0;
}

static bool same_network(const char *network, uint64_t bits, const char *host)
{
    uint8_t a[16], b[16];
    size_t length = address_bytes(network, a);
    if (length == 0 || length != address_bytes(host, b) || bits > 8 * length)
        return false;
    size_t whole = bits / 8;
    unsigned rest = (unsigned)(bits % 8);
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static bool same_domain(const char *domain, const char *host)
{
    if (domain[0] == '*' && domain[1] == '.')
        domain++;
    if (domain[0] == '.')
        domain++;
    size_t length = strlen(domain), host_length = strlen(host);
    if (length == 0 || length > host_length)
        return false;
    const char *tail = host + host_length - length;
    return strcasecmp(tail, domain) == 0 && (tail == host || tail[-1] == '.');
}

/* One entry, which it may change. */
static bool entry_names(char *entry, const struct host_port *to)
{
    uint64_t number = 0;
    char *slash = strchr(entry, '/');
    char *bracket = strchr(entry, ']'), *colon = strrchr(entry, ':');
    if (strcmp(entry, "*") == 0)
        return true;
    if (slash != NULL) {
        *slash = '\0';
        return text_parse_number(slash + 1, 0, 128, &number) &&
               same_network(entry, number, to->host);
    }
    bool one_colon = colon != NULL && strchr(entry, ':') == colon;
    if (colon != NULL && (one_colon || (bracket != NULL && colon > bracket))) {
        if (!text_parse_number(colon + 1, 1, UINT16_MAX, &number) || number != to->port)
            return false;
        *colon = '\0';
    }
    if (entry[0] == '[' && bracket != NULL) {
        *bracket = '\0';
        entry++;
    }
    if (address_is_literal(to->host))
        return host_same(entry, to->host);
    return same_domain(entry, to->host);
}

bool proxy_is_bypassed(const char *no_proxy, const struct host_port *to)
{
    static const char separators[] = ", \t";
    char entry[HOST_PORT_SIZE];
    while (*(no_proxy += strspn(no_proxy, separators)) != '\0') {
        size_t length = strcspn(no_proxy, separators);
        if (length < sizeof entry) {
            memcpy(entry, no_proxy, length);
            entry[length] = '\0';
            if (entry_names(entry, to))
                return true;
        }
        no_proxy += length;
    }
    return false;
}

/* --- which ------------------------------------------------------------------------------------ */

/* The first of these variables that is not empty, or NULL; *name says which. */
static const char *variable(const char *const *names, const char **name)
{
    for (; *names != NULL; names++) {
        const char *value = getenv(*names);
        if (value == NULL || value[0] == '\0')
            continue;
        *name = *names;
        return value;
    }
    return NULL;
}

int proxy_choose(const char *setting, const struct host_port *to, struct proxy *out,
                 struct fault *fault)
{
    static const char *const proxies[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                          NULL};
    static const char *const exceptions[] = {"no_proxy", "NO_PROXY", NULL};
    const char *name = NULL;
    if (setting != NULL && setting[0] != '\0')
        return proxy_parse(setting, out, fault) == 0 ? 0 : fault_prefix(fault, "setting 'proxy'");
    const char *except = variable(exceptions, &name);
    const char *value = variable(proxies, &name);
    if (value == NULL || (except != NULL && proxy_is_bypassed(except, to)))
        value = PROXY_NONE_WORD;
    return proxy_parse(value, out, fault) == 0
               ? 0
               : fault_prefix(fault, "environment variable %s", name);
}
