/*
 * Requests and answers about forwards, one at a time: libssh keeps one global request in flight,
 * and an unanswered keepalive takes the same place.  What comes next is forward_list.c's decision;
 * the `forwards` channel is subscription.c's.
 */
#define _GNU_SOURCE
#include "forwards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "connection.h"
#include "forward_list.h"
#include "inquiry.h"
#include "json_text.h"
#include "outbound.h"
#include "retry.h"
#include "ssh/transport.h"
#include "subscription.h"

#define REFUSED_RETRY_MS  30000
#define REQUEST_WITHIN_MS 30000 /* the hub may probe another publisher first */

struct forwards {
    const struct agent_settings *settings;
    bool publish;
    const struct forwards_listener *listener; /* NULL: none */
    void *listener_owner;
    struct forward_list list;
    struct connections *connections;
    struct outbound *outbound;
    uv_timer_t timer;                  /* a refused forward is due again, or an answer is overdue */
    struct transport *transport;       /* NULL: no session */
    struct subscription *subscription; /* with a session */
    bool subscribed;
    bool unexplained;               /* a refusal whose reason was not asked for */
    struct remote_command *inquiry; /* while asking */
    enum forward_work request;      /* under way, for the forward named by the next two */
    char address[HOST_SIZE];
    uint16_t port;
    uint64_t asked_ms;
    uint64_t answers; /* of the hub to requests, in all sessions */
};

static void on_connection_done(void *owner, const struct connection_result *result);
static void on_outbound_changed(void *owner);

struct forwards *forwards_new(uv_loop_t *loop, const struct agent_settings *settings, bool publish)
{
    struct forwards *forwards = calloc(1, sizeof *forwards);
    if (forwards == NULL)
        return NULL;
    forwards->settings = settings;
    forwards->publish = publish;
    forwards->connections = connections_new(loop, settings, on_connection_done, forwards);
    forwards->outbound = outbound_new(loop, settings, on_outbound_changed, forwards);
    if (forwards->connections == NULL || forwards->outbound == NULL) {
        connections_free(forwards->connections);
        outbound_close(forwards->outbound);
        free(forwards);
        return NULL;
    }
    uv_timer_init(loop, &forwards->timer);
    forwards->timer.data = forwards;
    return forwards;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void forwards_close(struct forwards *forwards)
{
    if (forwards == NULL)
        return;
    connections_free(forwards->connections);
    outbound_close(forwards->outbound);
    forward_list_release(&forwards->list);
    uv_close((uv_handle_t *)&forwards->timer, on_closed);
}

void forwards_listen(struct forwards *forwards, const struct forwards_listener *listener,
                     void *owner)
{
    forwards->listener = listener;
    forwards->listener_owner = owner;
}

int forwards_attach(struct forwards *forwards, struct transport *transport, struct fault *fault)
{
    if (subscription_new(transport_session(transport), &forwards->subscription, fault) != 0)
        return -1;
    forwards->transport = transport;
    outbound_attach(forwards->outbound, transport);
    forwards->subscribed = false;
    forwards->request = FORWARD_NOTHING;
    return 0;
}

void forwards_detach(struct forwards *forwards)
{
    if (forwards->transport == NULL)
        return;
    uv_timer_stop(&forwards->timer);
    connections_drop_dialling(forwards->connections);
    outbound_detach(forwards->outbound);
    forward_list_offline(&forwards->list);
    subscription_free(forwards->subscription);
    remote_command_free(forwards->inquiry, false);
    forwards->subscription = NULL;
    forwards->inquiry = NULL;
    forwards->unexplained = false;
    forwards->transport = NULL;
    forwards->request = FORWARD_NOTHING;
    forwards->subscribed = false;
    if (forwards->listener != NULL)
        forwards->listener->on_detached(forwards->listener_owner);
}

bool forwards_say(struct forwards *forwards, const json_t *line)
{
    if (!forwards->subscribed || line == NULL || !subscription_send(forwards->subscription, line))
        return false;
    transport_kick(forwards->transport);
    return true;
}

bool forwards_subscribed(const struct forwards *forwards)
{
    return forwards->subscribed;
}

bool forwards_request_pending(const struct forwards *forwards)
{
    return forwards->request != FORWARD_NOTHING;
}

/* --- the hub's list --------------------------------------------------------------------------- */

static void send_answer(struct forwards *forwards)
{
    json_t *answer = forward_list_answer(&forwards->list);
    if (answer != NULL)
        outbound_answer(forwards->outbound, answer);
    if (answer == NULL || !subscription_send(forwards->subscription, answer))
        log_warning(SAY("the answer to the hub's list was dropped: too much waits to be sent"));
    json_decref(answer);
    transport_kick(forwards->transport);
}

static void on_outbound_changed(void *owner)
{
    struct forwards *forwards = owner;
    if (forwards->subscribed)
        send_answer(forwards);
}

static void log_refusal(const struct forward *forward)
{
    log_warning(KV("forward", forward->port), SAY("not published"), KV("reason", forward->reason));
}

static void log_refusals(const struct forwards *forwards)
{
    for (size_t i = 0; i < forwards->list.count; i++) {
        const struct forward *forward = &forwards->list.items[i];
        if (forward->listed && !forward->allowed)
            log_refusal(forward);
    }
}

static int take_snapshot(struct forwards *forwards, const json_t *line, struct fault *fault)
{
    if (forward_list_apply(&forwards->list, line, &forwards->settings->allow_targets, fault) != 0)
        return -1;
    forwards->subscribed = true;
    if (!forwards->publish)
        return 0;
    if (outbound_take(forwards->outbound, line, fault) != 0)
        return -1;
    log_info(SAY("forwards listed"), KV("generation", forwards->list.generation),
             KV("count", forwards->list.count));
    log_refusals(forwards);
    send_answer(forwards);
    connections_judge(forwards->connections, &forwards->list);
    return 0;
}

static int take_line(struct forwards *forwards, const json_t *line, struct fault *fault)
{
    if (json_object_get(line, "new_key") == NULL && take_snapshot(forwards, line, fault) != 0)
        return -1;
    if (forwards->listener != NULL)
        forwards->listener->on_line(forwards->listener_owner, line);
    return 0;
}

static int read_lines(struct forwards *forwards, struct fault *fault)
{
    for (;;) {
        json_t *line = NULL;
        enum subscription_result result = subscription_step(forwards->subscription, &line, fault);
        if (result == SUBSCRIPTION_WAIT)
            return 0;
        if (result == SUBSCRIPTION_LOST)
            return -1;
        int rc = take_line(forwards, line, fault);
        json_decref(line);
        if (rc != 0)
            return -1;
    }
}

/* --- publishing and cancelling ---------------------------------------------------------------- */

static void published(struct forward *forward)
{
    char target[HOST_PORT_SIZE];
    if (!forward_granted(forward))
        return;
    log_info(KV("forward", forward->port), SAY("published"), KV("address", forward->address),
             KV("target", host_port_format(forward->target.host, forward->target.port, target)));
}

static void refused(struct forwards *forwards, struct forward *forward)
{
    forwards->unexplained = true;
    forward_refused(forward,
                    clock_monotonic_ms() + retry_jitter_ms(REFUSED_RETRY_MS, retry_random()));
    log_warning(KV("forward", forward->port), SAY("refused by the hub"),
                KV("address", forward->address));
}

static void on_answer(struct forwards *forwards, bool granted)
{
    enum forward_work request = forwards->request;
    forwards->request = FORWARD_NOTHING;
    forwards->answers++;
    struct forward *forward = forward_list_find(&forwards->list, forwards->address, forwards->port);
    if (forward == NULL)
        return;
    if (request == FORWARD_CANCEL) {
        forward->state = FORWARD_ABSENT;
        log_info(KV("forward", forward->port), SAY("withdrawn"), KV("address", forward->address));
        forward_list_sweep(&forwards->list);
    } else if (granted) {
        published(forward);
    } else {
        refused(forwards, forward);
        forward_list_sweep(&forwards->list);
    }
}

/* One step of the request under way.  libssh looks at address and port only the first time. */
static int step_request(struct forwards *forwards, struct fault *fault)
{
    ssh_session session = transport_session(forwards->transport);
    int rc = forwards->request == FORWARD_PUBLISH
                 ? ssh_channel_listen_forward(session, forwards->address, forwards->port, NULL)
                 : ssh_channel_cancel_forward(session, forwards->address, forwards->port);
    if (rc == SSH_AGAIN)
        return 0;
    if (rc != SSH_OK && ssh_get_error_code(session) != SSH_REQUEST_DENIED)
        return fault_set(fault, "asking for port %u failed: %s", forwards->port,
                         ssh_get_error(session));
    transport_global_end(forwards->transport);
    on_answer(forwards, rc == SSH_OK);
    return 0;
}

static bool begin_request(struct forwards *forwards)
{
    struct forward *forward = NULL;
    uint64_t now = clock_monotonic_ms();
    if (!forwards->publish || !forwards->subscribed)
        return false;
    enum forward_work work = forward_list_next(&forwards->list, now, &forward);
    if (work == FORWARD_NOTHING || !transport_global_begin(forwards->transport))
        return false;
    forwards->request = work;
    forwards->asked_ms = now;
    text_copy(forwards->address, sizeof forwards->address, forward->address);
    forwards->port = forward->port;
    if (work == FORWARD_PUBLISH)
        forward_list_asked(&forwards->list, forward);
    else
        forward->state = FORWARD_CANCELLING;
    return true;
}

static void on_timer(uv_timer_t *timer)
{
    struct forwards *forwards = timer->data;
    if (forwards->transport != NULL)
        transport_kick(forwards->transport);
}

static void arm_timer(struct forwards *forwards)
{
    uint64_t now = clock_monotonic_ms();
    uint64_t due = forwards->request != FORWARD_NOTHING ? forwards->asked_ms + REQUEST_WITHIN_MS
                                                        : forward_list_retry_ms(&forwards->list);
    if (due == UINT64_MAX)
        uv_timer_stop(&forwards->timer);
    else
        uv_timer_start(&forwards->timer, on_timer, due > now ? due - now : 1, 0);
}

static int do_requests(struct forwards *forwards, struct fault *fault)
{
    while (forwards->request != FORWARD_NOTHING || begin_request(forwards)) {
        if (step_request(forwards, fault) != 0)
            return -1;
        if (forwards->request == FORWARD_NOTHING)
            continue;
        if (clock_monotonic_ms() - forwards->asked_ms >= REQUEST_WITHIN_MS)
            return fault_set(fault, "the hub did not answer about port %u within %d s",
                             forwards->port, REQUEST_WITHIN_MS / 1000);
        break;
    }
    arm_timer(forwards);
    return 0;
}

/* --- reasons ---------------------------------------------------------------------------------- */

static void explained(struct forwards *forwards, const char *reason)
{
    if (outbound_explained(forwards->outbound, reason))
        return;
    log_warning(KV("site", forwards->settings->site), SAY("the hub says why it refused"),
                KV("reason", reason));
    for (size_t i = 0; i < forwards->list.count; i++) {
        struct forward *forward = &forwards->list.items[i];
        if (forward->state == FORWARD_REFUSED && forward->allowed)
            snprintf(forward->reason, sizeof forward->reason, "refused by the hub: %s", reason);
    }
}

/* Once for all that were refused in a row. */
static void ask_why(struct forwards *forwards)
{
    char reason[INQUIRY_REASON_SIZE];
    if (forwards->inquiry == NULL) {
        forwards->unexplained |= outbound_wants_reason(forwards->outbound, clock_monotonic_ms());
        if (!forwards->unexplained || forwards->request != FORWARD_NOTHING ||
            remote_command_new(transport_session(forwards->transport), INQUIRY_COMMAND,
                               &forwards->inquiry) != 0)
            return;
        forwards->unexplained = false;
    }
    enum inquiry_result result = inquiry_step(forwards->inquiry, reason);
    if (result == INQUIRY_WAIT)
        return;
    if (result == INQUIRY_TOLD)
        explained(forwards, reason);
    remote_command_free(forwards->inquiry, true);
    forwards->inquiry = NULL;
}

int forwards_turn(struct forwards *forwards, struct fault *fault)
{
    if (forwards->transport == NULL)
        return 0;
    if (read_lines(forwards, fault) != 0 || do_requests(forwards, fault) != 0)
        return -1;
    outbound_turn(forwards->outbound);
    ask_why(forwards);
    /* Looking for an answer, libssh may have read a line as well. */
    return read_lines(forwards, fault);
}

/* --- connections ------------------------------------------------------------------------------ */

void forwards_message(struct forwards *forwards, ssh_message message)
{
    if (ssh_message_type(message) != SSH_REQUEST_CHANNEL_OPEN ||
        ssh_message_subtype(message) != SSH_CHANNEL_FORWARDED_TCPIP) {
        log_warning(SAY("the hub asked for what an agent does not give"),
                    KV("type", ssh_message_type(message)),
                    KV("subtype", ssh_message_subtype(message)));
        connections_refuse(forwards->transport, message);
        return;
    }
    const char *address = ssh_message_channel_request_open_destination(message);
    int port = ssh_message_channel_request_open_destination_port(message);
    struct forward *forward =
        forward_list_find(&forwards->list, address != NULL ? address : "", (uint16_t)port);
    /* The answer to tcpip-forward and the first visitor may arrive in one turn. */
    if (forward == NULL || !forward->listed || !forward->allowed ||
        (forward->state != FORWARD_PUBLISHED && forward->state != FORWARD_PUBLISHING)) {
        log_warning(KV("forward", port), SAY("connection refused: it is not published"));
        connections_refuse(forwards->transport, message);
        return;
    }
    forward->connections_total++;
    connections_open(forwards->connections, forwards->transport, message, forward);
}

static void report_failure(struct forwards *forwards, struct forward *forward, const char *reason)
{
    if (forwards->subscription == NULL || !forward_may_report(forward, clock_monotonic_ms()))
        return;
    json_t *line =
        json_pack("{s:{s:i, s:s}}", "failed", "port", (int)forward->port, "reason", reason);
    if (line != NULL && subscription_send(forwards->subscription, line))
        transport_kick(forwards->transport);
    json_decref(line);
}

static void on_connection_done(void *owner, const struct connection_result *result)
{
    struct forwards *forwards = owner;
    struct forward *forward = forward_list_find(&forwards->list, result->address, result->port);
    if (forward == NULL)
        return;
    forward->bytes_in += result->bytes_in;
    forward->bytes_out += result->bytes_out;
    if (result->failure == NULL)
        return;
    forward->errors++;
    snprintf(forward->last_error, sizeof forward->last_error, "%s", result->failure);
    report_failure(forwards, forward, result->failure);
}

struct forward_tally forwards_tally(const struct forwards *forwards)
{
    struct forward_tally tally = {.answers = forwards->answers};
    forward_list_tally(&forwards->list, &tally);
    return tally;
}

void forwards_ask_again(struct forwards *forwards)
{
    forward_list_ask_again(&forwards->list, forwards->request != FORWARD_NOTHING);
    if (forwards->transport != NULL)
        transport_kick(forwards->transport);
}

void forwards_judge(struct forwards *forwards)
{
    forward_list_judge(&forwards->list, &forwards->settings->allow_targets);
    connections_judge(forwards->connections, &forwards->list);
    outbound_judge(forwards->outbound);
    if (!forwards->subscribed)
        return;
    log_refusals(forwards);
    send_answer(forwards);
}

/* --- status ----------------------------------------------------------------------------------- */

static json_t *forward_status(const struct forwards *forwards, const struct forward *forward)
{
    char listen[HOST_PORT_SIZE], target[HOST_PORT_SIZE];
    uint64_t count, bytes_in, bytes_out;
    connections_count(forwards->connections, forward->address, forward->port, &count, &bytes_in,
                      &bytes_out);
    bytes_in += forward->bytes_in;
    bytes_out += forward->bytes_out;
    return json_pack("{s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "listen",
                     host_port_format(forward->address, forward->port, listen), "target",
                     host_port_format(forward->target.host, forward->target.port, target), "state",
                     forward_state_name(forward), "reason", json_text_or_null(forward->reason),
                     "connections", (json_int_t)count, "connections_total",
                     (json_int_t)forward->connections_total, "bytes_in", (json_int_t)bytes_in,
                     "bytes_out", (json_int_t)bytes_out, "errors", (json_int_t)forward->errors,
                     "last_error", json_text_or_null(forward->last_error));
}

json_t *forwards_status(const struct forwards *forwards, uint64_t *generation)
{
    json_t *list = json_array();
    for (size_t i = 0; i < forwards->list.count; i++) {
        if (forwards->list.items[i].listed)
            json_array_append_new(list, forward_status(forwards, &forwards->list.items[i]));
    }
    *generation = forwards->list.generation;
    return list;
}

json_t *forwards_outbound_status(const struct forwards *forwards)
{
    return outbound_status(forwards->outbound);
}
