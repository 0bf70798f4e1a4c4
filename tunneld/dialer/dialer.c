/*
 * The dialer's main: the pipe, HELLO, and the dials that the parent asked for.  Names are resolved
 * by the C library in libuv's threads, which share nothing of ours; each address that comes out is
 * judged, and the judged one is dialled.  It retries nothing and remembers nothing.
 */
#define _GNU_SOURCE
#include "dialer/dialer.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_output.h"
#include "base/text.h"
#include "confine/confine.h"
#include "confine/filter.h"
#include "dialer/own_addresses.h"
#include "ipc/pipe.h"
#include "net/dial.h"

#define PIPE_DESCRIPTOR 3
#define DIALS_MAX       256
/* libuv resolves in half of its threads: so many names that nobody answers for hold up the rest. */
#define THREADS "32"

/* One dial that the parent waits for. */
struct call {
    TAILQ_ENTRY(call) entry;
    struct dialer *dialer; /* borrowed */
    uint64_t request;
    bool literal; /* the grant names an address */
    struct dial *dial;
};

TAILQ_HEAD(call_list, call);

struct dialer {
    uv_loop_t loop;
    struct pipe *pipe;
    struct call_list calls;
    size_t call_count;
    struct own_addresses own;
    bool greeted;
    int exit_code;
};

static void call_free(struct call *call)
{
    TAILQ_REMOVE(&call->dialer->calls, call, entry);
    call->dialer->call_count--;
    free(call);
}

/* The loop ends when the last name in question was resolved, or was not. */
static void stop(struct dialer *dialer)
{
    struct call *next;

    for (struct call *call = TAILQ_FIRST(&dialer->calls); call; call = next) {
        next = TAILQ_NEXT(call, entry);
        dial_cancel(call->dial);
        call_free(call);
    }
    pipe_close(dialer->pipe);
    dialer->pipe = NULL;
}

static void give_up(struct dialer *dialer, const struct fault *fault)
{
    log_error(SAY("the dialer cannot go on"), KV("reason", fault->text));
    dialer->exit_code = EXIT_FAILURE;
    stop(dialer);
}

/* --- answers --- */

static void refuse(const struct dialer *dialer, uint64_t request, const char *reason)
{
    struct message message;

    message_init(&message, MESSAGE_UNDIALLED);
    message.request = request;
    (void)snprintf(message.text, sizeof message.text, "%.*s", MESSAGE_TEXT_SIZE - 1, reason);
    for (char *c = message.text; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
    pipe_send(dialer->pipe, &message);
}

static void on_connected(void *owner, int socket)
{
    struct call *call = owner;
    struct message message;

    message_init(&message, MESSAGE_DIALLED);
    message.request = call->request;
    message.descriptor = socket;
    pipe_send(call->dialer->pipe, &message);
    close(socket);
    call_free(call);
}

static void on_failed(void *owner, const char *reason)
{
    struct call *call = owner;

    refuse(call->dialer, call->request, reason);
    call_free(call);
}

static const char *judge(void *owner, const struct sockaddr *address)
{
    struct call *call = owner;
    struct own_addresses *own = &call->dialer->own;
    static char why[128]; /* copied by the caller */

    if (!call->literal && own_addresses_read(own, clock_monotonic_ms()) < 0)
        return "the hub does not know its own addresses at the moment";
    const char *kind = dial_forbidden(address, call->literal, own->items, own->count);
    if (!kind)
        return NULL;
    (void)snprintf(why, sizeof why, "this is %s, which is dialled only where the grant names it",
                   kind);
    return why;
}

/* --- what the parent says --- */

static void on_dial(struct dialer *dialer, const struct message *message)
{
    static const struct dial_handlers handlers = {NULL, on_connected, on_failed, judge};
    struct host_port to = {.port = (uint16_t)message->port};
    struct fault fault = {""};
    struct call *call;

    if (dialer->call_count >= DIALS_MAX) {
        refuse(dialer, message->request, "too many outbound connections are being dialled");
        return;
    }
    if (!text_copy(to.host, sizeof to.host, message->address)) {
        refuse(dialer, message->request, "the host's name is too long");
        return;
    }
    call = calloc(1, sizeof *call);
    if (!call) {
        refuse(dialer, message->request, "out of memory");
        return;
    }
    *call = (struct call){
        .dialer = dialer, .request = message->request, .literal = address_is_literal(to.host)};
    TAILQ_INSERT_TAIL(&dialer->calls, call, entry);
    dialer->call_count++;
    if (dial_start(&dialer->loop, &to, message->timeout_ms, &handlers, call, &call->dial, &fault) !=
        0)
        on_failed(call, fault.text);
}

static void on_abandon(struct dialer *dialer, const struct message *message)
{
    struct call *call;

    TAILQ_FOREACH(call, &dialer->calls, entry)
    {
        if (call->request != message->request)
            continue;
        dial_cancel(call->dial);
        call_free(call);
        return;
    }
}

static int name_own(struct dialer *dialer, const json_t *list, struct fault *fault)
{
    size_t i;
    const json_t *entry;

    own_addresses_release(&dialer->own);
    json_array_foreach(list, i, entry)
    {
        const char *host = json_string_value(entry);
        if (!host || own_addresses_name(&dialer->own, host) < 0)
            return fault_set(fault, "the hub's own addresses are malformed, or memory is out");
    }
    return 0;
}

/* `user` (MESSAGE_TEXT_SIZE): whom to become. */
static int take_settings(struct dialer *dialer, const struct message *message, char *user,
                         struct fault *fault)
{
    const char *level_name, *format_name, *user_name;
    json_t *own;
    enum log_level level;
    enum log_format format;
    int code = -1;
    json_t *settings = json_loadb((const char *)message->data, message->data_length, 0, NULL);

    if (!settings ||
        json_unpack(settings, "{s:s, s:s, s:s, s:o}", "log_level", &level_name, "log_format",
                    &format_name, "user", &user_name, "own", &own) < 0 ||
        !log_level_parse(level_name, &level) || !log_format_parse(format_name, &format) ||
        !text_copy(user, MESSAGE_TEXT_SIZE, user_name)) {
        fault_set(fault, "the dialer's settings are malformed");
    } else {
        log_open("tunneld[dialer]", level, format);
        code = name_own(dialer, own, fault);
    }
    json_decref(settings);
    return code;
}

static void on_settings(struct dialer *dialer, const struct message *message)
{
    char user[MESSAGE_TEXT_SIZE];
    struct fault fault = {""};

    if (take_settings(dialer, message, user, &fault) < 0)
        give_up(dialer, &fault);
}

static void on_hello(struct dialer *dialer, const struct message *message)
{
    const struct confinement confinement = {
        .who = "the dialer",
        .threads = true,
        .needs = {.readable = confine_resolver_files, .connects = true},
        .install_filter = filter_install_dialling,
    };
    char user[MESSAGE_TEXT_SIZE];
    struct fault fault = {""};
    struct message ready;

    message_init(&ready, MESSAGE_READY);
    if (take_settings(dialer, message, user, &fault) < 0 ||
        confine(&confinement, user, ready.text, sizeof ready.text, &fault) < 0) {
        give_up(dialer, &fault);
        return;
    }
    dialer->greeted = true;
    log_debug(SAY("ready"), KV("confinement", ready.text));
    pipe_send(dialer->pipe, &ready);
}

static const struct {
    void (*handle)(struct dialer *dialer, const struct message *message);
    bool first; /* HELLO, and HELLO alone, comes first */
} rules[MESSAGE_TYPE_END] = {
    [MESSAGE_HELLO] = {on_hello, true},
    [MESSAGE_SETTINGS] = {on_settings, false},
    [MESSAGE_DIAL] = {on_dial, false},
    [MESSAGE_ABANDON] = {on_abandon, false},
};

static void on_message(void *owner, struct message *message)
{
    struct dialer *dialer = owner;
    struct fault fault = {""};

    if (rules[message->type].handle && rules[message->type].first != dialer->greeted) {
        rules[message->type].handle(dialer, message);
        return;
    }
    if (message->descriptor >= 0)
        close(message->descriptor);
    fault_set(&fault, "%s is not for the dialer, or came at the wrong time",
              message_name(message->type));
    give_up(dialer, &fault);
}

static void on_broken(void *owner, const char *reason)
{
    log_debug(SAY("the parent is gone"), KV("reason", reason));
    stop(owner);
}

/* --- the process --- */

static int dialer_open(struct dialer *dialer)
{
    static const struct pipe_handlers handlers = {on_message, on_broken};

    TAILQ_INIT(&dialer->calls);
    if (uv_loop_init(&dialer->loop) < 0)
        return -1;
    if (fcntl(PIPE_DESCRIPTOR, F_SETFD, FD_CLOEXEC) == 0 &&
        pipe_open(&dialer->loop, PIPE_DESCRIPTOR, TO_WORKER, &handlers, dialer, &dialer->pipe) == 0)
        return 0;
    (void)uv_loop_close(&dialer->loop);
    return -1;
}

/* The parent decides when the dialer ends; a terminal's Ctrl-C reaches both. */
static void ignore_signals(void)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};

    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        (void)signal(ignored[i], SIG_IGN);
}

int dialer_main(void)
{
    static struct dialer dialer;

    /* It was started as /proc/self/exe, and would be called "exe" in process lists. */
    (void)prctl(PR_SET_NAME, "tunneld", 0, 0, 0);
    ignore_signals();
    log_never_wait(true);
    filter_refuse_io_uring();
    log_open("tunneld[dialer]", LOG_INFO, LOG_TEXT);
    if (setenv("UV_THREADPOOL_SIZE", THREADS, 1) != 0 || dialer_open(&dialer) < 0) {
        log_error(SAY("the dialer is started by tunneld, with a pipe on descriptor 3"));
        return EXIT_FAILURE;
    }
    uv_run(&dialer.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&dialer.loop);
    own_addresses_release(&dialer.own);
    return dialer.exit_code;
}
