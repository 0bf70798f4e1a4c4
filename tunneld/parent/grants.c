/*
 * Which grant a request means.  The grant decides the address: all the usual ways of saying
 * "wherever you listen for me" are taken as the grant's own address, because people copy them
 * from examples.  Decides nothing about sessions or sockets.
 */
#define _GNU_SOURCE
#include "parent/grants.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define NAMED_MAX 12 /* granted ports that a refusal names */

static size_t used_size(const struct grant *grant)
{
    return offsetof(struct grant, policy.networks) +
           grant->policy.network_count * sizeof *grant->policy.networks;
}

void grant_copy(struct grant *to, const struct grant *from)
{
    memcpy(to, from, used_size(from));
}

struct grant *grant_keep(const struct grant *grant)
{
    struct grant *kept = malloc(used_size(grant));
    if (kept)
        grant_copy(kept, grant);
    return kept;
}

static const char *const any_address[] = {
    "", "localhost", "*", "0.0.0.0", "::", "127.0.0.1", "::1", "[::]", "[::1]"};

bool grant_means(const struct grant *grant, const char *asked)
{
    for (size_t i = 0; i < sizeof any_address / sizeof *any_address; i++) {
        if (strcmp(asked, any_address[i]) == 0)
            return true;
    }
    char canonical[LISTEN_ADDRESS_SIZE];
    return listen_address_canonical(asked, canonical, NULL) == 0 &&
           strcmp(canonical, grant->address) == 0;
}

/* "8443, 8080" or "nothing". */
static void name_granted(const struct grant_offer *offers, size_t count, char *text, size_t size)
{
    size_t used = 0, named = 0;
    for (size_t i = 0; i < count; i++) {
        if (!offers[i].grant->enabled || offers[i].expired)
            continue;
        if (named == NAMED_MAX) {
            (void)snprintf(text + used, size - used, ", ...");
            return;
        }
        int n = snprintf(text + used, size - used, "%s%u", named == 0 ? "" : ", ",
                         (unsigned)offers[i].grant->port);
        used += (size_t)n;
        named++;
    }
    if (named == 0)
        (void)snprintf(text, size, "nothing");
}

static int refuse_port(const struct grant_offer *offers, size_t count, const char *site,
                       uint64_t port, struct fault *fault)
{
    char granted[NAMED_MAX * 8 + 8];
    name_granted(offers, count, granted, sizeof granted);
    if (port == 0)
        return fault_set(fault, "site %s has no free grant for port 0; granted: %s", site, granted);
    return fault_set(fault, "port %llu is not granted to site %s; granted: %s",
                     (unsigned long long)port, site, granted);
}

static int check_offer(const struct grant_offer *offer, const char *site, const char *asked,
                       struct fault *fault)
{
    const struct grant *grant = offer->grant;
    if (!grant->enabled)
        return fault_set(fault, "port %u of site %s is disabled", (unsigned)grant->port, site);
    if (offer->expired) {
        char time[CLOCK_TEXT_SIZE];
        return fault_set(fault, "the grant of port %u to site %s expired at %s",
                         (unsigned)grant->port, site, clock_format(grant->policy.expires_s, time));
    }
    if (grant->policy.private && !grant_means(grant, asked))
        return fault_set(fault,
                         "port %u of site %s is private and listens nowhere, also not on '%.64s': "
                         "ask for it without an address",
                         (unsigned)grant->port, site, asked);
    if (!grant_means(grant, asked))
        return fault_set(fault,
                         "port %u is granted to site %s on %s, not on '%.64s': ask for it without "
                         "an address",
                         (unsigned)grant->port, site, grant->address, asked);
    return 0;
}

long grants_choose(const struct grant_offer *offers, size_t count, const char *site,
                   const char *asked, uint64_t port, struct fault *fault)
{
    for (size_t i = 0; i < count; i++) {
        const struct grant_offer *offer = &offers[i];
        bool meant = port != 0 ? offer->grant->port == port
                               : offer->grant->enabled && !offer->expired && !offer->taken &&
                                     grant_means(offer->grant, asked);
        if (!meant)
            continue;
        return check_offer(offer, site, asked, fault) == 0 ? (long)i : -1;
    }
    return refuse_port(offers, count, site, port, fault);
}

static bool is_v4(const char *address)
{
    return strchr(address, ':') == NULL;
}

bool listen_addresses_overlap(const char *a, const char *b)
{
    if (strcmp(a, b) == 0 || strcmp(a, "::") == 0 || strcmp(b, "::") == 0)
        return true;
    if (strcmp(a, "0.0.0.0") == 0)
        return is_v4(b);
    return strcmp(b, "0.0.0.0") == 0 && is_v4(a);
}

int listen_address_canonical(const char *text, char out[LISTEN_ADDRESS_SIZE], struct fault *fault)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        (void)inet_ntop(AF_INET, &v4, out, LISTEN_ADDRESS_SIZE);
        return 0;
    }
    if (inet_pton(AF_INET6, text, &v6) != 1)
        return fault_set(fault,
                         "'%.64s' is no address to listen on: write an IPv4 or IPv6 address, such "
                         "as 127.0.0.1 or ::",
                         text);
    if (IN6_IS_ADDR_V4MAPPED(&v6))
        (void)inet_ntop(AF_INET, &v6.s6_addr[12], out, LISTEN_ADDRESS_SIZE);
    else
        (void)inet_ntop(AF_INET6, &v6, out, LISTEN_ADDRESS_SIZE);
    return 0;
}
