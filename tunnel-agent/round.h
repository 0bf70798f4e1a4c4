/*
 * The order in which the hub's addresses are tried.  A round tries every address once, beginning
 * with the one that worked last; an address whose answer only a person can change rests.  Pure: it
 * is told the time.
 */
#ifndef AGENT_ROUND_H
#define AGENT_ROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

#define ROUND_TEXT_SIZE 2048

struct round {
    size_t count;                  /* of addresses */
    size_t at;                     /* index of the address that is or was tried last */
    size_t tried;                  /* in this round */
    size_t in_vain;                /* rounds since a session */
    uint64_t *rests_until_ms;      /* one for each address; owned */
    char reasons[ROUND_TEXT_SIZE]; /* why each came to nothing */
};

/* -1: out of memory. */
int round_init(struct round *round, size_t count) MUST_CHECK;
void round_release(struct round *round);

/* Begins anew, with the present address. */
void round_forget(struct round *round);
/* On to the next address.  False: this round has tried all. */
bool round_advance(struct round *round);
/* On to an address that does not rest, if need be.  False: none is left in this round. */
bool round_find(struct round *round, uint64_t now_ms);
/* This round came to nothing; the next begins. */
void round_end(struct round *round);

void round_rest(struct round *round, uint64_t until_ms); /* the present address */
/* How long until the first address may be tried again; 0: one may be now. */
uint64_t round_shortest_rest_ms(const struct round *round, uint64_t now_ms);
void round_note(struct round *round, const char *hub, const char *reason);

#endif
