/*
 * The addresses that sessions come from, and what is remembered of each: the connections that are
 * not logged in yet, the sessions, whether a login succeeded lately, how many failed.  An IPv6 peer
 * counts by its /64: one line has that many addresses to choose from.  Bounded; the clock is the
 * caller's.
 */
#ifndef PARENT_SOURCES_H
#define PARENT_SOURCES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/fault.h"

#define SOURCE_KNOWN_MS  (60u * 60 * 1000) /* after its last session, a source is still known */
#define SOURCES_IDLE_MAX 8192              /* remembered without a connection, of each kind */

struct source;
struct sources;

struct source_facts {
    uint64_t logins; /* connections that are not logged in yet */
    bool known;      /* a session came from there, lately or now */
    bool owes;       /* more logins failed than a source may have free */
};

struct sources *sources_new(void);
void sources_free(struct sources *sources);
size_t sources_count(const struct sources *sources);

/* Of a newcomer, who is not entered by that. */
struct source_facts source_look(const struct sources *sources, const struct sockaddr *peer,
                                uint64_t now_ms);
struct source_facts source_facts(const struct source *source, uint64_t now_ms);

/* A connection of it gets a slot.  NULL when out of memory: then it is not counted.  All others
 * take NULL too. */
struct source *source_enter(struct sources *sources, const struct sockaddr *peer);
/* It logged in: a session from now on. */
void source_succeed(struct source *source);
/* How much one failed login costs, as time until it is forgotten, and how many are free.  0: no
 * costs. */
struct source_price {
    uint64_t each_ms, free;
};
/* It failed to. */
void source_fail(struct source *source, const struct source_price *price, uint64_t now_ms);
/* The connection ended; `session`: it was logged in.  The source may be gone afterwards. */
void source_leave(struct sources *sources, struct source *source, bool session, uint64_t now_ms);

#endif
