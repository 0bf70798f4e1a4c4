/*
 * The parent's side of the dialer: against the real one, and against processes in its place that
 * break the rules or die.  The process is this program again, in the role that $DIALER_ROLE names.
 */
#define _GNU_SOURCE
#include "parent/dialer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "dialer/dialer.h"
#include "ipc/message.h"
#include "suite.h"

#define ENV_ROLE    "DIALER_ROLE"
#define PATIENCE_MS 15000
#define DIALS_MAX   256 /* parent/dialer.c */

/* --- the dialer's place --- */

static void send_record(const void *bytes, size_t length, int descriptor)
{
    char space[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {(void *)(uintptr_t)bytes, length};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor >= 0) {
        header.msg_control = space;
        header.msg_controllen = sizeof space;
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
    }
    (void)sendmsg(3, &header, MSG_NOSIGNAL);
}

static void say(enum message_type type, uint64_t request, int descriptor)
{
    static uint8_t wire[MESSAGE_WIRE_MAX];
    struct message message;
    message_init(&message, type);
    message.request = request;
    (void)snprintf(message.text, sizeof message.text, "a test");
    send_record(wire, (size_t)message_encode(&message, wire), descriptor);
}

/* The request of the next message, which must be of this type; 0: the parent hung up. */
static uint64_t hear(enum message_type type)
{
    static uint8_t wire[MESSAGE_WIRE_MAX];
    struct message message = {.descriptor = -1};
    struct fault fault = {""};
    ssize_t got = recv(3, wire, sizeof wire, 0);
    if (got <= 0 || message_decode(wire, (size_t)got, TO_WORKER, &message, &fault) != 0 ||
        message.type != type)
        return 0;
    return message.request;
}

static int a_listener(void)
{
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)listen(descriptor, 1);
    return descriptor;
}

static void play_garbage(uint64_t request)
{
    (void)request;
    send_record("what?", 5, -1);
}

static void play_unasked(uint64_t request)
{
    say(MESSAGE_UNDIALLED, request + 1, -1);
}

static void play_nothing_asked(uint64_t request)
{
    (void)request;
    say(MESSAGE_UNDIALLED, 0, -1);
}

static void play_no_socket(uint64_t request)
{
    say(MESSAGE_DIALLED, request, open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static void play_datagrams(uint64_t request)
{
    say(MESSAGE_DIALLED, request, socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static void play_listener(uint64_t request)
{
    say(MESSAGE_DIALLED, request, a_listener());
}

static void play_no_descriptor(uint64_t request)
{
    say(MESSAGE_DIALLED, request, -1);
}

static void play_ready_twice(uint64_t request)
{
    (void)request;
    say(MESSAGE_READY, 0, -1);
}

static void play_worker(uint64_t request)
{
    (void)request;
    say(MESSAGE_GONE, 0, -1);
}

static void play_dead(uint64_t request)
{
    (void)request;
    _exit(3);
}

/* It never answers. */
static void play_mute(uint64_t request)
{
    (void)request;
}

/* It answers although nobody wants to know any more, and twice. */
static void play_late(uint64_t request)
{
    if (hear(MESSAGE_ABANDON) != request)
        _exit(1);
    say(MESSAGE_DIALLED, request, a_listener());
    say(MESSAGE_UNDIALLED, request, -1);
    uint64_t next = hear(MESSAGE_DIAL);
    say(MESSAGE_UNDIALLED, next, -1);
}

static const struct {
    const char *name;
    void (*play)(uint64_t request);
} roles[] = {
    {"garbage", play_garbage},
    {"unasked", play_unasked},
    {"nothing", play_nothing_asked},
    {"no socket", play_no_socket},
    {"datagrams", play_datagrams},
    {"listener", play_listener},
    {"bare", play_no_descriptor},
    {"ready twice", play_ready_twice},
    {"worker", play_worker},
    {"dead", play_dead},
    {"mute", play_mute},
    {"late", play_late},
};
/* So many roles, from the first, break the rules when they are asked to dial. */
#define HOSTILE 10

static int play(const char *role)
{
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (strcmp(role, roles[i].name) != 0)
            continue;
        (void)hear(MESSAGE_HELLO);
        say(MESSAGE_READY, 0, -1);
        roles[i].play(hear(MESSAGE_DIAL));
        for (char byte; recv(3, &byte, 1, 0) > 0;)
            continue;
        return 0;
    }
    return dialer_main();
}

/* --- the hub's place --- */

struct outcome {
    int count, descriptor;
    char address[HOST_PORT_SIZE], reason[MESSAGE_TEXT_SIZE];
};

static struct hub hub;
static uv_loop_t loop;
static char directory[] = "/tmp/parent_dialer.XXXXXX";
static int listener;
static uint16_t port;
static struct fault fault;
static bool overdue, over;

static void on_done(void *owner, int descriptor, const char *address, const char *reason)
{
    struct outcome *outcome = owner;
    ck_assert((descriptor >= 0) == (address != NULL));
    ck_assert((descriptor < 0) == (reason != NULL));
    outcome->count++;
    outcome->descriptor = descriptor;
    (void)snprintf(outcome->address, sizeof outcome->address, "%s", address ? address : "");
    (void)snprintf(outcome->reason, sizeof outcome->reason, "%s", reason ? reason : "");
}

static void setup(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    char path[64];
    log_open("test", LOG_ERROR, LOG_TEXT);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(listener, 8), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    port = ntohs(address.sin_port);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/hub.db", directory);
    ck_assert_msg(store_open(path, &hub.store, &fault) == 0, "%s", fault.text);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    hub.loop = &loop;
    TAILQ_INIT(&hub.sites);
    TAILQ_INIT(&hub.connection_list);
    events_init(&hub.events);
    ck_assert_int_eq(setenv(ENV_ROLE, "real", 1), 0);
}

static void teardown(void)
{
    char command[64];
    if (!hub.stopping)
        hub_stop(&hub);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert_uint_eq(hub.workers_alive, 0);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    free(hub.dialer);
    store_close(hub.store);
    (void)snprintf(command, sizeof command, "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a name of mkdtemp's */
}

static uint64_t start(struct outcome *outcome, const char *host)
{
    uint64_t id = 0;
    *outcome = (struct outcome){.descriptor = -1};
    ck_assert_msg(hub_dial(&hub, host, port, on_done, outcome, &id, &fault) == 0, "%s", fault.text);
    ck_assert_int_eq(outcome->count, 0);
    ck_assert_uint_ne(id, 0);
    return id;
}

static void on_late(uv_timer_t *timer)
{
    (void)timer;
    overdue = true;
}

static void on_closed(uv_handle_t *handle)
{
    (void)handle;
    over = true;
}

static void await(const struct outcome *outcome)
{
    uv_timer_t timer;
    overdue = over = false;
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, on_late, PATIENCE_MS, 0);
    while (outcome->count == 0 && !overdue)
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, on_closed);
    while (!over)
        uv_run(&loop, UV_RUN_ONCE);
    ck_assert_int_eq(outcome->count, 1);
}

static void dial_fails(const char *host, const char *words)
{
    struct outcome outcome;
    start(&outcome, host);
    await(&outcome);
    ck_assert_int_eq(outcome.descriptor, -1);
    ck_assert_msg(strstr(outcome.reason, words) != NULL, "%s", outcome.reason);
}

static void dial_works(void)
{
    struct outcome outcome;
    char expected[HOST_PORT_SIZE];
    start(&outcome, "127.0.0.1");
    await(&outcome);
    ck_assert_msg(outcome.descriptor >= 0, "%s", outcome.reason);
    ck_assert_str_eq(outcome.address, host_port_format("127.0.0.1", port, expected));
    int accepted = accept(listener, NULL, NULL);
    ck_assert_int_eq(write(accepted, "x", 1), 1);
    close(accepted);
    close(outcome.descriptor);
}

static pid_t pid_of_dialer(void)
{
    json_t *row = dialer_row(&hub);
    pid_t pid = (pid_t)json_integer_value(json_object_get(row, "pid"));
    json_decref(row);
    return pid;
}

START_TEST(the_first_dial_starts_it_and_the_next_finds_it)
{
    ck_assert(json_is_null(dialer_row(&hub)));
    dial_works();
    pid_t pid = pid_of_dialer();
    ck_assert_int_gt(pid, 0);
    dial_works();
    dial_fails("localhost", "a loopback address");
    ck_assert_int_eq(pid_of_dialer(), pid);
    json_t *row = dialer_row(&hub);
    ck_assert_ptr_nonnull(
        strstr(json_string_value(json_object_get(row, "confinement")), "no_new_privs"));
    ck_assert_int_eq(json_integer_value(json_object_get(row, "dials")), 0);
    json_decref(row);
}
END_TEST

START_TEST(changed_settings_reach_it)
{
    struct host_port own = {.host = "127.0.0.1", .port = 22};
    dial_works();
    hub.settings.listen.items = &own;
    hub.settings.listen.count = 1;
    dialer_tell_settings(&hub);
    dial_works();
    hub.settings.listen.count = 0;
    hub.settings.listen.items = NULL;
}
END_TEST

START_TEST(a_cancelled_dial_is_silent)
{
    struct outcome outcome;
    hub_dial_cancel(&hub, 4711);
    hub_dial_cancel(&hub, start(&outcome, "127.0.0.1"));
    dial_works();
    dial_works();
    ck_assert_int_eq(outcome.count, 0);
}
END_TEST

START_TEST(an_answer_after_the_cancelling_is_dropped)
{
    struct outcome outcome;
    ck_assert_int_eq(setenv(ENV_ROLE, "late", 1), 0);
    hub_dial_cancel(&hub, start(&outcome, "127.0.0.1"));
    dial_fails("127.0.0.1", "a test");
    ck_assert_int_eq(outcome.count, 0);
    ck_assert_int_gt(pid_of_dialer(), 0);
}
END_TEST

START_TEST(death_refuses_what_is_under_way_and_a_new_one_is_started)
{
    struct outcome outcome;
    dial_works();
    pid_t pid = pid_of_dialer();
    /* Stopped, it cannot be faster than its end. */
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    start(&outcome, "127.0.0.1");
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    await(&outcome);
    ck_assert_str_eq(outcome.reason, "the hub's dialer ended");
    uint64_t died_ms = clock_monotonic_ms();
    dial_works();
    ck_assert_uint_lt(clock_monotonic_ms() - died_ms, PATIENCE_MS);
    ck_assert_int_ne(pid_of_dialer(), pid);
}
END_TEST

START_TEST(one_that_breaks_the_rules_is_ended)
{
    ck_assert_int_eq(setenv(ENV_ROLE, roles[_i].name, 1), 0);
    dial_fails("127.0.0.1", "the hub's dialer ended");
    ck_assert_int_eq(setenv(ENV_ROLE, "real", 1), 0);
    dial_works();
}
END_TEST

START_TEST(dials_are_bounded_and_the_hub_s_end_refuses_them)
{
    static struct outcome outcomes[DIALS_MAX + 1];
    uint64_t id;
    ck_assert_int_eq(setenv(ENV_ROLE, "mute", 1), 0);
    for (size_t i = 0; i < DIALS_MAX; i++)
        start(&outcomes[i], "127.0.0.1");
    ck_assert_int_eq(hub_dial(&hub, "127.0.0.1", port, on_done, &outcomes[DIALS_MAX], &id, &fault),
                     -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "256 outbound connections"));
    hub_stop(&hub);
    for (size_t i = 0; i < DIALS_MAX; i++) {
        ck_assert_int_eq(outcomes[i].count, 1);
        ck_assert_int_eq(outcomes[i].descriptor, -1);
    }
    ck_assert_int_eq(outcomes[DIALS_MAX].count, 0);
    ck_assert_int_eq(hub_dial(&hub, "127.0.0.1", port, on_done, outcomes, &id, &fault), -1);
    ck_assert_str_eq(fault.text, "the hub is stopping");
}
END_TEST

START_TEST(a_host_that_is_too_long_is_refused_at_once)
{
    struct outcome outcome = {0};
    char host[HOST_SIZE + 1];
    uint64_t id;
    memset(host, 'a', HOST_SIZE);
    host[HOST_SIZE] = '\0';
    ck_assert_int_eq(hub_dial(&hub, host, port, on_done, &outcome, &id, &fault), -1);
    ck_assert_int_eq(outcome.count, 0);
}
END_TEST

int main(int count, char **arguments)
{
    const char *role = getenv(ENV_ROLE);
    if (role && count == 2 && strcmp(arguments[1], "--dialer") == 0)
        return play(role);
    Suite *suite = suite_create("parent_dialer");
    TCase *tests = tcase_create("dialer");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, the_first_dial_starts_it_and_the_next_finds_it);
    tcase_add_test(tests, changed_settings_reach_it);
    tcase_add_test(tests, a_cancelled_dial_is_silent);
    tcase_add_test(tests, an_answer_after_the_cancelling_is_dropped);
    tcase_add_test(tests, death_refuses_what_is_under_way_and_a_new_one_is_started);
    tcase_add_loop_test(tests, one_that_breaks_the_rules_is_ended, 0, HOSTILE);
    tcase_add_test(tests, dials_are_bounded_and_the_hub_s_end_refuses_them);
    tcase_add_test(tests, a_host_that_is_too_long_is_refused_at_once);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
