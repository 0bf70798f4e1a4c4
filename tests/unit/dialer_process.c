/* The dialer process, with a test in its parent's place. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dialer/dialer.h"
#include "dialer/own_addresses.h"
#include "ipc/message.h"
#include "suite.h"

#define PATIENCE_MS 20000
#define MOMENT_MS   300
#define DIALS_MAX   256 /* dialer.c */
#define SETTINGS                                                                                   \
    "{\"log_level\":\"error\",\"log_format\":\"text\",\"user\":\"nobody\",\"own\":[\"8.8.8.8\"]}"

static int parent = -1, listener = -1;
static pid_t process;
static uint16_t port;

static void say(const struct message *message)
{
    static uint8_t wire[MESSAGE_WIRE_MAX];
    long length = message_encode(message, wire);
    ck_assert_int_gt(length, 0);
    ck_assert_int_eq(send(parent, wire, (size_t)length, MSG_NOSIGNAL), length);
}

static bool is_readable(int descriptor, int wait_ms)
{
    struct pollfd poller = {.fd = descriptor, .events = POLLIN};
    return poll(&poller, 1, wait_ms) == 1;
}

static const struct message *hear(enum message_type type)
{
    static uint8_t wire[MESSAGE_WIRE_MAX];
    static struct message message;
    char space[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {wire, sizeof wire};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    struct fault fault = {""};
    ck_assert_msg(is_readable(parent, PATIENCE_MS), "waited in vain for %s", message_name(type));
    ssize_t got = recvmsg(parent, &header, MSG_CMSG_CLOEXEC);
    ck_assert_int_gt(got, 0);
    ck_assert_msg(message_decode(wire, (size_t)got, TO_PARENT, &message, &fault) == 0, "%s",
                  fault.text);
    ck_assert_msg(message.type == type, "%s (%s) instead of %s", message_name(message.type),
                  message.text, message_name(type));
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    message.descriptor = -1;
    if (rights && rights->cmsg_type == SCM_RIGHTS)
        memcpy(&message.descriptor, CMSG_DATA(rights), sizeof message.descriptor);
    return &message;
}

static void say_hello(const char *settings)
{
    struct message message;
    message_init(&message, MESSAGE_HELLO);
    message.data = (const uint8_t *)settings;
    message.data_length = strlen(settings);
    say(&message);
}

static void say_dial(uint64_t request, const char *host, uint16_t to, uint64_t timeout_ms)
{
    struct message message;
    message_init(&message, MESSAGE_DIAL);
    message.request = request;
    (void)snprintf(message.address, sizeof message.address, "%s", host);
    message.port = to;
    message.timeout_ms = timeout_ms;
    say(&message);
}

static void say_abandon(uint64_t request)
{
    struct message message;
    message_init(&message, MESSAGE_ABANDON);
    message.request = request;
    say(&message);
}

static void hear_refusal(uint64_t request, const char *words)
{
    const struct message *message = hear(MESSAGE_UNDIALLED);
    ck_assert_uint_eq(message->request, request);
    ck_assert_msg(strstr(message->text, words) != NULL, "%s", message->text);
}

static void listen_on_loopback(int backlog)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(listener, backlog), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    port = ntohs(address.sin_port);
}

static void start_process(void)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    process = fork();
    ck_assert_int_ge(process, 0);
    if (process == 0) {
        (void)dup2(ends[1], 3);
        for (int other = 4; other < 64; other++)
            close(other);
        exit(dialer_main()); /* exit: a sanitized build looks for leaks */
    }
    close(ends[1]);
    parent = ends[0];
}

static void setup(void)
{
    listen_on_loopback(8);
    start_process();
    say_hello(SETTINGS);
    ck_assert_ptr_nonnull(strstr(hear(MESSAGE_READY)->text, "no_new_privs"));
}

static void setup_mute(void)
{
    start_process();
}

static int exit_code(void)
{
    int status;
    ck_assert_int_eq(waitpid(process, &status, 0), process);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The parent hangs up: the dialer ends, in order. */
static void teardown(void)
{
    close(parent);
    close(listener);
    ck_assert_int_eq(exit_code(), 0);
}

static bool nobody_came(void)
{
    return !is_readable(listener, MOMENT_MS);
}

START_TEST(an_address_that_the_grant_names_is_dialled)
{
    char bytes[4] = "";
    say_dial(7, "127.0.0.1", port, 5000);
    const struct message *message = hear(MESSAGE_DIALLED);
    ck_assert_uint_eq(message->request, 7);
    ck_assert_int_ge(message->descriptor, 0);
    ck_assert(is_readable(listener, PATIENCE_MS));
    int accepted = accept(listener, NULL, NULL);
    ck_assert_int_eq(write(accepted, "abc", 3), 3);
    ck_assert(is_readable(message->descriptor, PATIENCE_MS));
    ck_assert_int_eq(read(message->descriptor, bytes, sizeof bytes), 3);
    close(message->descriptor);
    /* The dialer kept no copy. */
    ck_assert(is_readable(accepted, PATIENCE_MS));
    ck_assert_int_eq(read(accepted, bytes, sizeof bytes), 0);
    close(accepted);
}
END_TEST

/* What inet_aton(3) takes for an address is none that a grant names literally. */
static const char *const disguises[] = {"localhost", "127.1", "0x7f000001", "2130706433", "0"};

START_TEST(a_name_of_the_hub_itself_is_not_dialled)
{
    say_dial(1, disguises[_i], port, 5000);
    hear_refusal(1, disguises[_i][1] == '\0' ? "an unspecified address" : "a loopback address");
    ck_assert(nobody_came());
}
END_TEST

START_TEST(failures_have_a_reason)
{
    close(listener);
    say_dial(1, "127.0.0.1", port, 5000);
    hear_refusal(1, "Connection refused");
    say_dial(2, "no-such-host.invalid", port, 5000);
    hear_refusal(2, "resolve no-such-host.invalid: ");
    say_dial(3, "", port, 5000);
    hear_refusal(3, ":");
    listen_on_loopback(8);
}
END_TEST

START_TEST(a_name_that_is_too_long_is_refused)
{
    char host[300];
    memset(host, 'a', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    say_dial(1, host, port, 5000);
    hear_refusal(1, "too long");
}
END_TEST

/* A full queue of unaccepted connections: the kernel drops further attempts. */
static void fill_listener(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    for (size_t i = 0; i < 4; i++) {
        int filler = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(filler, (struct sockaddr *)&address, sizeof address);
    }
}

START_TEST(silence_ends_in_time)
{
    close(listener);
    listen_on_loopback(0);
    fill_listener();
    say_dial(1, "127.0.0.1", port, 200);
    hear_refusal(1, "no answer within 200ms");
}
END_TEST

START_TEST(dials_at_once_are_bounded)
{
    close(listener);
    listen_on_loopback(0);
    fill_listener();
    for (uint64_t request = 1; request <= DIALS_MAX + 1; request++)
        say_dial(request, "127.0.0.1", port, 60000);
    hear_refusal(DIALS_MAX + 1, "too many");
    say_abandon(5);
    say_abandon(4711); /* late, or never there */
    say_dial(1000, "localhost", port, 5000);
    hear_refusal(1000, "a loopback address");
    ck_assert(!is_readable(parent, MOMENT_MS));
}
END_TEST

START_TEST(settings_may_change)
{
    struct message message;
    message_init(&message, MESSAGE_SETTINGS);
    message.data = (const uint8_t *)SETTINGS;
    message.data_length = strlen(SETTINGS);
    say(&message);
    say_dial(1, "localhost", port, 5000);
    hear_refusal(1, "a loopback address");
}
END_TEST

/* --- one that is not told what it needs --- */

static const char *const malformed[] = {
    "",
    "[]",
    "{}",
    "{\"log_level\":\"error\",\"log_format\":\"text\",\"user\":\"\",\"own\":[\"hub\"]}",
    "{\"log_level\":\"much\",\"log_format\":\"text\",\"user\":\"\",\"own\":[]}",
};

START_TEST(malformed_settings_end_it)
{
    say_hello(malformed[_i]);
    ck_assert_int_eq(exit_code(), 1);
    close(parent);
}
END_TEST

START_TEST(it_dials_nothing_before_it_is_confined)
{
    say_dial(1, "127.0.0.1", 9, 5000);
    ck_assert_int_eq(exit_code(), 1);
    close(parent);
}
END_TEST

/* --- whose addresses --- */

static bool holds(const struct own_addresses *own, const char *text)
{
    struct in6_addr wanted;
    ck_assert_int_eq(inet_pton(AF_INET6, text, &wanted), 1);
    for (size_t i = 0; i < own->count; i++) {
        if (memcmp(own->items[i].bytes, &wanted, sizeof wanted) == 0)
            return true;
    }
    return false;
}

START_TEST(own_addresses_are_the_named_and_the_interfaces)
{
    struct own_addresses own = {0};
    ck_assert_int_eq(own_addresses_name(&own, "8.8.8.8"), 0);
    ck_assert_int_eq(own_addresses_name(&own, "hub.example.net"), -1);
    ck_assert_int_eq(own_addresses_read(&own, 5000), 0);
    ck_assert(holds(&own, "::ffff:8.8.8.8"));
    ck_assert(holds(&own, "::ffff:127.0.0.1"));
    size_t count = own.count;
    own.items[own.count - 1].bytes[0] = 0x99;
    ck_assert_int_eq(own_addresses_read(&own, 5999), 0);
    ck_assert_int_eq(own.items[count - 1].bytes[0], 0x99); /* still good */
    ck_assert_int_eq(own_addresses_read(&own, 6000), 0);
    ck_assert_uint_eq(own.count, count);
    ck_assert_int_ne(own.items[count - 1].bytes[0], 0x99);
    ck_assert(holds(&own, "::ffff:8.8.8.8"));
    own_addresses_release(&own);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dialer_process");
    TCase *up = tcase_create("up"), *mute = tcase_create("mute"), *own = tcase_create("own");
    tcase_add_checked_fixture(up, setup, teardown);
    tcase_set_timeout(up, 60);
    tcase_add_test(up, an_address_that_the_grant_names_is_dialled);
    tcase_add_loop_test(up, a_name_of_the_hub_itself_is_not_dialled, 0,
                        sizeof disguises / sizeof *disguises);
    tcase_add_test(up, failures_have_a_reason);
    tcase_add_test(up, a_name_that_is_too_long_is_refused);
    tcase_add_test(up, silence_ends_in_time);
    tcase_add_test(up, dials_at_once_are_bounded);
    tcase_add_test(up, settings_may_change);
    tcase_add_checked_fixture(mute, setup_mute, NULL);
    tcase_add_loop_test(mute, malformed_settings_end_it, 0, sizeof malformed / sizeof *malformed);
    tcase_add_test(mute, it_dials_nothing_before_it_is_confined);
    tcase_add_test(own, own_addresses_are_the_named_and_the_interfaces);
    suite_add_tcase(suite, up);
    suite_add_tcase(suite, mute);
    suite_add_tcase(suite, own);
    return suite_run(suite);
}
