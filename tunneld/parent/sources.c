/*
 * Unauthenticated connections by address.  An IPv6 peer counts by its /64: one line has that many
 * addresses to choose from.  Authenticated ones are not counted, so that many sites may share one
 * address (CGNAT).
 */
#define _GNU_SOURCE
#include "parent/sources.h"

#include <netinet/in.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct source {
    uint8_t network[9]; /* family, then 4 or 8 bytes */
    uint64_t logins;
};

static int compare_networks(const void *a, const void *b)
{
    const struct source *left = a, *right = b;
    return memcmp(left->network, right->network, sizeof left->network);
}

static struct source network_of(const struct sockaddr *peer)
{
    struct source source = {.network = {4}};
    if (peer->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, peer, sizeof v4);
        memcpy(source.network + 1, &v4.sin_addr, 4);
        return source;
    }
    struct sockaddr_in6 v6;
    memcpy(&v6, peer, sizeof v6);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        memcpy(source.network + 1, v6.sin6_addr.s6_addr + 12, 4);
        return source;
    }
    source.network[0] = 6;
    memcpy(source.network + 1, v6.sin6_addr.s6_addr, 8);
    return source;
}

static struct source *find(const struct hub *hub, const struct source *wanted)
{
    struct source *const *found = tfind(wanted, &hub->sources, compare_networks);
    return found ? *found : NULL;
}

uint64_t source_logins(const struct hub *hub, const struct sockaddr *peer)
{
    struct source wanted = network_of(peer);
    const struct source *source = find(hub, &wanted);
    return source ? source->logins : 0;
}

struct source *source_enter(struct hub *hub, const struct sockaddr *peer)
{
    struct source wanted = network_of(peer);
    struct source *source = find(hub, &wanted);
    if (!source) {
        source = malloc(sizeof *source);
        if (!source)
            return NULL;
        *source = wanted;
        if (!tsearch(source, &hub->sources, compare_networks)) {
            free(source);
            return NULL;
        }
    }
    source->logins++;
    return source;
}

void source_leave(struct hub *hub, struct source *source)
{
    if (!source || --source->logins > 0)
        return;
    (void)tdelete(source, &hub->sources, compare_networks);
    free(source);
}
