/*
 * Proxies that a TCP connection may have to go through: which one, from a setting or from the usual
 * environment variables.  What is said to it stands in net/proxy_talk.h.
 */
#ifndef NET_PROXY_H
#define NET_PROXY_H

#include <stdbool.h>

#include "base/address.h"

#define PROXY_LOGIN_SIZE 256 /* SOCKS has room for 255 bytes of each (RFC 1929) */
#define PROXY_TEXT_SIZE  (HOST_PORT_SIZE + 16)
#define PROXY_NONE_WORD  "none"

enum proxy_kind {
    PROXY_NONE,   /* dial directly */
    PROXY_HTTP,   /* CONNECT (RFC 9110, 9.3.6), login by Basic (RFC 7617) */
    PROXY_SOCKS5, /* RFC 1928, login by RFC 1929; names are resolved by the proxy */
};

struct proxy {
    enum proxy_kind kind;
    struct host_port at;
    bool has_login;
    char user[PROXY_LOGIN_SIZE], password[PROXY_LOGIN_SIZE];
};

/* "http://[USER:PASSWORD@]HOST[:PORT]", "socks5://..." (also "socks5h://", the same here), or
 * "none".  User and password may be percent-encoded.  No fault repeats any of the text: there may
 * be a password in it. */
int proxy_parse(const char *text, struct proxy *out, struct fault *fault) MUST_CHECK;

/* The proxy for a connection to `to`: the setting's; if that is empty the environment's
 * (https_proxy, all_proxy, each also in capitals), unless no_proxy names `to`. */
int proxy_choose(const char *setting, const struct host_port *to, struct proxy *out,
                 struct fault *fault) MUST_CHECK;

/* Does a no_proxy list name it?  Entries, separated by commas or blanks: "*"; a domain, which
 * stands for its subdomains too, with or without a leading dot; an address; a network as
 * ADDRESS/BITS; each but the last with ":PORT" behind it. */
bool proxy_is_bypassed(const char *no_proxy, const struct host_port *to);

/* "http://HOST:PORT", without the login; "" for none.  Returns `text`. */
char *proxy_format(const struct proxy *proxy, char text[PROXY_TEXT_SIZE]);
void proxy_wipe(struct proxy *proxy);

#endif
