/*
 * Young visits, and those that are over.  What becomes of a relay is relay.c's business.
 */
#define _GNU_SOURCE
#include "worker/visits.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/kept_text.h"
#include "base/text.h"
#include "worker/relay.h"

#define VISITOR_SIZE 96 /* an address literal with its scope and port */
#define MOMENT_MS    50
#define OVER_MAX     256 /* that the parent is told of together */

struct visit {
    TAILQ_ENTRY(visit) next; /* in `young`, then in `over` */
    struct office *office;
    struct relay *relay;
    uint64_t cid, sid, port, generation, since_ms;
    uint64_t duration_ms, in, out; /* once it is over */
    char *reason;                  /* kept_text.h */
    char from[VISITOR_SIZE];
};

static void on_moment(uv_timer_t *timer)
{
    struct office *office = timer->data;
    struct visit *visit;

    visits_flush(office);
    while ((visit = TAILQ_FIRST(&office->young)))
        relay_introduce(visit->relay);
}

static void await_moment(struct office *office)
{
    if (!uv_is_active((uv_handle_t *)&office->moment))
        uv_timer_start(&office->moment, on_moment, MOMENT_MS, 0);
}

struct visit *visit_new(struct office *office, struct relay *relay, const struct message *message)
{
    struct visit *visit = malloc(sizeof *visit);

    if (!visit)
        return NULL;
    *visit = (struct visit){
        .office = office,
        .relay = relay,
        .cid = message->cid,
        .sid = message->sid,
        .port = message->port,
        .generation = message->generation,
        .since_ms = clock_monotonic_ms(),
    };
    (void)text_copy(visit->from, sizeof visit->from, message->peer);
    TAILQ_INSERT_TAIL(&office->young, visit, next);
    await_moment(office);
    return visit;
}

void visit_introduce(struct visit **place, enum verdict answered, int descriptor)
{
    struct visit *visit = *place;
    struct message message;

    if (!visit)
        return;
    *place = NULL;
    message_init(&message, MESSAGE_VISITOR);
    message.cid = visit->cid;
    message.sid = visit->sid;
    message.port = visit->port;
    message.generation = visit->generation;
    message.count = clock_monotonic_ms() - visit->since_ms;
    message.code = (uint64_t)answered;
    message.descriptor = descriptor;
    office_text(message.peer, visit->from);
    office_send(visit->office, &message);
    TAILQ_REMOVE(&visit->office->young, visit, next);
    free(visit);
}

void visit_end(struct visit **place, uint64_t in, uint64_t out, const char *reason)
{
    struct visit *visit = *place;
    struct office *office = visit->office;

    *place = NULL;
    visit->relay = NULL;
    visit->duration_ms = clock_monotonic_ms() - visit->since_ms;
    visit->in = in;
    visit->out = out;
    kept_text_set(&visit->reason, reason);
    TAILQ_REMOVE(&office->young, visit, next);
    TAILQ_INSERT_TAIL(&office->over, visit, next);
    if (++office->over_count >= OVER_MAX)
        visits_flush(office);
}

static void tell_over(struct visit *visit)
{
    struct message message;

    message_init(&message, MESSAGE_VISITED);
    message.cid = visit->cid;
    message.sid = visit->sid;
    message.port = visit->port;
    message.count = visit->duration_ms;
    message.bytes_in = visit->in;
    message.bytes_out = visit->out;
    office_text(message.peer, visit->from);
    office_text(message.text, kept_text(visit->reason));
    office_send(visit->office, &message);
}

void visits_flush(struct office *office)
{
    struct visit *visit;

    while ((visit = TAILQ_FIRST(&office->over))) {
        tell_over(visit); /* NOLINT(clang-analyzer-unix.Malloc): off the list */
        TAILQ_REMOVE(&office->over, visit, next);
        kept_text_drop(&visit->reason);
        free(visit);
    }
    office->over_count = 0;
}
