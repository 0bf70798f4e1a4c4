/*
 * The outlets of a site: each is one outbound grant, with its listener.  A client's channel and
 * stream are outbound_connection.c's; what the hub dials for it is the hub's to decide.
 */
#define _GNU_SOURCE
#include "outbound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/log.h"
#include "json_text.h"
#include "outbound_connection.h"
#include "outbound_list.h"
#include "site_listener.h"

#define TICK_MS        5000 /* ports that were taken are tried again, silent openings looked at */
#define ASK_AGAIN_MS   1000
#define REASON_SIZE    384
#define REASON_PREFIX  "outbound "
#define REFUSED_BY_HUB "refused by the hub: "

struct outlet {
    TAILQ_ENTRY(outlet) next;
    struct outbound *outbound;
    struct outbound_entry entry;
    char listen[HOST_PORT_SIZE], target[HOST_PORT_SIZE];
    bool listed;                    /* in the newest snapshot; else only its connections end */
    struct site_listener *listener; /* NULL: `reason` says why */
    char reason[REASON_SIZE];
    size_t unfinished; /* connections */
    uint64_t connections_total, bytes_in, bytes_out, errors;
    char last_error[REASON_SIZE];
};

TAILQ_HEAD(outlet_list, outlet);

struct outbound {
    uv_loop_t *loop;
    const struct agent_settings *settings;
    void (*changed)(void *owner);
    void *owner;
    struct outlet_list outlets;
    struct outbound_connections *connections;
    struct transport *transport; /* NULL: no session */
    uv_timer_t timer;
    bool unexplained;
    uint64_t ask_at_ms;
};

/* --- connections --- */

static void sweep(struct outlet *outlet)
{
    if (outlet->listed || outlet->unfinished > 0)
        return;
    TAILQ_REMOVE(&outlet->outbound->outlets, outlet, next);
    free(outlet);
}

static void count_error(struct outlet *outlet, const char *reason)
{
    outlet->errors++;
    snprintf(outlet->last_error, sizeof outlet->last_error, "%s", reason);
    log_debug(KV("outbound", outlet->listen), SAY("error"), KV("reason", outlet->last_error));
}

static void on_connection_done(void *owner, const struct outbound_result *result)
{
    struct outlet *outlet = owner;
    outlet->unfinished--;
    outlet->bytes_in += result->bytes_in;
    outlet->bytes_out += result->bytes_out;
    if (result->failure != NULL) {
        count_error(outlet, result->failure);
        outlet->outbound->unexplained |=
            strncmp(result->failure, REFUSED_BY_HUB, strlen(REFUSED_BY_HUB)) == 0;
    }
    sweep(outlet);
}

static void arm(struct outbound *outbound);

static void on_accepted(void *owner, int socket)
{
    struct outlet *outlet = owner;
    struct outbound *outbound = outlet->outbound;
    if (outbound->transport == NULL) {
        site_listener_reset(socket);
        count_error(outlet, "the hub is not connected");
        return;
    }
    outlet->connections_total++;
    outlet->unfinished++;
    outbound_connections_open(outbound->connections, outbound->transport, socket,
                              &outlet->entry.target, outlet);
    arm(outbound);
}

/* --- listening --- */

static void stop(struct outlet *outlet, const char *reason)
{
    if (outlet->listener == NULL)
        return;
    log_info(KV("outbound", outlet->listen), SAY("no longer listening"),
             KV("target", outlet->target), KV("reason", reason));
    site_listener_close(outlet->listener);
    outlet->listener = NULL;
    outbound_connections_cut(outlet->outbound->connections, outlet, reason);
}

/* True: it listens now, or not any more, or for another reason. */
static bool start(struct outlet *outlet)
{
    struct fault fault = {0};
    struct outbound *outbound = outlet->outbound;
    char before[REASON_SIZE];
    bool listened = outlet->listener != NULL;
    snprintf(before, sizeof before, "%s", outlet->reason);
    if (!agent_listen_allowed(&outbound->settings->allow_listen, &outlet->entry.listen)) {
        fault_set(&fault, "%s is not in allow_listen", outlet->listen);
        stop(outlet, fault.text);
    } else if (!listened && site_listener_open(outbound->loop, &outlet->entry.listen, on_accepted,
                                               outlet, &outlet->listener, &fault) == 0) {
        fault.text[0] = '\0';
    }
    snprintf(outlet->reason, sizeof outlet->reason, "%.380s", fault.text);
    return listened != (outlet->listener != NULL) || strcmp(before, outlet->reason) != 0;
}

static void tell(const struct outlet *outlet)
{
    if (outlet->listener != NULL)
        log_info(KV("outbound", outlet->listen), SAY("listening"), KV("target", outlet->target));
    else
        log_warning(KV("outbound", outlet->listen), SAY("not listening"),
                    KV("target", outlet->target), KV("reason", outlet->reason));
}

/* True: something changed that the hub should know. */
static bool start_all(struct outbound *outbound)
{
    struct outlet *outlet;
    bool changed = false;
    TAILQ_FOREACH(outlet, &outbound->outlets, next)
    {
        if (!outlet->listed || !start(outlet))
            continue;
        tell(outlet);
        changed = true;
    }
    arm(outbound);
    return changed;
}

static bool waits_for_port(const struct outbound *outbound)
{
    const struct outlet *outlet;
    TAILQ_FOREACH(outlet, &outbound->outlets, next)
    {
        if (outlet->listed && outlet->listener == NULL)
            return true;
    }
    return false;
}

static void on_timer(uv_timer_t *timer)
{
    struct outbound *outbound = timer->data;
    bool opening = outbound_connections_check(outbound->connections);
    if (!opening && !waits_for_port(outbound))
        uv_timer_stop(timer);
    else if (start_all(outbound))
        outbound->changed(outbound->owner);
}

/* It stops by itself when there is nothing to wait for. */
static void arm(struct outbound *outbound)
{
    if (!uv_is_active((uv_handle_t *)&outbound->timer))
        uv_timer_start(&outbound->timer, on_timer, TICK_MS, TICK_MS);
}

/* --- life --- */

struct outbound *outbound_new(uv_loop_t *loop, const struct agent_settings *settings,
                              void (*changed)(void *owner), void *owner)
{
    struct outbound *outbound = calloc(1, sizeof *outbound);
    if (outbound == NULL)
        return NULL;
    outbound->connections = outbound_connections_new(settings, on_connection_done);
    if (outbound->connections == NULL) {
        free(outbound);
        return NULL;
    }
    outbound->loop = loop;
    outbound->settings = settings;
    outbound->changed = changed;
    outbound->owner = owner;
    TAILQ_INIT(&outbound->outlets);
    uv_timer_init(loop, &outbound->timer);
    outbound->timer.data = outbound;
    return outbound;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void drop(struct outlet *outlet, const char *reason)
{
    outlet->listed = false;
    outlet->unfinished++; /* its last connection must not free it under our hands */
    stop(outlet, reason);
    outlet->unfinished--;
    sweep(outlet);
}

static void drop_unlisted(struct outbound *outbound, const char *reason)
{
    struct outlet *outlet, *following;
    for (outlet = TAILQ_FIRST(&outbound->outlets); outlet != NULL; outlet = following) {
        following = TAILQ_NEXT(outlet, next);
        if (!outlet->listed)
            drop(outlet, reason);
    }
}

static void unlist_all(struct outbound *outbound)
{
    struct outlet *outlet;
    TAILQ_FOREACH(outlet, &outbound->outlets, next)
    outlet->listed = false;
}

void outbound_close(struct outbound *outbound)
{
    if (outbound == NULL)
        return;
    unlist_all(outbound);
    drop_unlisted(outbound, "the agent ends");
    outbound_connections_free(outbound->connections);
    uv_close((uv_handle_t *)&outbound->timer, on_closed);
}

void outbound_attach(struct outbound *outbound, struct transport *transport)
{
    outbound->transport = transport;
}

void outbound_detach(struct outbound *outbound)
{
    outbound_connections_drop_opening(outbound->connections);
    outbound->transport = NULL;
    outbound->unexplained = false;
}

void outbound_turn(struct outbound *outbound)
{
    outbound_connections_turn(outbound->connections);
}

/* --- the hub's list --- */

static struct outlet *find(const struct outbound *outbound, const struct outbound_entry *entry)
{
    struct outlet *outlet;
    TAILQ_FOREACH(outlet, &outbound->outlets, next)
    {
        if (outbound_entry_same(&outlet->entry, entry))
            return outlet;
    }
    return NULL;
}

static struct outlet *outlet_new(struct outbound *outbound, const struct outbound_entry *entry)
{
    struct outlet *outlet = calloc(1, sizeof *outlet);
    if (outlet == NULL)
        return NULL;
    outlet->outbound = outbound;
    outlet->entry = *entry;
    host_port_format(entry->listen.host, entry->listen.port, outlet->listen);
    host_port_format(entry->target.host, entry->target.port, outlet->target);
    TAILQ_INSERT_TAIL(&outbound->outlets, outlet, next);
    return outlet;
}

/* Those that left go first: a port that moved is free before it is bound again. */
int outbound_take(struct outbound *outbound, const json_t *snapshot, struct fault *fault)
{
    struct outbound_list list;
    if (outbound_list_read(snapshot, &list, fault) != 0)
        return -1;
    unlist_all(outbound);
    for (size_t i = 0; i < list.count; i++) {
        struct outlet *outlet = find(outbound, &list.items[i]);
        if (outlet == NULL)
            outlet = outlet_new(outbound, &list.items[i]);
        if (outlet == NULL)
            return fault_set(fault, "out of memory");
        outlet->listed = true;
    }
    drop_unlisted(outbound, "the grant was removed");
    (void)start_all(outbound);
    return 0;
}

void outbound_judge(struct outbound *outbound)
{
    (void)start_all(outbound);
}

void outbound_answer(const struct outbound *outbound, json_t *answer)
{
    const struct outlet *outlet;
    json_t *refused = json_array();
    TAILQ_FOREACH(outlet, &outbound->outlets, next)
    {
        if (outlet->listed && outlet->listener == NULL)
            json_array_append_new(refused, json_pack("{s:s, s:s}", "listen", outlet->listen,
                                                     "reason", outlet->reason));
    }
    json_object_set_new(answer, "refused_outbound", refused);
}

/* --- reasons --- */

bool outbound_wants_reason(struct outbound *outbound, uint64_t now_ms)
{
    if (!outbound->unexplained || now_ms < outbound->ask_at_ms)
        return false;
    outbound->unexplained = false;
    outbound->ask_at_ms = now_ms + ASK_AGAIN_MS;
    return true;
}

/* "outbound db.example:5432: Connection refused" */
bool outbound_explained(struct outbound *outbound, const char *reason)
{
    static const char start[] = REASON_PREFIX;
    if (strncmp(reason, start, sizeof start - 1) != 0)
        return false;
    reason += sizeof start - 1;
    struct outlet *outlet;
    TAILQ_FOREACH(outlet, &outbound->outlets, next)
    {
        size_t length = strlen(outlet->target);
        if (strncmp(reason, outlet->target, length) != 0 || strncmp(reason + length, ": ", 2) != 0)
            continue;
        snprintf(outlet->last_error, sizeof outlet->last_error, REFUSED_BY_HUB "%.360s",
                 reason + length + 2);
        log_warning(KV("outbound", outlet->listen), SAY("the hub says why it refused"),
                    KV("target", outlet->target), KV("reason", reason + length + 2));
    }
    return true;
}

/* --- status --- */

static const char *state_name(const struct outlet *outlet)
{
    if (outlet->listener == NULL)
        return "refused";
    return outlet->outbound->transport != NULL ? "listening" : "offline";
}

static json_t *outlet_status(const struct outlet *outlet)
{
    uint64_t count, bytes_in, bytes_out;
    outbound_connections_count(outlet->outbound->connections, outlet, &count, &bytes_in,
                               &bytes_out);
    bytes_in += outlet->bytes_in;
    bytes_out += outlet->bytes_out;
    return json_pack("{s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "listen", outlet->listen,
                     "target", outlet->target, "state", state_name(outlet), "reason",
                     json_text_or_null(outlet->reason), "connections", (json_int_t)count,
                     "connections_total", (json_int_t)outlet->connections_total, "bytes_in",
                     (json_int_t)bytes_in, "bytes_out", (json_int_t)bytes_out, "errors",
                     (json_int_t)outlet->errors, "last_error",
                     json_text_or_null(outlet->last_error));
}

json_t *outbound_status(const struct outbound *outbound)
{
    const struct outlet *outlet;
    json_t *list = json_array();
    TAILQ_FOREACH(outlet, &outbound->outlets, next)
    {
        if (outlet->listed)
            json_array_append_new(list, outlet_status(outlet));
    }
    return list;
}
