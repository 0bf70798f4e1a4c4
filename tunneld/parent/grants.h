/*
 * Grants: "this site may publish this port".  Which grant a request means, which addresses mean
 * the same, which grants would fight for one socket.  Pure.
 */
#ifndef PARENT_GRANTS_H
#define PARENT_GRANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "parent/policy.h"

#define LISTEN_ADDRESS_SIZE 46 /* an address literal with its NUL */
#define GRANTS_PER_SITE_MAX 256

struct grant {
    int64_t id;
    uint16_t port;
    char address[LISTEN_ADDRESS_SIZE]; /* canonical literal; "" when the policy is private */
    char target[HOST_PORT_SIZE];       /* what the agent dials: "host:port" */
    bool enabled;
    int64_t created_s;
    struct policy policy; /* last, see grant_keep */
};

/* A copy that holds the networks that there are and no room for more: to be copied by grant_copy
 * alone, and freed.  NULL: out of memory. */
struct grant *grant_keep(const struct grant *grant);
void grant_copy(struct grant *to, const struct grant *from);

/* A grant, whether a forward of it is published at the moment, and whether its time is over. */
struct grant_offer {
    const struct grant *grant;
    bool taken, expired;
};

/* Does a bind address, as a client asked for it, mean this grant's address? */
bool grant_means(const struct grant *grant, const char *asked);

/* The index of the grant that a request for `asked`:`port` means (port 0: the first free one), or
 * -1 and a sentence that names what is granted.  `offers` are ordered by port. */
long grants_choose(const struct grant_offer *offers, size_t count, const char *site,
                   const char *asked, uint64_t port, struct fault *fault) MUST_CHECK;

/* Would listeners on these two addresses with one port collide?  `::` is dual-stack. */
bool listen_addresses_overlap(const char *a, const char *b);

/* The canonical form of an address literal, v4-mapped written as IPv4. */
int listen_address_canonical(const char *text, char out[LISTEN_ADDRESS_SIZE],
                             struct fault *fault) MUST_CHECK;

#endif
