/*
 * Where the agent shall listen for outbound grants, as the hub's snapshot lists it.  Pure.
 */
#ifndef AGENT_OUTBOUND_LIST_H
#define AGENT_OUTBOUND_LIST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

#define OUTBOUND_MAX 64

struct outbound_entry {
    struct host_port listen; /* a literal */
    struct host_port target; /* as the hub names it, and as the channel repeats it */
};

struct outbound_list {
    size_t count;
    struct outbound_entry items[OUTBOUND_MAX];
};

/* Reads a snapshot's `outbound`; a snapshot without one, as an older hub sends it, lists nothing.
 * Written on success only. */
int outbound_list_read(const json_t *snapshot, struct outbound_list *out,
                       struct fault *fault) MUST_CHECK;

bool outbound_entry_same(const struct outbound_entry *a, const struct outbound_entry *b);

#endif
