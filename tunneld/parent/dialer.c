/*
 * The dialer process and the dials that wait for it.  It holds nothing that would be missed: it is
 * killed at the hub's end, and whenever it breaks the rules, breaks its pipe or does not answer;
 * the dials under way are then refused.  What is dialled for whom, and whether it may be, is not
 * known here; a socket that comes back is looked at with getsockopt and handed on, never read.
 */
#define _GNU_SOURCE
#include "parent/dialer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/pipe.h"
#include "parent/process.h"

#define DIALS_MAX       256
#define TIMEOUT_MS      10000 /* to resolve, and again to connect */
#define ANSWER_MS       25000 /* later than the dialer itself gives up */
#define READY_WITHIN_MS 20000
#define PAUSE_MIN_MS    100
#define PAUSE_MAX_MS    10000
#define STEADY_MS       60000 /* lived this long: the next failure counts as the first */

enum dialer_state {
    DIALER_ABSENT,   /* no process; the next dial starts one, after the pause if there is one */
    DIALER_STARTING, /* has not said READY */
    DIALER_READY,
    DIALER_ENDING, /* killed; waiting for its end */
};

static const char *const state_names[] = {
    [DIALER_ABSENT] = "absent",
    [DIALER_STARTING] = "starting",
    [DIALER_READY] = "ready",
    [DIALER_ENDING] = "ending",
};

struct call {
    struct dialer *dialer; /* borrowed */
    size_t place;          /* in its calls */
    uint64_t id;
    char host[HOST_SIZE];
    uint16_t port;
    bool sent; /* to the process that runs */
    dial_done *done;
    void *owner;
    struct timeout *deadline;
};

struct dialer {
    struct hub *hub;
    enum dialer_state state;
    uv_process_t process;
    bool running; /* the process has not been reaped */
    struct pipe *pipe;
    struct log_pipe *log;    /* while the process has not been reaped */
    struct timeout *timeout; /* for READY, or the pause before the next start */
    uint64_t started_ms, pause_ms;
    char confinement[MESSAGE_TEXT_SIZE];
    struct call *calls[DIALS_MAX]; /* owned; NULL: a free place */
    size_t call_count;
    uint64_t last_id;
};

static int start(struct dialer *dialer, struct fault *fault);

static bool is_up(const struct dialer *dialer)
{
    return dialer->state == DIALER_STARTING || dialer->state == DIALER_READY;
}

/* --- calls --- */

static struct call *find(const struct dialer *dialer, uint64_t id)
{
    for (size_t i = 0; i < DIALS_MAX; i++) {
        if (dialer->calls[i] && dialer->calls[i]->id == id)
            return dialer->calls[i];
    }
    return NULL;
}

static void call_free(struct call *call)
{
    call->dialer->calls[call->place] = NULL;
    call->dialer->call_count--;
    timeout_clear(&call->deadline);
    free(call);
}

/* The callee may dial again from within. */
static void finish(struct call *call, int descriptor, const char *address, const char *reason)
{
    dial_done *done = call->done;
    void *owner = call->owner;
    log_debug(SAY("dialled"), KV("host", call->host), KV("port", call->port),
              KV("address", address ? address : ""), KV("reason", reason ? reason : ""));
    call_free(call);
    done(owner, descriptor, address, reason);
}

/* All that were sent, or all. */
static void refuse_all(struct dialer *dialer, bool unsent, const char *reason)
{
    for (size_t i = 0; i < DIALS_MAX; i++) {
        struct call *call = dialer->calls[i];
        if (call && (unsent || call->sent))
            finish(call, -1, NULL, reason);
    }
}

static void send_call(struct call *call)
{
    struct message message;
    message_init(&message, MESSAGE_DIAL);
    message.request = call->id;
    (void)text_copy(message.address, sizeof message.address, call->host);
    message.port = call->port;
    message.timeout_ms = TIMEOUT_MS;
    call->sent = true;
    pipe_send(call->dialer->pipe, &message);
}

/* --- the process --- */

/* What it was asked for is lost; the process itself may still be ending. */
static void lose(struct dialer *dialer, const char *reason)
{
    if (!is_up(dialer))
        return;
    dialer->state = DIALER_ENDING;
    timeout_clear(&dialer->timeout);
    if (!dialer->hub->stopping)
        event_say(dialer->hub, "dialer.died", NULL, NULL, NULL, "dialer (pid %d): %s",
                  dialer->process.pid, reason);
    pipe_close(dialer->pipe);
    dialer->pipe = NULL;
    refuse_all(dialer, false, "the hub's dialer ended");
}

static void end(struct dialer *dialer, const char *reason)
{
    if (dialer->running)
        (void)uv_process_kill(&dialer->process, SIGKILL);
    lose(dialer, reason);
}

static void on_broken(void *owner, const char *reason)
{
    end(owner, reason);
}

static void on_not_ready(void *owner)
{
    end(owner, "it did not get ready");
}

static void pause_before_start(struct dialer *dialer);

static void on_pause_over(void *owner)
{
    struct dialer *dialer = owner;
    struct fault fault = {""};
    if (dialer->call_count == 0 || start(dialer, &fault) == 0)
        return;
    log_error(SAY("the dialer cannot be started"), KV("reason", fault.text));
    if (dialer->state == DIALER_ABSENT)
        pause_before_start(dialer);
}

/* Without memory for it there is no pause: the next dial starts the process. */
static void pause_before_start(struct dialer *dialer)
{
    if (clock_monotonic_ms() - dialer->started_ms > STEADY_MS || dialer->pause_ms == 0)
        dialer->pause_ms = PAUSE_MIN_MS;
    else if (dialer->pause_ms < PAUSE_MAX_MS)
        dialer->pause_ms *= 2;
    if (timeout_set(dialer->hub->loop, &dialer->timeout, dialer->pause_ms, on_pause_over, dialer) !=
        0)
        log_error(SAY("the dialer is not started again by itself: out of memory"));
}

static void on_reaped(uv_handle_t *handle)
{
    struct dialer *dialer = handle->data;
    dialer->state = DIALER_ABSENT;
    dialer->hub->workers_alive--;
    if (!dialer->hub->stopping)
        pause_before_start(dialer);
    else if (dialer->hub->workers_alive == 0)
        hub_stopped(dialer->hub);
}

static void on_process_end(uv_process_t *process, int64_t status, int signal_number)
{
    struct dialer *dialer = process->data;
    char reason[64];
    (void)snprintf(reason, sizeof reason, signal_number != 0 ? "signal %d" : "exit code %d",
                   signal_number != 0 ? signal_number : (int)status);
    dialer->running = false;
    log_pipe_close(dialer->log);
    dialer->log = NULL;
    lose(dialer, reason);
    uv_close((uv_handle_t *)process, on_reaped);
}

/* --- what it says --- */

/* 0 and the far end's address; 1: the connection is gone already; -1: it is no connection. */
static int look_at(int descriptor, char *address)
{
    static const struct {
        int option, value;
    } wanted[] = {{SO_TYPE, SOCK_STREAM}, {SO_PROTOCOL, IPPROTO_TCP}, {SO_ACCEPTCONN, 0}};
    struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof peer;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        int value = -1;
        socklen_t size = sizeof value;
        if (getsockopt(descriptor, SOL_SOCKET, wanted[i].option, &value, &size) != 0 ||
            value != wanted[i].value)
            return -1;
    }
    if (getpeername(descriptor, (struct sockaddr *)&peer, &length) != 0)
        return errno == ENOTCONN ? 1 : -1;
    (void)address_format((const struct sockaddr *)&peer, address);
    return 0;
}

static int on_ready(struct dialer *dialer, struct message *message, struct fault *fault)
{
    if (dialer->state != DIALER_STARTING)
        return fault_set(fault, "READY twice");
    timeout_clear(&dialer->timeout);
    dialer->state = DIALER_READY;
    (void)text_copy(dialer->confinement, sizeof dialer->confinement, message->text);
    log_info(SAY("dialer ready"), KV("pid", dialer->process.pid),
             KV("confinement", dialer->confinement));
    return 0;
}

/* One that was cancelled may be answered all the same; one that never was may not. */
static int find_answered(struct dialer *dialer, const struct message *message, struct call **call,
                         struct fault *fault)
{
    *call = find(dialer, message->request);
    if (*call ? !(*call)->sent : message->request == 0 || message->request > dialer->last_id)
        return fault_set(fault, "%s of %llu, which was not asked for", message_name(message->type),
                         (unsigned long long)message->request);
    return 0;
}

static int on_dialled(struct dialer *dialer, struct message *message, struct fault *fault)
{
    char address[HOST_PORT_SIZE];
    struct call *call;
    if (find_answered(dialer, message, &call, fault) != 0)
        return -1;
    if (!call)
        return 0;
    if (message->descriptor < 0) {
        finish(call, -1, NULL, "the hub is out of descriptors");
        return 0;
    }
    int seen = look_at(message->descriptor, address);
    if (seen < 0)
        return fault_set(fault, "DIALLED with something that is no TCP connection");
    if (seen > 0) {
        finish(call, -1, NULL, "the connection was lost at once");
        return 0;
    }
    int descriptor = message->descriptor;
    message->descriptor = -1;
    finish(call, descriptor, address, NULL);
    return 0;
}

static int on_undialled(struct dialer *dialer, struct message *message, struct fault *fault)
{
    struct call *call;
    if (find_answered(dialer, message, &call, fault) != 0)
        return -1;
    if (call)
        finish(call, -1, NULL, message->text);
    return 0;
}

static int (*const rules[MESSAGE_TYPE_END])(struct dialer *dialer, struct message *message,
                                            struct fault *fault) = {
    [MESSAGE_READY] = on_ready,
    [MESSAGE_DIALLED] = on_dialled,
    [MESSAGE_UNDIALLED] = on_undialled,
};

static void on_message(void *owner, struct message *message)
{
    struct dialer *dialer = owner;
    struct fault fault = {""};
    int rc = 0;
    if (is_up(dialer))
        rc = rules[message->type]
                 ? rules[message->type](dialer, message, &fault)
                 : fault_set(&fault, "%s, which no dialer says", message_name(message->type));
    if (message->descriptor >= 0)
        (void)close(message->descriptor);
    if (rc != 0)
        end(dialer, fault.text);
}

/* --- starting it --- */

static void send_settings(const struct dialer *dialer, enum message_type type)
{
    char *text = dialer_settings(dialer->hub);
    struct message message;
    if (!text) {
        log_error(SAY("the dialer gets no settings: out of memory"));
        return;
    }
    message_init(&message, type);
    message.data = (const uint8_t *)text;
    message.data_length = strlen(text);
    pipe_send(dialer->pipe, &message);
    free(text);
}

static int run_process(struct dialer *dialer, int descriptor, struct fault *fault)
{
    dialer->process.data = dialer;
    int rc = process_start(dialer->hub->loop, &dialer->process, "--dialer", NULL, descriptor,
                           &dialer->log, on_process_end);
    dialer->hub->workers_alive++;
    dialer->running = rc == 0;
    if (rc == 0)
        return 0;
    dialer->state = DIALER_ENDING;
    uv_close((uv_handle_t *)&dialer->process, on_reaped);
    pipe_close(dialer->pipe);
    dialer->pipe = NULL;
    return fault_set(fault, "cannot start the dialer: %s", uv_strerror(rc));
}

static int start(struct dialer *dialer, struct fault *fault)
{
    static const struct pipe_handlers handlers = {on_message, on_broken};
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return fault_set(fault, "cannot make a pipe to the dialer: %s", strerror(errno));
    if (pipe_open(dialer->hub->loop, pair[0], TO_PARENT, &handlers, dialer, &dialer->pipe) != 0) {
        (void)close(pair[0]);
        (void)close(pair[1]);
        return fault_set(fault, "cannot talk to the dialer: out of memory");
    }
    dialer->started_ms = clock_monotonic_ms();
    int rc = run_process(dialer, pair[1], fault);
    (void)close(pair[1]);
    if (rc != 0)
        return -1;
    dialer->state = DIALER_STARTING;
    if (timeout_set(dialer->hub->loop, &dialer->timeout, READY_WITHIN_MS, on_not_ready, dialer) !=
        0)
        log_warning(SAY("the dialer starts without a deadline"));
    send_settings(dialer, MESSAGE_HELLO);
    for (size_t i = 0; i < DIALS_MAX; i++) {
        if (dialer->calls[i])
            send_call(dialer->calls[i]);
    }
    return 0;
}

/* --- what the hub asks for --- */

static struct dialer *the_dialer(struct hub *hub)
{
    if (hub->dialer)
        return hub->dialer;
    struct dialer *dialer = calloc(1, sizeof *dialer);
    if (!dialer)
        return NULL;
    dialer->hub = hub;
    hub->dialer = dialer;
    return dialer;
}

static void on_overdue(void *owner)
{
    struct call *call = owner;
    if (call->sent)
        end(call->dialer, "it did not answer in time");
    else
        finish(call, -1, NULL, "the hub's dialer did not start in time");
}

static struct call *call_new(struct dialer *dialer, const char *host, struct fault *fault)
{
    if (dialer->call_count >= DIALS_MAX) {
        fault_set(fault, "%d outbound connections are being dialled: try again later", DIALS_MAX);
        return NULL;
    }
    struct call *call = calloc(1, sizeof *call);
    if (call && !text_copy(call->host, sizeof call->host, host)) {
        free(call);
        fault_set(fault, "a host name of %zu characters is too long", strlen(host));
        return NULL;
    }
    if (!call ||
        timeout_set(dialer->hub->loop, &call->deadline, ANSWER_MS, on_overdue, call) != 0) {
        free(call);
        fault_set(fault, "out of memory for an outbound connection");
        return NULL;
    }
    call->dialer = dialer;
    call->id = ++dialer->last_id;
    while (dialer->calls[call->place])
        call->place++;
    dialer->calls[call->place] = call;
    dialer->call_count++;
    return call;
}

int hub_dial(struct hub *hub, const char *host, uint16_t port, dial_done *done, void *owner,
             uint64_t *id, struct fault *fault)
{
    struct dialer *dialer = the_dialer(hub);
    if (hub->stopping)
        return fault_set(fault, "the hub is stopping");
    if (!dialer)
        return fault_set(fault, "out of memory for the dialer");
    struct call *call = call_new(dialer, host, fault);
    if (!call)
        return -1;
    call->port = port;
    call->done = done;
    call->owner = owner;
    if (is_up(dialer)) {
        send_call(call);
    } else if (dialer->state == DIALER_ABSENT && !dialer->timeout && start(dialer, fault) != 0) {
        call_free(call);
        return -1;
    }
    *id = call->id;
    return 0;
}

void hub_dial_cancel(struct hub *hub, uint64_t id)
{
    struct call *call = hub->dialer ? find(hub->dialer, id) : NULL;
    struct message message;
    if (!call)
        return;
    message_init(&message, MESSAGE_ABANDON);
    message.request = id;
    if (call->sent)
        pipe_send(hub->dialer->pipe, &message);
    call_free(call);
}

void dialer_stop(struct hub *hub)
{
    struct dialer *dialer = hub->dialer;
    if (!dialer)
        return;
    end(dialer, "the hub is stopping");
    timeout_clear(&dialer->timeout);
    refuse_all(dialer, true, "the hub is stopping");
}

void dialer_tell_settings(struct hub *hub)
{
    if (hub->dialer && is_up(hub->dialer))
        send_settings(hub->dialer, MESSAGE_SETTINGS);
}

int dialer_pid(const struct hub *hub)
{
    return hub->dialer && hub->dialer->running ? (int)hub->dialer->process.pid : 0;
}

json_t *dialer_row(const struct hub *hub)
{
    const struct dialer *dialer = hub->dialer;
    if (!dialer || !dialer->running)
        return json_null();
    return json_pack("{s:i, s:I, s:s}", "pid", (int)dialer->process.pid, "dials",
                     (json_int_t)dialer->call_count, "confinement",
                     dialer->state == DIALER_READY ? dialer->confinement
                                                   : state_names[dialer->state]);
}
