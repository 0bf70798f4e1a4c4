/*
 * The SSH port as a whole, as a stranger finds it: the worker's own code with one session, a client
 * that sends what the input says (ssh_records.h), and a parent at the other end of the pipe that
 * answers as the input says.  Beside memory errors, leaks and hangs it is a finding when the parent
 * is asked for what only who is logged in may have, when somebody is up whom it did not let in,
 * when a key is called proven that never signed, or when a session does not end.
 *
 * Time is the input's, and so is chance: an input does the same each time.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <openssl/rand.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "ssh_client.h"
#include "worker/algorithms.h"
#include "worker/office.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* RAND_METHOD */

#define TURNS_MAX   40    /* of the loop, for one record */
#define END_MS      70000 /* longer than the grace time for logging in */
#define ENDS_MAX    8     /* sockets that the parent gives away in one run */
#define SID         7
#define START_MS    (1000 * 1000)
#define QUARTER_MS  250
#define NANOSECONDS 1000000

static struct {
    struct office office;
    struct pipe *parent;
    struct client *client;
    int line;           /* the client's end */
    int ends[ENDS_MAX]; /* the parent's, of what it gave away */
    size_t end_count;
    enum verdict verdict;
    uint64_t last_cid;
    bool signed_once, partial, admitted, up, gone, drained; /* what the parent knows */
} run;

static uint64_t now_ms = START_MS;
static uint64_t chance;
static ssh_key host_key;

static void must(bool fine)
{
    if (!fine)
        abort();
}

/* --- time and chance --- */

/* In place of libc's, for the worker and the libraries under it. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE && clock != CLOCK_BOOTTIME)
        return (int)syscall(SYS_clock_gettime, clock, now);
    now->tv_sec = (time_t)(now_ms / 1000);
    now->tv_nsec = (long)(now_ms % 1000) * NANOSECONDS;
    return 0;
}

static int not_random(unsigned char *bytes, int length)
{
    for (int i = 0; i < length; i++) {
        chance = chance * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (unsigned char)(chance >> 56);
    }
    return 1;
}

static int always(void)
{
    return 1;
}

static const RAND_METHOD fixed_chance = {
    .bytes = not_random, .pseudorand = not_random, .status = always};

/* --- the parent --- */

/* A socket of which the parent keeps the other end until the run is over; -1: no more. */
static int give_socket(void)
{
    int pair[2];

    if (run.end_count == ENDS_MAX || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    must(write(pair[0], "hello", 5) == 5);
    if (run.verdict == VERDICT_PARTIAL)
        (void)shutdown(pair[0], SHUT_WR);
    run.ends[run.end_count++] = pair[0];
    must(fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0);
    return pair[1];
}

static void send_with_socket(struct message *message)
{
    message->descriptor = give_socket();
    if (message->descriptor < 0)
        return;
    pipe_send(run.parent, message);
    (void)close(message->descriptor);
}

static void attach(uint64_t request)
{
    struct message message;

    message_init(&message, MESSAGE_ATTACH);
    message.request = request;
    message.cid = run.verdict == VERDICT_OPERATOR ? 0 : ++run.last_cid;
    send_with_socket(&message);
}

static void reply(const struct message *question)
{
    static const char said[] = "{\"generation\":1,\"forwards\":[]}\n";
    struct message message;

    if (question->type == MESSAGE_OPEN && run.verdict != VERDICT_REFUSED) {
        attach(question->request);
        return;
    }
    message_init(&message, MESSAGE_REPLY);
    message.request = question->request;
    message.code = run.verdict;
    message.port = 8443;
    if (run.verdict == VERDICT_REFUSED)
        strcpy(message.text, "not granted");
    message.data = (const uint8_t *)said;
    message.data_length = sizeof said - 1;
    pipe_send(run.parent, &message);
}

static void on_identify(const struct message *message)
{
    if ((message->flags & MESSAGE_PROVEN) == 0)
        return;
    must(run.signed_once);
    if (run.verdict == VERDICT_PARTIAL)
        run.partial = true;
    else if (run.verdict != VERDICT_REFUSED)
        run.admitted = true;
}

static void on_message(void *owner, struct message *message)
{
    (void)owner;
    must(message->sid == SID || message->sid == 0);
    must(!run.gone || message->type == MESSAGE_CLOSED || message->type == MESSAGE_STATS ||
         message->type == MESSAGE_OPENED);
    switch (message->type) {
    case MESSAGE_GONE:
        run.gone = true;
        return;
    case MESSAGE_UP:
        must(run.admitted && !run.up);
        run.up = true;
        return;
    case MESSAGE_IDENTIFY:
        must(!run.up);
        on_identify(message);
        break;
    case MESSAGE_REDEEM:
        must(run.partial && !run.up);
        run.admitted = run.admitted || run.verdict == VERDICT_GRANTED;
        break;
    case MESSAGE_OPENED: /* of a CONNECT that came too early, a refusal */
    case MESSAGE_CLOSED:
    case MESSAGE_PONG:
    case MESSAGE_STATS:
        return;
    default:
        must(run.up);
        break;
    }
    if (message->request != 0)
        reply(message);
}

static void on_broken(void *owner, const char *reason)
{
    (void)owner, (void)reason;
    must(run.drained); /* a worker's messages are well-formed, whatever a stranger sent */
}

static void connect_visitor(const struct record *record)
{
    struct message message;

    message_init(&message, MESSAGE_CONNECT);
    message.cid = ++run.last_cid;
    message.sid = SID;
    message.port = 8443;
    message.timeout_ms = 5000;
    strcpy(message.address, "localhost");
    strcpy(message.peer, "192.0.2.9:40001");
    message.data = record->payload;
    message.data_length = record->length;
    send_with_socket(&message);
}

/* What the parent says without having been asked. */
static void say_unasked(const struct record *record)
{
    static const enum message_type types[] = {MESSAGE_PROBE, MESSAGE_SNAPSHOT, MESSAGE_POLICY,
                                              MESSAGE_CLOSE, MESSAGE_DRAIN,    MESSAGE_PING};
    size_t number = record->what % (sizeof types / sizeof *types + 1);
    struct message message;

    if (number == sizeof types / sizeof *types) {
        connect_visitor(record);
        return;
    }
    message_init(&message, types[number]);
    message.sid = SID;
    message.generation = 1;
    message.flags = run.verdict & MESSAGE_LAST;
    message.port = 8443;
    message.rate_in = message.rate_out = record->length;
    strcpy(message.text, "the parent said so");
    message.data = record->payload;
    message.data_length = record->length;
    run.drained = run.drained || message.type == MESSAGE_DRAIN;
    pipe_send(run.parent, &message);
}

/* --- the line --- */

static void hear(void)
{
    uint8_t bytes[16384];
    ssize_t length;

    while ((length = recv(run.line, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        client_hear(run.client, bytes, (size_t)length);
}

static bool is_idle(void)
{
    struct pollfd events = {.fd = uv_backend_fd(&run.office.loop), .events = POLLIN};

    return uv_backend_timeout(&run.office.loop) != 0 && poll(&events, 1, 0) == 0;
}

/* Until there is nothing to do: two turns at least, for what libuv has not told the kernel yet. */
static void turn(void)
{
    for (int i = 0; i < TURNS_MAX && (i < 2 || !is_idle()); i++) {
        (void)uv_run(&run.office.loop, UV_RUN_NOWAIT);
        hear();
    }
}

static void pass_time(uint64_t ms)
{
    now_ms += ms;
    turn();
}

static void say(const struct record *record)
{
    uint8_t wire[CLIENT_WIRE_MAX];
    size_t length = client_say(run.client, record, wire);
    size_t first = record->how & RECORD_HALVES ? length / 2 : 0;

    if (RECORD_KIND(record->how) == RECORD_SIGNED)
        run.signed_once = true;
    if (first > 0 && send(run.line, wire, first, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        turn();
    (void)send(run.line, wire + first, length - first, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void take(const struct record *record)
{
    run.verdict = (enum verdict)RECORD_VERDICT(record->how);
    if (RECORD_KIND(record->how) == RECORD_TIME)
        now_ms += (uint64_t)record->what * QUARTER_MS;
    else if (RECORD_KIND(record->how) == RECORD_PARENT)
        say_unasked(record);
    else
        say(record);
    if ((record->how & RECORD_AT_ONCE) == 0)
        turn();
}

/* --- a run --- */

static void begin_session(void)
{
    struct message message;
    int pair[2];

    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    run.line = pair[0];
    message_init(&message, MESSAGE_SESSION);
    message.sid = SID;
    strcpy(message.peer, "192.0.2.7:50122");
    message.descriptor = pair[1];
    pipe_send(run.parent, &message);
    (void)close(pair[1]);
    turn();
}

/* The pem is what HELLO would bring; HELLO itself would confine this process. */
static void bind_key(void)
{
    struct fault fault;
    char *pem = NULL;

    must(ssh_pki_export_privkey_base64(host_key, NULL, NULL, NULL, &pem) == SSH_OK);
    must(algorithms_bind(pem, true, &run.office.bind, &fault) == 0);
    ssh_string_free_char(pem);
}

static void open_run(void)
{
    static const struct pipe_handlers handlers = {on_message, on_broken};
    int pair[2];

    memset(&run, 0, sizeof run);
    now_ms = START_MS;
    chance = 1;
    run.client = client_new();
    must(run.client && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    must(office_open(&run.office, pair[1], 1) == 0);
    must(pipe_open(&run.office.loop, pair[0], TO_PARENT, &handlers, NULL, &run.parent) == 0);
    run.office.settings.log_level = LOG_ERROR;
    log_open("fuzz", LOG_ERROR, LOG_TEXT);
    bind_key();
    begin_session();
}

/* The client goes away, and then the parent: nothing is left of either. */
static void close_run(void)
{
    (void)close(run.line);
    run.line = -1;
    for (size_t i = 0; i < run.end_count; i++)
        (void)close(run.ends[i]);
    turn();
    pass_time(END_MS);
    pass_time(END_MS);
    must(run.gone && TAILQ_EMPTY(&run.office.all_peers) && TAILQ_EMPTY(&run.office.all_relays));
    pipe_close(run.parent);
    for (int i = 0; i < TURNS_MAX && uv_loop_alive(&run.office.loop); i++)
        (void)uv_run(&run.office.loop, UV_RUN_NOWAIT);
    must(!uv_loop_alive(&run.office.loop) && uv_loop_close(&run.office.loop) == 0);
    ssh_bind_free(run.office.bind);
    client_free(run.client);
}

/* The lowest one that is free: it rises when one stays open. */
static int free_descriptor(void)
{
    int descriptor = dup(STDERR_FILENO);

    (void)close(descriptor);
    return descriptor;
}

static void prepare(void)
{
    if (host_key)
        return;
    (void)signal(SIGPIPE, SIG_IGN);
    must(RAND_set_rand_method(&fixed_chance) == 1 && ssh_init() == SSH_OK);
    must(ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &host_key) == SSH_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record records[RECORDS_MAX];
    size_t count = records_read(data, size, records);

    prepare();
    int before = free_descriptor();
    open_run();
    for (size_t i = 0; i < count && !run.gone; i++)
        take(&records[i]);
    close_run();
    must(free_descriptor() == before);
    return 0;
}
