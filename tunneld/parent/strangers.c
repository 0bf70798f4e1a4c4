/*
 * Strangers get slots by the rules of admission.c; this file keeps the slots and speaks to the
 * workers.  When slots are short, one of those who hold one may have to go (random early drop):
 * a few are drawn at random, so that a source that holds many is found by what it holds.  One who
 * is refused still gets a worker for a moment, which tells it in SSH when to come back; those are
 * bounded too, and past that bound a connection is closed without a word.
 */
#define _GNU_SOURCE
#include "parent/strangers.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "parent/admission.h"
#include "parent/workers.h"

#define DRAWS        16
#define PER_WORKER_S 100 /* logins a second, before more were seen */
#define FULL_WAIT_S  30  /* for a hub with all the sessions that it may have */

uint64_t strangers_per_s(const struct hub *hub)
{
    return capacity_per_s(&hub->capacity, PER_WORKER_S * hub->worker_count);
}

/* Somewhere in the time that all sites which are away need to log in. */
static unsigned draw_wait_s(const struct hub *hub)
{
    uint32_t random;
    uint64_t away = hub->site_count - hub->sites_online;
    secret_random(&random, sizeof random);
    return (unsigned)(1 + random % spread_s(away, strangers_per_s(hub)));
}

/* --- slots --- */

static int slot_take(struct session *session)
{
    struct hub *hub = session->hub;
    if (hub->login_count == hub->slot_room) {
        size_t room = hub->slot_room > 0 ? 2 * hub->slot_room : 64;
        struct session **grown = reallocarray(hub->slots, room, sizeof *grown);
        if (!grown)
            return -1;
        hub->slots = grown;
        hub->slot_room = room;
    }
    session->slot = hub->login_count;
    session->has_slot = true;
    hub->slots[hub->login_count++] = session;
    return 0;
}

void stranger_leave(struct session *session)
{
    struct hub *hub = session->hub;
    if (!session->has_slot)
        return;
    struct session *last = hub->slots[--hub->login_count];
    hub->slots[session->slot] = last;
    last->slot = session->slot;
    session->has_slot = false;
    if (!session->authenticated)
        hub->leaving_count++;
}

static struct slot_holder holder_of(const struct session *session, uint64_t now_ms)
{
    return (struct slot_holder){.source = source_facts(session->source, now_ms),
                                .held_ms = now_ms - session->since_ms};
}

/* One that goes for the newcomer, or NULL. */
static struct session *draw_yielding(const struct hub *hub, const struct source_facts *newcomer,
                                     uint64_t now_ms)
{
    uint32_t random[DRAWS];
    struct session *first = NULL;
    struct slot_holder worst = {.held_ms = 0};
    secret_random(random, sizeof random);
    for (size_t i = 0; i < DRAWS && i < hub->login_count; i++) {
        size_t at = hub->login_count <= DRAWS ? i : random[i] % hub->login_count;
        struct slot_holder holder = holder_of(hub->slots[at], now_ms);
        if (first && !admission_goes_first(&holder, &worst))
            continue;
        first = hub->slots[at];
        worst = holder;
    }
    return first && admission_yields(&worst, newcomer) ? first : NULL;
}

/* --- sending away --- */

static bool has_room_to_tell(const struct hub *hub)
{
    return hub->leaving_count < STRANGERS_LEAVING + hub->settings.max_logins / 4;
}

static void close_with_hint(struct session *session, const char *reason, unsigned wait_s)
{
    char text[REASON_SIZE];
    (void)snprintf(text, sizeof text, "%s; retry after %u s", reason, wait_s);
    session_close(session, text);
}

static void turn_away(struct hub *hub, int descriptor, const struct sockaddr *peer,
                      const char *reason)
{
    char text[HOST_PORT_SIZE];
    hub->refused_logins++;
    hub->refused_lately++;
    log_debug(KV("peer", address_format(peer, text)), SAY("turned away"), KV("reason", reason));
    (void)close(descriptor);
}

static const char *const busy = "the hub is busy";

static void refuse(struct hub *hub, int descriptor, const struct sockaddr *peer, const char *reason,
                   unsigned wait_s)
{
    struct worker *worker = has_room_to_tell(hub) ? workers_choose(hub) : NULL;
    struct session *session = worker ? session_begin(worker, peer) : NULL;
    if (!session) {
        turn_away(hub, descriptor, peer, reason);
        return;
    }
    hub->leaving_count++;
    session_hand_over(session, descriptor);
    close_with_hint(session, reason, wait_s);
}

static void admit(struct hub *hub, int descriptor, const struct sockaddr *peer)
{
    struct worker *worker = workers_choose(hub);
    struct session *session = worker ? session_begin(worker, peer) : NULL;
    if (!session || slot_take(session) != 0) {
        if (session)
            session_drop(session);
        turn_away(hub, descriptor, peer, worker ? "out of memory" : "no worker lives");
        return;
    }
    session->source = source_enter(hub->sources, peer);
    log_debug(KV("session", session->id), SAY("accepted"), KV("peer", session->peer),
              KV("worker", worker->number));
    session_hand_over(session, descriptor);
}

void stranger_accept(void *owner, int descriptor, const struct sockaddr *peer)
{
    struct hub *hub = owner;
    uint64_t now_ms = clock_monotonic_ms();
    struct source_facts facts = source_look(hub->sources, peer, now_ms);
    enum admission verdict = admission_judge(&facts, hub->login_count, hub->settings.max_logins);
    struct session *yielding = NULL;
    if (hub->session_count >= hub->settings.max_sessions) {
        refuse(hub, descriptor, peer, "the hub has as many sessions as it may have", FULL_WAIT_S);
        return;
    }
    if (verdict == ADMIT_FOR_ANOTHER && has_room_to_tell(hub))
        yielding = draw_yielding(hub, &facts, now_ms);
    if (yielding)
        close_with_hint(yielding, busy, draw_wait_s(hub));
    if (verdict == ADMIT || yielding)
        admit(hub, descriptor, peer);
    else if (verdict == REFUSE_OWING)
        turn_away(hub, descriptor, peer, "too many failed logins from there");
    else
        refuse(hub, descriptor, peer, busy, draw_wait_s(hub));
}

void stranger_forget(struct session *session)
{
    struct hub *hub = session->hub;
    uint64_t now_ms = clock_monotonic_ms();
    const struct source_price price = {hub->settings.login_penalty_ms,
                                       hub->settings.login_failures};
    stranger_leave(session);
    if (!session->authenticated) {
        hub->leaving_count--;
        hub->refused_logins++;
        hub->refused_lately++;
        if (session->by_itself)
            source_fail(session->source, &price, now_ms);
    }
    source_leave(hub->sources, session->source, session->authenticated, now_ms);
    session->source = NULL;
}

void strangers_release(struct hub *hub)
{
    sources_free(hub->sources);
    free(hub->slots);
}
