/* A whole hub for tests.  Blocking, with a bound on every wait. */
#define _GNU_SOURCE
#include "parent_harness.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/address.h"
#include "base/text.h"
#include "control/client.h"
#include "keys/keyfile.h"
#include "parent/hub.h"

#define WAIT_MS    10000
#define MOMENT_MS  150
#define ENV_SOCKET "PARENT_HARNESS_SOCKET"

static char directory[64];
static pid_t hub;
static int meeting = -1; /* where workers hand over their pipes */
static struct control_client *control;
static int last_worker = -1, last_process = -1;
static uint64_t last_request;

/* --- roles --- */

static int play_hub(const char *settings)
{
    struct fault fault = {""};
    const struct hub_options options = {.settings_path = settings};
    if (hub_run(&options, &fault) == 0)
        return 0;
    (void)fprintf(stderr, "hub: %s\n", fault.text);
    return 1;
}

static struct sockaddr_un meeting_address(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return address;
}

/* Hands descriptor 3 over and stays until it is killed, or the test hangs up. */
static int play_worker(void)
{
    const char *path = getenv(ENV_SOCKET);
    struct sockaddr_un address = meeting_address(path ? path : "");
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0)
        return 1;
    char byte = 0, space[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    int pipe_descriptor = 3;
    memcpy(CMSG_DATA(rights), &pipe_descriptor, sizeof pipe_descriptor);
    if (sendmsg(descriptor, &header, 0) != 1)
        return 1;
    (void)close(pipe_descriptor);
    while (read(descriptor, &byte, 1) > 0)
        continue;
    return 0;
}

bool harness_role(int count, char **arguments, int *code)
{
    if (count == 3 && strcmp(arguments[1], "--hub") == 0)
        *code = play_hub(arguments[2]);
    else if (count == 3 && strcmp(arguments[1], "--worker") == 0)
        *code = play_worker();
    else
        return false;
    return true;
}

/* --- the hub --- */

static void write_settings(const char *path, const char *settings)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    (void)fprintf(file,
                  "listen: [\"127.0.0.1:0\"]\nstate_dir: %s/state\ncontrol_socket: %s/c.sock\n"
                  "public_addresses: [\"hub.example.net:2222\"]\nworkers: 1\n%s\n",
                  directory, directory, settings);
    (void)fclose(file);
}

static void open_control(void)
{
    char path[96];
    struct fault fault = {""};
    (void)snprintf(path, sizeof path, "%s/c.sock", directory);
    for (int left = WAIT_MS; left > 0; left -= 20) {
        if (control_client_open(path, &control, &fault) == 0)
            return;
        (void)usleep(20000);
    }
    ck_abort_msg("the hub does not come up: %s", fault.text);
}

static void run_hub(void)
{
    char path[96], program[] = "/proc/self/exe", role[] = "--hub";
    (void)snprintf(path, sizeof path, "%s/settings.yaml", directory);
    char *arguments[] = {program, role, path, NULL};
    hub = fork();
    ck_assert_int_ge(hub, 0);
    if (hub == 0) {
        (void)execv(program, arguments);
        _exit(127);
    }
    open_control();
}

void harness_start(const char *settings)
{
    char path[96];
    (void)text_copy(directory, sizeof directory, "/tmp/parent_hub.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/meet.sock", directory);
    struct sockaddr_un address = meeting_address(path);
    meeting = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(meeting, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(meeting, 16), 0);
    ck_assert_int_eq(setenv(ENV_SOCKET, path, 1), 0);
    (void)snprintf(path, sizeof path, "%s/settings.yaml", directory);
    write_settings(path, settings);
    run_hub();
}

/* As a real one does: after DRAIN it hangs up and exits. */
static void end_worker(void)
{
    static uint8_t wire[MESSAGE_WIRE_MAX];
    struct message message = {0};
    struct fault fault = {""};
    while (last_worker >= 0 && message.type != MESSAGE_DRAIN) {
        ssize_t got = recv(last_worker, wire, sizeof wire, 0);
        if (got <= 0 || message_decode(wire, (size_t)got, TO_WORKER, &message, &fault) != 0)
            break;
    }
    (void)close(last_worker);
    (void)close(last_process);
}

static void end_hub(void)
{
    int status = 0;
    control_client_close(control);
    control = NULL;
    ck_assert_int_eq(kill(hub, SIGTERM), 0);
    end_worker();
    ck_assert_int_eq(waitpid(hub, &status, 0), hub);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the hub ended with %#x", status);
}

void harness_restart(void)
{
    end_hub();
    run_hub();
}

void harness_stop(void)
{
    char command[96];
    end_hub();
    (void)close(meeting);
    (void)snprintf(command, sizeof command, "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a name of mkdtemp's */
}

/* --- messages --- */

static bool is_readable(int descriptor, int wait_ms)
{
    struct pollfd poller = {.fd = descriptor, .events = POLLIN};
    return poll(&poller, 1, wait_ms) == 1;
}

static int received_descriptor(struct msghdr *header)
{
    int descriptor = -1;
    struct cmsghdr *rights = CMSG_FIRSTHDR(header);
    if (rights && rights->cmsg_type == SCM_RIGHTS)
        memcpy(&descriptor, CMSG_DATA(rights), sizeof descriptor);
    return descriptor;
}

static ssize_t receive(int from, void *bytes, size_t size, int *descriptor)
{
    char space[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {bytes, size};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    ssize_t got = recvmsg(from, &header, MSG_CMSG_CLOEXEC);
    *descriptor = received_descriptor(&header);
    return got;
}

/* Reads as a real worker does: heartbeats are answered on the way.  False: nothing else came. */
static bool is_readable_but_pings(int worker, int wait_ms)
{
    static uint8_t wire[MESSAGE_WIRE_MAX];
    struct message message = {0};
    struct fault fault = {""};
    while (is_readable(worker, wait_ms)) {
        ssize_t got = recv(worker, wire, sizeof wire, MSG_PEEK);
        if (got <= 0 || message_decode(wire, (size_t)got, TO_WORKER, &message, &fault) != 0 ||
            message.type != MESSAGE_PING)
            return true;
        (void)recv(worker, wire, sizeof wire, 0);
        message.type = MESSAGE_PONG;
        worker_say(worker, &message);
    }
    return false;
}

static const struct message *hear(int worker, enum message_type type)
{
    static uint8_t wire[MESSAGE_WIRE_MAX];
    static struct message message;
    struct fault fault = {""};
    int descriptor;
    ck_assert_msg(is_readable_but_pings(worker, WAIT_MS), "waited in vain for %s",
                  message_name(type));
    ssize_t got = receive(worker, wire, sizeof wire, &descriptor);
    ck_assert_msg(got > 0, "the hub hung up instead of %s", message_name(type));
    ck_assert_msg(message_decode(wire, (size_t)got, TO_WORKER, &message, &fault) == 0, "%s",
                  fault.text);
    message.descriptor = descriptor;
    return &message;
}

const struct message *worker_hear_past(int worker, enum message_type type, enum message_type other)
{
    const struct message *message = hear(worker, type);
    while (message->type == other && type != other)
        message = hear(worker, type);
    ck_assert_msg(message->type == type, "%s instead of %s (%s)", message_name(message->type),
                  message_name(type), message->text);
    return message;
}

const struct message *worker_hear(int worker, enum message_type type)
{
    return worker_hear_past(worker, type, type);
}

void worker_hear_nothing(int worker)
{
    ck_assert_msg(!is_readable_but_pings(worker, MOMENT_MS), "something came");
}

void worker_hear_end(int worker)
{
    char byte;
    ck_assert(is_readable_but_pings(worker, WAIT_MS));
    ck_assert_int_le(recv(worker, &byte, 1, 0), 0);
    (void)close(worker);
}

void worker_say(int worker, const struct message *message)
{
    static uint8_t wire[MESSAGE_WIRE_MAX];
    long length = message_encode(message, wire);
    ck_assert_int_gt(length, 0);
    struct iovec bytes = {.iov_base = wire, .iov_len = (size_t)length};
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {0};
    struct msghdr header = {.msg_iov = &bytes, .msg_iovlen = 1};
    if (message_wants_descriptor(message->type) && message->descriptor >= 0) {
        header.msg_control = room;
        header.msg_controllen = sizeof room;
        struct cmsghdr *rider = CMSG_FIRSTHDR(&header);
        rider->cmsg_level = SOL_SOCKET;
        rider->cmsg_type = SCM_RIGHTS;
        rider->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rider), &message->descriptor, sizeof(int));
    }
    ck_assert_int_eq(sendmsg(worker, &header, MSG_NOSIGNAL), length);
}

int worker_take(void)
{
    char byte;
    int worker;
    ck_assert(is_readable(meeting, WAIT_MS));
    int process = accept(meeting, NULL, NULL);
    ck_assert_int_ge(process, 0);
    ck_assert_int_eq(receive(process, &byte, 1, &worker), 1);
    ck_assert_int_ge(worker, 0);
    last_worker = worker;
    last_process = process;
    const struct message *hello = worker_hear(worker, MESSAGE_HELLO);
    ck_assert_uint_gt(hello->key_length, 100);
    struct message ready;
    message_init(&ready, MESSAGE_READY);
    (void)text_copy(ready.text, sizeof ready.text, "a test");
    worker_say(worker, &ready);
    return worker;
}

/* --- control --- */

static int call(const char *verb, json_t *args, json_t **data, struct fault *fault)
{
    return control_client_call(control, verb, args, data, fault);
}

static json_t *pack(const char *format, va_list values)
{
    return format ? json_vpack_ex(NULL, 0, format, values) : NULL;
}

json_t *hub_call(const char *verb, const char *args, ...)
{
    struct fault fault = {""};
    json_t *data = NULL;
    va_list values;
    va_start(values, args);
    int rc = call(verb, pack(args, values), &data, &fault);
    va_end(values);
    ck_assert_msg(rc == 0, "%s: %s", verb, fault.text);
    return data;
}

void hub_do(const char *verb, const char *args, ...)
{
    struct fault fault = {""};
    json_t *data = NULL;
    va_list values;
    va_start(values, args);
    int rc = call(verb, pack(args, values), &data, &fault);
    va_end(values);
    ck_assert_msg(rc == 0, "%s: %s", verb, fault.text);
    json_decref(data);
}

void hub_refuses(const char *words, const char *verb, const char *args, ...)
{
    struct fault fault = {""};
    json_t *data = NULL;
    va_list values;
    va_start(values, args);
    int rc = call(verb, pack(args, values), &data, &fault);
    va_end(values);
    ck_assert_msg(rc == CONTROL_REFUSED, "%s was not refused", verb);
    ck_assert_msg(strstr(fault.text, words) != NULL, "%s", fault.text);
}

json_int_t hub_count(const char *name)
{
    json_t *status = hub_call("status", NULL);
    json_t *value = json_object_get(status, name);
    ck_assert_msg(json_is_integer(value), "status has no number '%s'", name);
    json_int_t count = json_integer_value(value);
    json_decref(status);
    return count;
}

void hub_await_count(const char *name, json_int_t wanted)
{
    json_int_t count = -1;
    for (int left = WAIT_MS; left > 0 && count != wanted; left -= 10) {
        count = hub_count(name);
        if (count != wanted)
            (void)usleep(10000);
    }
    ck_assert_msg(count == wanted, "%s is %lld and not %lld", name, (long long)count,
                  (long long)wanted);
}

/* --- sockets --- */

int dial(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0)
        return descriptor;
    (void)close(descriptor);
    return -1;
}

int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(getsockname(descriptor, (struct sockaddr *)&address, &length), 0);
    (void)close(descriptor);
    return ntohs(address.sin_port);
}

bool has_ended(int descriptor)
{
    char byte;
    struct pollfd poller = {.fd = descriptor, .events = POLLIN};
    bool ended = poll(&poller, 1, 10000) == 1 && recv(descriptor, &byte, 1, 0) <= 0;
    (void)close(descriptor);
    return ended;
}

int hub_ssh_port(void)
{
    json_t *status = hub_call("status", NULL);
    const char *listen_text =
        json_string_value(json_array_get(json_object_get(status, "listen"), 0));
    ck_assert_ptr_nonnull(listen_text);
    struct host_port address = {.port = 0};
    ck_assert_int_eq(host_port_parse(listen_text, false, &address, NULL), 0);
    json_decref(status);
    return address.port;
}

/* --- sessions --- */

struct public_key test_key(unsigned number)
{
    struct public_key key;
    struct fault fault = {""};
    uint8_t blob[51] = {0,   0,   0,   11,  's', 's', 'h', '-', 'e', 'd',
                        '2', '5', '5', '1', '9', 0,   0,   0,   32};
    memcpy(blob + 19, &number, sizeof number);
    ck_assert_msg(public_key_from_blob(blob, sizeof blob, &key, &fault) == 0, "%s", fault.text);
    return key;
}

uint64_t session_open(int worker, int *peer)
{
    *peer = dial(hub_ssh_port());
    ck_assert_int_ge(*peer, 0);
    const struct message *session = worker_hear(worker, MESSAGE_SESSION);
    ck_assert_int_ge(session->descriptor, 0);
    ck_assert_ptr_nonnull(strstr(session->peer, "127.0.0.1:"));
    (void)close(session->descriptor);
    return session->sid;
}

static void begin(struct message *message, enum message_type type, uint64_t sid)
{
    message_init(message, type);
    message->sid = sid;
    message->request = ++last_request;
}

static const struct message *hear_reply(int worker)
{
    const struct message *reply = worker_hear(worker, MESSAGE_REPLY);
    ck_assert_uint_eq(reply->request, last_request);
    return reply;
}

enum verdict session_identify_as(int worker, uint64_t sid, const char *user,
                                 const struct public_key *key, bool proven)
{
    struct message message;
    begin(&message, MESSAGE_IDENTIFY, sid);
    (void)text_copy(message.user, sizeof message.user, user);
    message.key = key->blob;
    message.key_length = key->length;
    message.flags = proven ? MESSAGE_PROVEN : 0;
    worker_say(worker, &message);
    return (enum verdict)hear_reply(worker)->code;
}

enum verdict session_redeem(int worker, uint64_t sid, const struct public_key *key,
                            const char *token)
{
    struct message message;
    begin(&message, MESSAGE_REDEEM, sid);
    (void)text_copy(message.text, sizeof message.text, token);
    message.key = key->blob;
    message.key_length = key->length;
    worker_say(worker, &message);
    return (enum verdict)hear_reply(worker)->code;
}

void session_up(int worker, uint64_t sid)
{
    struct message message;
    begin(&message, MESSAGE_UP, sid);
    (void)text_copy(message.text, sizeof message.text, "SSH-2.0-test");
    (void)text_copy(message.address, sizeof message.address, "aes128-gcm@openssh.com");
    worker_say(worker, &message);
}

bool hub_has_event(const char *word)
{
    json_t *events = hub_call("events", NULL);
    char *text = json_dumps(events, 0);
    bool found = text && strstr(text, word) != NULL;
    free(text);
    json_decref(events);
    return found;
}

void session_ask_to_publish(int worker, uint64_t sid, const char *address, int port)
{
    struct message message;
    begin(&message, MESSAGE_PUBLISH, sid);
    (void)text_copy(message.address, sizeof message.address, address);
    message.port = (uint64_t)port;
    worker_say(worker, &message);
}

const struct message *session_publish(int worker, uint64_t sid, const char *address, int port)
{
    session_ask_to_publish(worker, sid, address, port);
    return hear_reply(worker);
}

const struct message *session_query(int worker, uint64_t sid, const char *command)
{
    struct message message;
    begin(&message, MESSAGE_QUERY, sid);
    (void)text_copy(message.text, sizeof message.text, command);
    worker_say(worker, &message);
    return hear_reply(worker);
}

const struct message *session_rotate(int worker, uint64_t sid, const struct public_key *key)
{
    struct message message;
    begin(&message, MESSAGE_ROTATE, sid);
    message.key = key->blob;
    message.key_length = key->length;
    worker_say(worker, &message);
    return hear_reply(worker);
}

void session_gone(int worker, uint64_t sid)
{
    struct message message;
    begin(&message, MESSAGE_GONE, sid);
    (void)text_copy(message.text, sizeof message.text, "closed by peer");
    worker_say(worker, &message);
}

void site_make(const char *name)
{
    hub_do("site.add", "{s:s}", "name", name);
}

static void issue_token(const char *name, struct token *token)
{
    struct keyfile keyfile;
    struct fault fault = {""};
    json_t *data = hub_call("keyfile.issue", "{s:s, s:b}", "site", name, "replace", 1);
    const char *text = json_string_value(json_object_get(data, "keyfile"));
    ck_assert_ptr_nonnull(text);
    ck_assert_msg(keyfile_parse(text, strlen(text), "keyfile", &keyfile, &fault) == 0, "%s",
                  fault.text);
    *token = keyfile.token;
    keyfile_release(&keyfile);
    json_decref(data);
}

void site_enrol(int worker, const char *name, const struct public_key *key)
{
    int peer;
    struct token token;
    issue_token(name, &token);
    uint64_t sid = session_open(worker, &peer);
    ck_assert_int_eq(session_identify_as(worker, sid, "enrol", key, false), VERDICT_GRANTED);
    ck_assert_int_eq(session_identify_as(worker, sid, "enrol", key, true), VERDICT_PARTIAL);
    ck_assert_int_eq(session_redeem(worker, sid, key, token.text), VERDICT_GRANTED);
    session_up(worker, sid);
    session_gone(worker, sid);
    (void)close(peer);
}

uint64_t site_login(int worker, const char *name, const struct public_key *key)
{
    int peer;
    uint64_t sid = session_open(worker, &peer);
    ck_assert_int_eq(session_identify_as(worker, sid, name, key, false), VERDICT_GRANTED);
    ck_assert_int_eq(session_identify_as(worker, sid, name, key, true), VERDICT_GRANTED);
    session_up(worker, sid);
    ck_assert_int_eq((int)session_query(worker, sid, "forwards")->code, VERDICT_GRANTED);
    const struct message *snapshot = worker_hear(worker, MESSAGE_SNAPSHOT);
    ck_assert_uint_eq(snapshot->flags, MESSAGE_LAST);
    (void)close(peer);
    return sid;
}
