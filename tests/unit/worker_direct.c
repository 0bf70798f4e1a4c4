/*
 * A worker process and direct-tcpip channels: asked of the parent, refused with its reason, or
 * attached to a socket.  The test plays the parent; see worker_rig.h.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "suite.h"
#include "worker/direct.h"
#include "worker_rig.h"

static struct rig rig;

static void setup(void)
{
    char path[RIG_PATH_SIZE + 8];
    rig_open(&rig, NULL);
    (void)snprintf(path, sizeof path, "%s/text", rig.directory);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    (void)fputs("from ssh\n", file);
    (void)fclose(file);
    rig.identify = VERDICT_OPERATOR;
}

static void teardown(void)
{
    rig_close(&rig);
}

static bool said(const char *words)
{
    return strstr(rig_read(&rig, "err"), words) != NULL;
}

/* Gives the channel one end of a pair; the other is returned. */
static int attach(uint64_t cid)
{
    struct message message;
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    message_init(&message, MESSAGE_ATTACH);
    message.request = rig.open_request;
    message.cid = cid;
    message.descriptor = pair[0];
    pipe_send(rig.pipe, &message);
    (void)close(pair[0]);
    return pair[1];
}

/* Reads until so many bytes came, or the end. */
static size_t receive(int socket, char *text, size_t size)
{
    size_t length = 0;
    for (int tries = 0; tries < 500 && length < size; tries++) {
        ssize_t got = recv(socket, text + length, size - length, MSG_DONTWAIT);
        if (got == 0)
            break;
        if (got > 0)
            length += (size_t)got;
        rig_run(&rig, 10);
    }
    return length;
}

START_TEST(the_parent_is_asked_and_its_reason_told)
{
    rig.refusal = "no access: because";
    pid_t ssh = rig_ssh(&rig, "-W hannover:8443 alice@127.0.0.1 </dev/null");
    const struct heard *open = rig_wait(&rig, MESSAGE_OPEN);
    ck_assert_str_eq(open->address, "hannover");
    ck_assert_uint_eq(open->port, 8443);
    rig_answer_open(&rig, VERDICT_REFUSED);
    ck_assert_int_eq(rig_wait_exit(&rig, ssh), 255);
    ck_assert(said("Remote: no access: because"));
    ck_assert(said("open failed: administratively prohibited"));
    ck_assert(!rig_has(&rig, MESSAGE_REFUSAL));
}
END_TEST

START_TEST(a_socket_is_attached)
{
    char text[16] = "";
    pid_t ssh = rig_ssh(&rig, "-W hannover:8443 alice@127.0.0.1 <text");
    (void)rig_wait(&rig, MESSAGE_OPEN);
    int socket = attach(0);
    ck_assert_uint_eq(receive(socket, text, 9), 9);
    ck_assert_str_eq(text, "from ssh\n");
    ck_assert_int_eq(send(socket, "to ssh\n", 7, 0), 7);
    (void)close(socket);
    ck_assert_int_eq(rig_wait_exit(&rig, ssh), 0);
    ck_assert_str_eq(rig_read(&rig, "out"), "to ssh\n");
    ck_assert(!rig_has(&rig, MESSAGE_CLOSED));
}
END_TEST

START_TEST(one_with_a_number_is_counted)
{
    char text[16] = "";
    pid_t ssh = rig_ssh(&rig, "-W hannover:8443 alice@127.0.0.1 <text");
    (void)rig_wait(&rig, MESSAGE_OPEN);
    int socket = attach(77);
    ck_assert_uint_eq(receive(socket, text, 9), 9);
    ck_assert_int_eq(send(socket, "to ssh\n", 7, 0), 7);
    (void)rig_wait(&rig, MESSAGE_STATS);
    (void)close(socket);
    const struct heard *closed = rig_wait(&rig, MESSAGE_CLOSED);
    ck_assert_uint_eq(closed->cid, 77);
    ck_assert_uint_eq(closed->bytes_in, 9);
    ck_assert_uint_eq(closed->bytes_out, 7);
    ck_assert_int_eq(rig_wait_exit(&rig, ssh), 0);
}
END_TEST

START_TEST(the_parent_cuts_it)
{
    struct message message;
    pid_t ssh = rig_ssh(&rig, "-W hannover:8443 alice@127.0.0.1 <text");
    (void)rig_wait(&rig, MESSAGE_OPEN);
    int socket = attach(77);
    rig_run(&rig, 100);
    message_init(&message, MESSAGE_CLOSE);
    message.cid = 77;
    (void)strcpy(message.text, "enough");
    pipe_send(rig.pipe, &message);
    ck_assert_str_eq(rig_wait(&rig, MESSAGE_CLOSED)->text, "enough");
    ck_assert_int_ge(rig_wait_exit(&rig, ssh), 0);
    (void)close(socket);
}
END_TEST

START_TEST(too_late_it_is_closed_and_said)
{
    char text[1];
    pid_t ssh = rig_ssh(&rig, "-W hannover:8443 alice@127.0.0.1 </dev/null");
    (void)rig_wait(&rig, MESSAGE_OPEN);
    ck_assert_int_eq(kill(ssh, SIGKILL), 0);
    (void)rig_wait_exit(&rig, ssh);
    (void)rig_wait(&rig, MESSAGE_GONE);
    int socket = attach(78);
    ck_assert_uint_eq(rig_wait(&rig, MESSAGE_CLOSED)->cid, 78);
    ck_assert_uint_eq(receive(socket, text, 1), 0);
    (void)close(socket);
    socket = attach(0);
    ck_assert_uint_eq(receive(socket, text, 1), 0);
    ck_assert(!rig_has(&rig, MESSAGE_CLOSED));
    (void)close(socket);
}
END_TEST

START_TEST(sites_ask_too)
{
    rig.identify = VERDICT_GRANTED;
    rig.refusal = "no access: because";
    pid_t ssh = rig_ssh(&rig, "-W time.example.net:123 hannover@127.0.0.1 </dev/null");
    ck_assert_str_eq(rig_wait(&rig, MESSAGE_OPEN)->address, "time.example.net");
    rig_answer_open(&rig, VERDICT_REFUSED);
    ck_assert_int_eq(rig_wait_exit(&rig, ssh), 255);
}
END_TEST

/* A port that is free at the moment. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(taken, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(getsockname(taken, (struct sockaddr *)&address, &length), 0);
    (void)close(taken);
    return ntohs(address.sin_port);
}

/* Waits for whoever listens there. */
static int dial(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int tries = 0; tries < 300; tries++) {
        int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0)
            return descriptor;
        (void)close(descriptor);
        rig_run(&rig, 20);
    }
    ck_abort_msg("nobody listens on port %d", port);
    return -1;
}

START_TEST(those_that_wait_are_bounded)
{
    int port = free_port(), visitors[DIRECT_WAITING_MAX + 3];
    size_t count = sizeof visitors / sizeof *visitors, heard = 0;
    pid_t ssh = rig_ssh(&rig, "-N -L %d:hannover:8443 alice@127.0.0.1", port);
    for (size_t i = 0; i < count; i++)
        visitors[i] = dial(port);
    for (int tries = 0; tries < 300 && !said("Remote: busy: "); tries++)
        rig_run(&rig, 20);
    ck_assert(said("Remote: busy: "));
    rig_run(&rig, 200);
    for (size_t i = 0; i < rig.heard_count; i++)
        heard += rig.heard[i].type == MESSAGE_OPEN;
    ck_assert_uint_eq(heard, DIRECT_WAITING_MAX);
    for (size_t i = 0; i < count; i++)
        (void)close(visitors[i]);
    ck_assert_int_eq(kill(ssh, SIGTERM), 0);
    (void)rig_wait_exit(&rig, ssh);
    (void)rig_wait(&rig, MESSAGE_GONE);
}
END_TEST

static const struct {
    const char *words, *refusal;
} others[] = {
    {"alice@127.0.0.1 ls", "command 'ls'"},
    {"alice@127.0.0.1 forwards", "command 'forwards'"},
    {"alice@127.0.0.1 activate", "command 'activate'"},
    {"-s alice@127.0.0.1 sftp", "subsystem 'sftp'"},
    {"-N -o ExitOnForwardFailure=yes -R 8443:127.0.0.1:1 alice@127.0.0.1", "forward of port 8443"},
};

START_TEST(nothing_else_is_served)
{
    pid_t ssh = rig_ssh(&rig, "%s </dev/null", others[_i].words);
    ck_assert_str_eq(rig_wait(&rig, MESSAGE_REFUSAL)->text, others[_i].refusal);
    ck_assert_int_ne(rig_wait_exit(&rig, ssh), 0);
    ck_assert(!rig_has(&rig, MESSAGE_PUBLISH));
    ck_assert(!rig_has(&rig, MESSAGE_QUERY));
}
END_TEST

START_TEST(no_command_is_the_status)
{
    rig.query_data = "all is well\n";
    pid_t ssh = rig_ssh(&rig, "alice@127.0.0.1 </dev/null");
    ck_assert_str_eq(rig_wait(&rig, MESSAGE_QUERY)->text, "status");
    ck_assert_int_eq(rig_wait_exit(&rig, ssh), 0);
    ck_assert_str_eq(rig_read(&rig, "out"), "all is well\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_direct");
    TCase *channels = tcase_create("channels");
    tcase_set_timeout(channels, 60);
    tcase_add_checked_fixture(channels, setup, teardown);
    tcase_add_test(channels, the_parent_is_asked_and_its_reason_told);
    tcase_add_test(channels, a_socket_is_attached);
    tcase_add_test(channels, one_with_a_number_is_counted);
    tcase_add_test(channels, the_parent_cuts_it);
    tcase_add_test(channels, too_late_it_is_closed_and_said);
    tcase_add_test(channels, sites_ask_too);
    tcase_add_test(channels, those_that_wait_are_bounded);
    tcase_add_loop_test(channels, nothing_else_is_served, 0, sizeof others / sizeof *others);
    tcase_add_test(channels, no_command_is_the_status);
    suite_add_tcase(suite, channels);
    return suite_run(suite);
}
