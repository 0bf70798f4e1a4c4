/*
 * What two workers may say to the parent, in any order: the parent of a hub in memory, with a site,
 * an operator and a private grant, must neither crash nor believe one worker about another's
 * sessions. Each step is eight bytes: who says what about whom.  A worker that was ended is there
 * again at its next step, without its sessions.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "parent/connections.h"
#include "parent/forwards.h"
#include "parent/grants_admin.h"
#include "parent/operators.h"
#include "parent/scope.h"
#include "parent/sites.h"
#include "parent/sources.h"
#include "parent/strangers.h"
#include "parent/workers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

#define STEP    8
#define STEPS   200
#define WORKERS 2

enum { WORKER_OF = 1, BEGINS_SESSION = 2, LATER = 4, RAW = 8 }; /* bits of a step's first byte */

static struct hub *hub;
static int ends[WORKERS]; /* the workers' ends of their pipes */

static void must(bool fine)
{
    if (!fine)
        abort();
}

/* --- the hub --- */

static struct public_key a_key(uint8_t number)
{
    uint8_t blob[51] = {0,   0,   0,   11,  's', 's', 'h', '-', 'e', 'd',
                        '2', '5', '5', '1', '9', 0,   0,   0,   32,  number};
    struct public_key key;
    struct fault fault;
    must(public_key_from_blob(blob, sizeof blob, &key, &fault) == 0);
    return key;
}

static void add_site(const char *name, uint8_t key_number)
{
    struct grant grant = {.port = 443, .enabled = true, .policy = {.private = true}};
    struct public_key key = a_key(key_number);
    struct fault fault;
    struct site *site;
    must(text_copy(grant.target, sizeof grant.target, "192.0.2.1:443"));
    must(site_add(hub, name, &site, &fault) == 0 && grant_add(site, &grant, &fault) == 0);
    struct keyfile_row keyfile = {.site = site->row.id, .issued_s = 1, .expires_s = INT64_MAX};
    must(text_copy(keyfile.id, sizeof keyfile.id, name));
    must(store_keyfile_issue(hub->store, &keyfile, &fault) == 0);
    must(store_key_bind(hub->store, site->row.id, &key, name, "", 1, &fault) == 0);
    if (key_number == 1)
        must(store_key_activate(hub->store, site->row.id, &key, 1, &fault) == 0);
}

static void add_operator(void)
{
    struct operator_row row = {.id = 1, .key = a_key(3)};
    struct fault fault;
    must(text_copy(row.name, sizeof row.name, "alice"));
    must(scopes_parse("*", &row.scopes, &fault) == 0);
    must(operator_remember(hub, &row) != NULL);
}

static void on_message(void *owner, struct message *message)
{
    dispatch_message(owner, message);
}

static void on_broken(void *owner, const char *reason)
{
    worker_kill(owner, reason);
}

static void open_worker(size_t number)
{
    static const struct pipe_handlers handlers = {on_message, on_broken};
    struct worker *worker = &hub->workers[number];
    int pair[2];
    if (ends[number] >= 0)
        (void)close(ends[number]);
    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    must(pipe_open(hub->loop, pair[0], TO_PARENT, &handlers, worker, &worker->pipe) == 0);
    ends[number] = pair[1];
    worker->state = WORKER_READY;
}

static void open_hub(void)
{
    static uv_loop_t loop;
    struct fault fault;
    log_open("fuzz", LOG_ERROR, LOG_TEXT);
    hub = calloc(1, sizeof *hub);
    must(hub && uv_loop_init(&loop) == 0);
    hub->loop = &loop;
    hub->lock = -1;
    hub->sources = sources_new();
    hub->forwards_by_port = calloc(UINT16_MAX + 1, sizeof *hub->forwards_by_port);
    must(hub->sources && hub->forwards_by_port);
    TAILQ_INIT(&hub->sites);
    TAILQ_INIT(&hub->operators);
    TAILQ_INIT(&hub->connection_list);
    events_init(&hub->events);
    target_checks_init(&hub->target_checks);
    must(hub_settings_load(NULL, &hub->settings, &fault) == 0);
    must(store_open(":memory:", &hub->store, &fault) == 0);
    add_site("hannover", 1);
    add_site("kiel", 2);
    add_operator();
    hub->workers = calloc(WORKERS, sizeof *hub->workers);
    must(hub->workers != NULL);
    hub->worker_count = WORKERS;
    for (size_t i = 0; i < WORKERS; i++) {
        hub->workers[i] = (struct worker){.hub = hub, .number = (unsigned)i + 1};
        TAILQ_INIT(&hub->workers[i].sessions);
        TAILQ_INIT(&hub->workers[i].lost);
        ends[i] = -1;
        open_worker(i);
    }
}

static void close_hub(void)
{
    hub->stopping = true;
    for (size_t i = 0; i < WORKERS; i++) {
        worker_kill(&hub->workers[i], "the end");
        (void)close(ends[i]);
    }
    must(hub->sessions.count == 0);
    struct site *site;
    TAILQ_FOREACH(site, &hub->sites, entry)
    {
        for (size_t i = 0; i < site->forward_count; i++)
            forward_withdraw(site->forwards[i], "the end");
    }
    must(hub->connections.count == 0);
    hub_stopped(hub);
    sites_release(hub);
    operators_release(hub);
    strangers_release(hub);
    (void)uv_run(hub->loop, UV_RUN_DEFAULT);
    must(uv_loop_close(hub->loop) == 0);
    store_close(hub->store);
    hub_settings_release(&hub->settings);
    free(hub->forwards_by_port);
    free(hub->workers);
    free(hub);
}

/* --- steps --- */

/* Reads what a worker was told, and closes the descriptors that came along. */
static void drain(int from)
{
    static uint8_t wire[MESSAGE_WIRE_MAX];
    for (;;) {
        char space[CMSG_SPACE(sizeof(int))] = {0};
        struct iovec part = {wire, sizeof wire};
        struct msghdr header = {.msg_iov = &part,
                                .msg_iovlen = 1,
                                .msg_control = space,
                                .msg_controllen = sizeof space};
        if (recvmsg(from, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
            return;
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        int descriptor = -1;
        if (rights && rights->cmsg_type == SCM_RIGHTS)
            memcpy(&descriptor, CMSG_DATA(rights), sizeof descriptor);
        if (descriptor >= 0)
            (void)close(descriptor);
    }
}

static void begin_session(struct worker *worker)
{
    const struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct session *session = session_begin(worker, (const struct sockaddr *)&peer);
    must(session != NULL);
    session_hand_over(session, open("/dev/null", O_RDONLY | O_CLOEXEC));
}

/* One of the latest ids, which sessions and connections share; now and then one that never was. */
static uint64_t an_id(uint8_t byte)
{
    return byte == 0xff ? UINT64_MAX : hub->last_id - (byte & 15u);
}

/* The fields that a type does not have are of no consequence: they are not encoded. */
static void fill(struct message *message, const uint8_t *step)
{
    static const char *const users[] = {"hannover", "kiel", "alice", "enrol", "nobody", ""};
    static const char *const texts[] = {"status", "forwards", "activate", "enrolled", "", "x y\"{"};
    static const char *const addresses[] = {"", "localhost", "hannover", "kiel", "192.0.2.9", "*"};
    static const uint16_t ports[] = {443, 0, 80, 65535};
    static const uint8_t stats[25] = {3, 0, 0, 0, 0, 0, 0, 0, 10};
    static struct public_key key;
    key = a_key((uint8_t)(step[5] & 3));
    message->sid = message->cid = an_id(step[2]);
    message->request = step[3];
    message->code = step[4] & 3;
    message->flags = step[4] >> 2 & 3;
    message->generation = step[3];
    message->bytes_in = step[6];
    message->rtt_us = step[6];
    message->port = ports[step[5] >> 2 & 3];
    (void)text_copy(message->user, sizeof message->user, users[step[6] % 6]);
    (void)text_copy(message->text, sizeof message->text, texts[step[7] % 6]);
    (void)text_copy(message->address, sizeof message->address, addresses[step[7] / 6 % 6]);
    message->key = key.blob;
    message->key_length = key.length;
    message->data = stats;
    message->data_length = step[4] & 16 ? 24 : 25;
}

/* Through the wire's form, as a worker's would come. */
static void say(size_t number, const uint8_t *step)
{
    static uint8_t wire[MESSAGE_WIRE_MAX];
    struct message message;
    message_init(&message, (enum message_type)(step[1] % MESSAGE_TYPE_END));
    fill(&message, step);
    long length = message_encode(&message, wire);
    if (length <= 0)
        return;
    if (step[0] & RAW) /* damaged: the pipe judges it first */
        wire[step[6] % length] ^= step[7];
    (void)send(ends[number], wire, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void take_step(const uint8_t *step)
{
    size_t number = step[0] & WORKER_OF;
    struct worker *worker = &hub->workers[number];
    if (worker->state != WORKER_READY)
        open_worker(number);
    if (step[0] & BEGINS_SESSION)
        begin_session(worker);
    size_t others = hub->workers[1 - number].session_count;
    say(number, step);
    if ((step[0] & LATER) == 0) {
        (void)uv_run(hub->loop, UV_RUN_NOWAIT);
        (void)uv_run(hub->loop, UV_RUN_NOWAIT);
    }
    /* No worker's words end another's session, but for what the hub itself tells it to close. */
    must(hub->workers[1 - number].session_count == others ||
         hub->workers[1 - number].state != WORKER_READY || (step[0] & LATER) != 0);
    for (size_t i = 0; i < WORKERS; i++)
        drain(ends[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    open_hub();
    for (size_t i = 0; i < STEPS && (i + 1) * STEP <= length; i++)
        take_step(data + i * STEP);
    close_hub();
    return 0;
}
