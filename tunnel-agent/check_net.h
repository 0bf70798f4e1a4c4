/*
 * Asking the resolver and connecting, many at once, each with a time limit.  For `check`, which may
 * wait; the agent itself dials with net/dial.h.
 */
#ifndef AGENT_CHECK_NET_H
#define AGENT_CHECK_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/address.h"

#define LOOKUP_ADDRESSES_MAX 8

struct lookup {
    struct host_port to; /* a literal needs no name server */
    int family;          /* AF_INET, AF_INET6, AF_UNSPEC */
    bool unanswered;
    int error; /* of getaddrinfo */
    size_t count;
    struct sockaddr_storage addresses[LOOKUP_ADDRESSES_MAX];
};

/* `to` and `family` are given, the rest is filled in. */
void lookups_run(struct lookup *lookups, size_t count, unsigned timeout_ms);
/* The name has no address (of that family); the resolver itself works. */
bool lookup_is_empty(const struct lookup *lookup);
/* Why it has no addresses, for people. */
const char *lookup_reason(const struct lookup *lookup);

struct attempt {
    struct sockaddr_storage address;
    int socket; /* connected, non-blocking, the caller's; -1: it is not */
    int error;  /* errno; ETIMEDOUT also when the time was over */
    uint64_t duration_us;
};

/* `address` is given, the rest is filled in. */
void attempts_run(struct attempt *attempts, size_t count, unsigned timeout_ms);
void attempt_close(struct attempt *attempt);

uint64_t check_now_us(void);

#endif
