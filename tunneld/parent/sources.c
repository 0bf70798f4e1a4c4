/*
 * Sources: a table of networks, with two queues of those that have no connection now: known ones
 * and those that owe.  They are forgotten when there is nothing to remember of them, and the
 * longest idle one when there are too many.  Strangers cannot push known ones out.
 */
#define _GNU_SOURCE
#include "parent/sources.h"

#include <netinet/in.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum kind { KNOWN, OWING, KINDS };

struct source {
    uint8_t network[9]; /* family, then 4 or 8 bytes */
    bool idle;
    enum kind kind; /* the queue, while idle */
    uint64_t logins, sessions;
    uint64_t known_until_ms;
    uint64_t paid_ms; /* when the last failed login is forgotten */
    uint64_t free_ms; /* may be owed */
    TAILQ_ENTRY(source) entry;
};

TAILQ_HEAD(source_queue, source);

struct sources {
    void *by_network; /* tsearch(3) */
    size_t count;
    struct source_queue idle[KINDS];
    size_t idle_count[KINDS];
};

struct sources *sources_new(void)
{
    struct sources *sources = calloc(1, sizeof *sources);
    if (!sources)
        return NULL;
    TAILQ_INIT(&sources->idle[KNOWN]);
    TAILQ_INIT(&sources->idle[OWING]);
    return sources;
}

void sources_free(struct sources *sources)
{
    if (!sources)
        return;
    tdestroy(sources->by_network, free);
    free(sources);
}

size_t sources_count(const struct sources *sources)
{
    return sources->count;
}

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

static struct source *find(const struct sources *sources, const struct source *wanted)
{
    struct source *const *found = tfind(wanted, &sources->by_network, compare_networks);
    return found ? *found : NULL;
}

struct source_facts source_facts(const struct source *source, uint64_t now_ms)
{
    if (!source)
        return (struct source_facts){.logins = 0};
    return (struct source_facts){
        .logins = source->logins,
        .known = source->sessions > 0 || source->known_until_ms > now_ms,
        .owes = source->paid_ms > now_ms + source->free_ms,
    };
}

struct source_facts source_look(const struct sources *sources, const struct sockaddr *peer,
                                uint64_t now_ms)
{
    struct source wanted = network_of(peer);
    return source_facts(find(sources, &wanted), now_ms);
}

static void stop_idling(struct sources *sources, struct source *source)
{
    if (!source->idle)
        return;
    source->idle = false;
    TAILQ_REMOVE(&sources->idle[source->kind], source, entry);
    sources->idle_count[source->kind]--;
}

static void forget(struct sources *sources, struct source *source)
{
    stop_idling(sources, source);
    (void)tdelete(source, &sources->by_network, compare_networks);
    sources->count--;
    free(source);
}

static bool is_worth_remembering(const struct source *source, uint64_t now_ms)
{
    return source->known_until_ms > now_ms || source->paid_ms > now_ms;
}

static void start_idling(struct sources *sources, struct source *source, uint64_t now_ms)
{
    struct source *oldest;
    source->kind = source->known_until_ms > now_ms ? KNOWN : OWING;
    source->idle = true;
    TAILQ_INSERT_TAIL(&sources->idle[source->kind], source, entry);
    sources->idle_count[source->kind]++;
    for (int kind = KNOWN; kind < KINDS; kind++) {
        while (
            (oldest = TAILQ_FIRST(&sources->idle[kind])) &&
            (sources->idle_count[kind] > SOURCES_IDLE_MAX || !is_worth_remembering(oldest, now_ms)))
            forget(sources, oldest);
    }
}

static struct source *add(struct sources *sources, const struct source *wanted)
{
    struct source *source = malloc(sizeof *source);
    if (!source)
        return NULL;
    *source = *wanted;
    if (!tsearch(source, &sources->by_network, compare_networks)) {
        free(source);
        return NULL;
    }
    sources->count++;
    return source;
}

struct source *source_enter(struct sources *sources, const struct sockaddr *peer)
{
    struct source wanted = network_of(peer);
    struct source *source = find(sources, &wanted);
    if (!source)
        source = add(sources, &wanted);
    if (!source)
        return NULL;
    stop_idling(sources, source);
    source->logins++;
    return source;
}

void source_succeed(struct source *source)
{
    if (!source)
        return;
    source->logins--;
    source->sessions++;
    source->paid_ms = 0;
}

void source_fail(struct source *source, const struct source_price *price, uint64_t now_ms)
{
    if (!source || source_facts(source, now_ms).known || price->each_ms == 0)
        return;
    source->free_ms = price->each_ms * price->free;
    if (source->paid_ms < now_ms)
        source->paid_ms = now_ms;
    source->paid_ms += price->each_ms;
}

void source_leave(struct sources *sources, struct source *source, bool session, uint64_t now_ms)
{
    if (!source)
        return;
    if (session && --source->sessions == 0)
        source->known_until_ms = now_ms + SOURCE_KNOWN_MS;
    else if (!session)
        source->logins--;
    if (source->logins > 0 || source->sessions > 0)
        return;
    if (is_worth_remembering(source, now_ms))
        start_idling(sources, source, now_ms);
    else
        forget(sources, source);
}
