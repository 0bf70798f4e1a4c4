/*
 * The worker's main: the pipe, HELLO, and one table that says who handles which message.  It ends
 * when it is told to drain and the last session is gone, or when the parent is gone.
 */
#define _GNU_SOURCE
#include "worker/worker.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_output.h"
#include "base/secret.h"
#include "confine/confine.h"
#include "confine/filter.h"
#include "worker/algorithms.h"
#include "worker/command.h"
#include "worker/direct.h"
#include "worker/peer.h"
#include "worker/policies.h"
#include "worker/relay.h"

#define PIPE_DESCRIPTOR 3
#define SECOND_MS       1000
#define TRIM_PEERS_MIN  256

typedef void message_handler(struct office *office, struct message *message);

/* Each peer gets a second of its own to come back in, so that they do not all come at once. */
static void close_with_hint(struct peer *peer, const char *reason, uint64_t spread_s)
{
    char text[2 * MESSAGE_TEXT_SIZE];
    uint32_t random;

    secret_random(&random, sizeof random);
    (void)snprintf(text, sizeof text, "%s; retry after %u s", reason,
                   (unsigned)(1 + random % spread_s));
    peer_close(peer, text);
}

/* Ends every session in order, and with the last of them the process. */
static void stop(struct office *office, const char *reason, uint64_t spread_s)
{
    struct peer *peer;

    office->stopping = true;
    TAILQ_FOREACH(peer, &office->all_peers, all)
    {
        if (spread_s > 0)
            close_with_hint(peer, reason, spread_s);
        else
            peer_close(peer, reason);
    }
    office_stop_if_idle(office);
}

static void give_up(struct office *office, const struct fault *fault)
{
    log_error(SAY("the worker cannot go on"), KV("reason", fault->text));
    office->exit_code = EXIT_FAILURE;
    stop(office, "the worker failed", 0);
}

/* --- what the parent says --- */

/* libssh's own log lines, for those who trace. */
static void on_libssh_log(int priority, const char *function, const char *text, void *userdata)
{
    const struct peer *peer = userdata;

    (void)priority, (void)function;
    if (peer)
        log_trace(KV("session", peer->sid), SAY("libssh"), KV("text", text));
    else
        log_trace(SAY("libssh"), KV("text", text));
}

static void apply_log_settings(const struct office *office)
{
    log_open(office->name, office->settings.log_level, office->settings.log_format);
    ssh_set_log_callback(on_libssh_log);
    transport_match_log();
}

/* For the sessions that begin from now on; libssh gave the others a copy of their own. */
static int import_key(struct office *office, const struct message *message, struct fault *fault)
{
    char *pem = malloc(message->key_length + 1);
    ssh_bind bind = NULL;
    int code;

    if (!pem)
        return fault_set(fault, "out of memory for the host key");
    memcpy(pem, message->key, message->key_length);
    pem[message->key_length] = '\0';
    code = algorithms_bind(pem, office->settings.legacy_mac, &bind, fault);
    secret_wipe(pem, message->key_length);
    free(pem);
    if (code < 0)
        return -1;
    ssh_bind_free(office->bind);
    office->bind = bind;
    return 0;
}

static const char *const NO_FILES[] = {NULL};

static const struct confinement CONFINEMENT = {
    .who = "a worker", .needs = {.readable = NO_FILES}, .install_filter = filter_install_relaying};

static int begin(struct office *office, const struct message *message, struct message *ready,
                 struct fault *fault)
{
    if (office->bind)
        return fault_set(fault, "HELLO came twice");
    if (settings_read(&office->settings, message->data, message->data_length, fault) < 0)
        return -1;
    apply_log_settings(office);
    if (import_key(office, message, fault) < 0)
        return -1;
    return confine(&CONFINEMENT, office->settings.user, ready->text, sizeof ready->text, fault);
}

static void on_hello(struct office *office, struct message *message)
{
    struct fault fault = {""};
    struct message ready;

    message_init(&ready, MESSAGE_READY);
    if (begin(office, message, &ready, &fault) < 0) {
        give_up(office, &fault);
        return;
    }
    office->last_visitor = message->cid;
    log_debug(SAY("ready"), KV("confinement", ready.text));
    office_send(office, &ready);
}

static void on_session(struct office *office, struct message *message)
{
    if (!office->stopping && message->descriptor >= 0) {
        peer_open(office, message->sid, message->peer, message->descriptor);
        return;
    }
    struct message gone;
    message_init(&gone, MESSAGE_GONE);
    gone.sid = message->sid;
    office_text(gone.text, message->descriptor < 0 ? "the worker is out of descriptors"
                                                   : "the hub is stopping");
    office_send(office, &gone);
    if (message->descriptor >= 0)
        close(message->descriptor);
}

static void on_reply(struct office *office, struct message *message)
{
    (void)office_answer(office, message);
}

static void on_attach(struct office *office, struct message *message)
{
    direct_on_attach(office, message);
}

static void on_snapshot(struct office *office, struct message *message)
{
    struct peer *peer = index_find(&office->peers, message->sid);

    if (peer && peer->state == PEER_UP)
        command_on_snapshot(peer, message);
}

static void on_connect(struct office *office, struct message *message)
{
    relay_open(office, message);
}

static void on_listen(struct office *office, struct message *message)
{
    listening_on_listen(office, message);
}

static void on_unlisten(struct office *office, struct message *message)
{
    listening_on_unlisten(office, message);
}

static void on_probe(struct office *office, struct message *message)
{
    struct peer *peer = index_find(&office->peers, message->sid);

    if (peer && peer->state == PEER_UP)
        peer_probe(peer);
}

static void on_close(struct office *office, struct message *message)
{
    struct peer *peer = message->sid ? index_find(&office->peers, message->sid) : NULL;
    struct relay *relay = message->cid ? index_find(&office->relays, message->cid) : NULL;

    if (peer)
        peer_close(peer, message->text);
    else if (relay)
        relay_abort(relay, message->text);
}

static void on_settings(struct office *office, struct message *message)
{
    struct fault fault = {""};
    struct peer *peer;

    if (settings_read(&office->settings, message->data, message->data_length, &fault) < 0 ||
        algorithms_offer_macs(office->bind, office->settings.legacy_mac, &fault) < 0) {
        log_error(SAY("settings are not taken over"), KV("reason", fault.text));
        return;
    }
    apply_log_settings(office);
    TAILQ_FOREACH(peer, &office->all_peers, all)
    peer_mind_settings(peer);
}

static void on_log(struct office *office, struct message *message)
{
    struct peer *peer = index_find(&office->peers, message->sid);
    enum log_level level;

    if (peer)
        transport_set_log_level(peer->transport,
                                log_level_parse(message->text, &level) ? (int)level : LOG_DEFAULT);
}

static void on_policy(struct office *office, struct message *message)
{
    policies_on_policy(office, message);
}

static void on_host_key(struct office *office, struct message *message)
{
    struct fault fault = {""};

    if (import_key(office, message, &fault) < 0)
        give_up(office, &fault); /* the next worker gets it in HELLO */
}

static void on_ping(struct office *office, struct message *message)
{
    struct message pong;

    message_init(&pong, MESSAGE_PONG);
    pong.request = message->request;
    office_send(office, &pong);
}

static void on_drain(struct office *office, struct message *message)
{
    stop(office, message->text, message->count);
}

static message_handler *const message_handlers[MESSAGE_TYPE_END] = {
    [MESSAGE_HELLO] = on_hello,     [MESSAGE_SESSION] = on_session,
    [MESSAGE_REPLY] = on_reply,     [MESSAGE_SNAPSHOT] = on_snapshot,
    [MESSAGE_CONNECT] = on_connect, [MESSAGE_PROBE] = on_probe,
    [MESSAGE_CLOSE] = on_close,     [MESSAGE_SETTINGS] = on_settings,
    [MESSAGE_DRAIN] = on_drain,     [MESSAGE_HOST_KEY] = on_host_key,
    [MESSAGE_LOG] = on_log,         [MESSAGE_ATTACH] = on_attach,
    [MESSAGE_POLICY] = on_policy,   [MESSAGE_PING] = on_ping,
    [MESSAGE_LISTEN] = on_listen,   [MESSAGE_UNLISTEN] = on_unlisten,
};

/* Whose log level holds; NULL: nobody's, or of somebody who is gone. */
static struct peer *subject_of(const struct office *office, const struct message *message)
{
    if (message->sid)
        return index_find(&office->peers, message->sid);
    if (message->request && message->type != MESSAGE_PING)
        return office_asker(office, message->request);
    struct relay *relay = message->cid ? index_find(&office->relays, message->cid) : NULL;
    return relay ? relay_peer(relay) : NULL;
}

static void handle(struct office *office, struct message *message)
{
    const struct peer *subject = subject_of(office, message);

    if (!subject) {
        message_handlers[message->type](office, message);
        return;
    }
    struct transport_scope before = transport_enter(subject->transport);
    message_handlers[message->type](office, message);
    transport_leave(before);
}

static void on_message(void *owner, struct message *message)
{
    struct office *office = owner;
    struct fault fault = {""};

    if (office->bind || message->type == MESSAGE_HELLO || message->type == MESSAGE_DRAIN) {
        handle(office, message);
        return;
    }
    if (message->descriptor >= 0)
        close(message->descriptor);
    fault_set(&fault, "%s came before HELLO", message_name(message->type));
    give_up(office, &fault);
}

static void on_broken(void *owner, const char *reason)
{
    struct office *office = owner;

    log_debug(SAY("the parent is gone"), KV("reason", reason));
    pipe_close(office->pipe);
    office->pipe = NULL;
    stop(office, "the hub stopped", 0);
}

/* --- the process --- */

/* What many sessions have left is given back once half of them are gone: freed memory lies below
 * what is still in use, and the allocator keeps it by itself. */
static void give_memory_back(struct office *office)
{
    if (office->peer_count > office->peer_peak)
        office->peer_peak = office->peer_count;
    if (office->peer_peak < TRIM_PEERS_MIN || office->peer_count > office->peer_peak / 2)
        return;
    office->peer_peak = office->peer_count;
    (void)malloc_trim(0);
}

static void on_second(uv_timer_t *timer)
{
    give_memory_back(timer->data);
    relays_second(timer->data);
}

int office_open(struct office *office, int descriptor, int number)
{
    static const struct pipe_handlers pipe_handlers = {on_message, on_broken};

    (void)snprintf(office->name, sizeof office->name, "tunneld[%d]", number);
    settings_init(&office->settings);
    log_open(office->name, office->settings.log_level, office->settings.log_format);
    TAILQ_INIT(&office->all_peers);
    TAILQ_INIT(&office->all_relays);
    TAILQ_INIT(&office->young);
    TAILQ_INIT(&office->over);
    if (uv_loop_init(&office->loop) < 0)
        return -1;
    if (fcntl(descriptor, F_SETFD, FD_CLOEXEC) < 0 ||
        pipe_open(&office->loop, descriptor, TO_WORKER, &pipe_handlers, office, &office->pipe) <
            0) {
        (void)uv_loop_close(&office->loop);
        return -1;
    }
    deadlines_open(&office->deadlines, &office->loop);
    uv_timer_init(&office->loop, &office->seconds);
    uv_timer_init(&office->loop, &office->moment);
    office->seconds.data = office->moment.data = office;
    uv_timer_start(&office->seconds, on_second, SECOND_MS, SECOND_MS);
    return 0;
}

void office_close(struct office *office)
{
    (void)uv_loop_close(&office->loop);
    ssh_bind_free(office->bind);
}

/* The parent decides when a worker ends; a terminal's Ctrl-C reaches both. */
static void ignore_signals(void)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};

    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        (void)signal(ignored[i], SIG_IGN);
}

int worker_main(int number)
{
    static struct office office;

    /* It was started as /proc/self/exe, and would be called "exe" in process lists. */
    (void)prctl(PR_SET_NAME, "tunneld", 0, 0, 0);
    ignore_signals();
    log_never_wait(true);
    filter_refuse_io_uring();
    if (office_open(&office, PIPE_DESCRIPTOR, number) < 0) {
        log_error(SAY("a worker is started by tunneld, with a pipe on descriptor 3"));
        return EXIT_FAILURE;
    }
    uv_run(&office.loop, UV_RUN_DEFAULT);
    office_close(&office);
    return office.exit_code;
}
