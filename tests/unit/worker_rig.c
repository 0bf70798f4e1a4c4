/* The parent's place, played by a test; it checks nothing of its own. */
#define _GNU_SOURCE
#include "worker_rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "suite.h"
#include "worker/worker.h"

#define PATIENCE_MS 10000

static void answer(struct rig *rig, uint64_t request, enum verdict verdict, const char *data)
{
    struct message reply;

    message_init(&reply, MESSAGE_REPLY);
    reply.request = request;
    reply.code = (uint64_t)verdict;
    reply.port = rig->bound_port;
    if (verdict == VERDICT_REFUSED && rig->refusal)
        (void)snprintf(reply.text, sizeof reply.text, "%s", rig->refusal);
    reply.data = (const uint8_t *)data;
    reply.data_length = data ? strlen(data) : 0;
    pipe_send(rig->pipe, &reply);
}

static void answer_if_asked(struct rig *rig, const struct message *message)
{
    switch (message->type) {
    case MESSAGE_IDENTIFY:
        answer(rig, message->request,
               rig->identify == VERDICT_PARTIAL && !(message->flags & MESSAGE_PROVEN)
                   ? VERDICT_GRANTED
                   : rig->identify,
               NULL);
        break;
    case MESSAGE_REDEEM:
        answer(rig, message->request, rig->redeem, rig->query_data);
        break;
    case MESSAGE_PUBLISH:
    case MESSAGE_UNPUBLISH:
        answer(rig, message->request, rig->publish, NULL);
        break;
    case MESSAGE_QUERY:
        answer(rig, message->request, rig->query,
               rig->query == VERDICT_GRANTED ? rig->query_data : NULL);
        break;
    case MESSAGE_ROTATE:
        rig->rotate_request = message->request;
        break;
    case MESSAGE_OPEN:
        rig->open_request = message->request;
        break;
    default:
        break;
    }
}

void rig_answer_rotate(struct rig *rig, enum verdict verdict)
{
    answer(rig, rig->rotate_request, verdict, NULL);
}

void rig_answer_open(struct rig *rig, enum verdict verdict)
{
    answer(rig, rig->open_request, verdict, NULL);
}

static void on_message(void *owner, struct message *message)
{
    struct rig *rig = owner;
    struct heard *heard = &rig->heard[rig->heard_count];

    ck_assert_uint_lt(rig->heard_count, RIG_HEARD_MAX);
    *heard = (struct heard){.type = message->type,
                            .sid = message->sid,
                            .cid = message->cid,
                            .port = message->port,
                            .code = message->code,
                            .flags = message->flags,
                            .generation = message->generation,
                            .bytes_in = message->bytes_in,
                            .bytes_out = message->bytes_out};
    memcpy(heard->user, message->user, sizeof heard->user);
    memcpy(heard->address, message->address, sizeof heard->address);
    memcpy(heard->text, message->text, sizeof heard->text);
    heard->key_length = message->key_length;
    if (message->key_length > 0)
        memcpy(heard->key, message->key,
               message->key_length < RIG_KEY_SIZE ? message->key_length : RIG_KEY_SIZE);
    rig->heard_count++;
    answer_if_asked(rig, message);
}

static void on_broken(void *owner, const char *reason)
{
    struct rig *rig = owner;

    (void)reason;
    rig->worker_gone = true;
}

static const struct pipe_handlers HANDLERS = {on_message, on_broken};

static void path_of(const struct rig *rig, const char *name, char path[RIG_PATH_SIZE + 32])
{
    (void)snprintf(path, RIG_PATH_SIZE + 32, "%s/%s", rig->directory, name);
}

const char *rig_read(struct rig *rig, const char *name)
{
    static char text[65536];
    char path[RIG_PATH_SIZE + 32];
    FILE *file;
    size_t length;

    path_of(rig, name, path);
    file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    (void)fclose(file);
    return text;
}

static void open_listener(struct rig *rig)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;

    rig->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(rig->listener, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(rig->listener, 64), 0);
    ck_assert_int_eq(getsockname(rig->listener, (struct sockaddr *)&address, &length), 0);
    rig->port = ntohs(address.sin_port);
}

static void start_worker(struct rig *rig)
{
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    rig->worker = fork();
    ck_assert_int_ge(rig->worker, 0);
    if (rig->worker == 0) {
        (void)dup2(ends[1], 3);
        for (int other = 4; other < 64; other++)
            close(other);
        exit(worker_main(1)); /* exit: a sanitized build looks for leaks */
    }
    close(ends[1]);
    ck_assert_int_eq(pipe_open(&rig->loop, ends[0], TO_PARENT, &HANDLERS, rig, &rig->pipe), 0);
}

static void say_hello(struct rig *rig, const char *settings)
{
    char json[1024], pem[4096];
    struct message hello;

    (void)snprintf(pem, sizeof pem, "%s", rig_read(rig, "host_key"));
    (void)snprintf(json, sizeof json, "{\"log_level\":\"error\",\"user\":\"nobody\"%s%s}",
                   settings ? "," : "", settings ? settings : "");
    message_init(&hello, MESSAGE_HELLO);
    hello.key = (const uint8_t *)pem;
    hello.key_length = strlen(pem);
    hello.data = (const uint8_t *)json;
    hello.data_length = strlen(json);
    hello.count = 1;
    pipe_send(rig->pipe, &hello);
    rig_wait(rig, MESSAGE_READY);
}

void rig_open(struct rig *rig, const char *settings)
{
    char path[RIG_PATH_SIZE + 32], command[RIG_PATH_SIZE + 128];
    struct fault fault = {""};

    *rig = (struct rig){.identify = VERDICT_GRANTED,
                        .redeem = VERDICT_GRANTED,
                        .publish = VERDICT_GRANTED,
                        .query = VERDICT_GRANTED};
    strcpy(rig->directory, "/tmp/worker-rig-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(rig->directory));
    ck_assert_int_eq(uv_loop_init(&rig->loop), 0);
    path_of(rig, "host_key", path);
    ck_assert_msg(host_key_generate(path, &fault) == 0, "%s", fault.text);
    (void)snprintf(command, sizeof command, "ssh-keygen -q -t ed25519 -N '' -f %s/key",
                   rig->directory);
    ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a name of mkdtemp's */
    open_listener(rig);
    start_worker(rig);
    say_hello(rig, settings);
}

void rig_close(struct rig *rig)
{
    char command[RIG_PATH_SIZE + 32];

    pipe_close(rig->pipe);
    ck_assert_int_eq(rig_wait_exit(rig, rig->worker), 0);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&rig->loop), 0);
    close(rig->listener);
    (void)snprintf(command, sizeof command, "rm -r %s", rig->directory);
    ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a name of mkdtemp's */
}

/* Hands on who connects to the port, then one turn of the loop. */
static void step(struct rig *rig)
{
    int accepted = accept4(rig->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (accepted >= 0) {
        struct message session;
        message_init(&session, MESSAGE_SESSION);
        session.sid = ++rig->last_sid;
        strcpy(session.peer, "192.0.2.7:50122");
        session.descriptor = accepted;
        pipe_send(rig->pipe, &session);
        close(accepted);
    }
    uv_run(&rig->loop, UV_RUN_NOWAIT);
    (void)usleep(500);
}

void rig_run(struct rig *rig, unsigned ms)
{
    uint64_t end = clock_monotonic_ms() + ms;

    while (clock_monotonic_ms() < end)
        step(rig);
}

bool rig_has(const struct rig *rig, enum message_type type)
{
    for (size_t i = 0; i < rig->heard_count; i++) {
        if (rig->heard[i].type == type)
            return true;
    }
    return false;
}

struct heard *rig_wait(struct rig *rig, enum message_type type)
{
    static struct heard found;
    uint64_t end = clock_monotonic_ms() + PATIENCE_MS;

    for (;;) {
        for (size_t i = 0; i < rig->heard_count; i++) {
            if (rig->heard[i].type != type)
                continue;
            found = rig->heard[i];
            rig->heard_count--;
            memmove(&rig->heard[i], &rig->heard[i + 1],
                    (rig->heard_count - i) * sizeof *rig->heard);
            return &found;
        }
        ck_assert_msg(clock_monotonic_ms() < end && !rig->worker_gone, "no %s came",
                      message_name(type));
        step(rig);
    }
}

pid_t rig_ssh(struct rig *rig, const char *format, ...)
{
    char words[1024], command[4096];
    va_list values;
    pid_t process;

    va_start(values, format);
    (void)vsnprintf(words, sizeof words, format, values);
    va_end(values);
    (void)snprintf(command, sizeof command,
                   "cd %s && exec ssh -F none -v -p %d -i key -o IdentitiesOnly=yes "
                   "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null %s >out 2>err",
                   rig->directory, rig->port, words);
    process = fork();
    ck_assert_int_ge(process, 0);
    if (process == 0) {
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    return process;
}

int rig_wait_exit(struct rig *rig, pid_t process)
{
    uint64_t end = clock_monotonic_ms() + PATIENCE_MS;
    int status;

    while (waitpid(process, &status, WNOHANG) != process) {
        ck_assert_msg(clock_monotonic_ms() < end, "process %d does not end", (int)process);
        step(rig);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}
