/*
 * The serving side on a real loop and socket.  The test's clients are bare sockets that do not
 * block; each wait turns the loop until its condition holds.
 */
#define _GNU_SOURCE
#include "control/server.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/frames.h"
#include "suite.h"

static uv_loop_t loop;
static char directory[64];
static char path[96];
static struct control_server *server;
static struct control_request *kept; /* by the verb "later" */
static unsigned handled;
static struct fault fault;

static void handle(void *owner, struct control_request *request)
{
    ck_assert_ptr_eq(owner, &loop);
    const char *verb = control_request_verb(request);
    handled++;
    if (strcmp(verb, "echo") == 0)
        control_reply(request, json_deep_copy(control_request_args(request)));
    else if (strcmp(verb, "empty") == 0)
        control_reply(request, NULL);
    else if (strcmp(verb, "actor") == 0)
        control_reply(request, json_pack("{s:s}", "actor", control_request_actor(request)));
    else if (strcmp(verb, "later") == 0)
        kept = request;
    else if (strcmp(verb, "follow") == 0)
        control_follow(request, json_array());
    else if (strcmp(verb, "close") == 0) {
        control_server_close(server);
        server = NULL;
        control_reply(request, NULL);
    } else
        control_refuse(request, "there is no verb '%s'", verb);
}

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    snprintf(directory, sizeof(directory), "/tmp/control-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/c.sock", directory);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    kept = NULL;
    handled = 0;
    ck_assert_int_eq(control_server_open(&loop, path, NULL, handle, &loop, &server, &fault), 0);
}

static void teardown(void)
{
    control_server_close(server);
    server = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    ck_assert_int_eq(rmdir(directory), 0); /* the socket file is gone */
}

static void turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
}

static int connect_to(const char *where)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", where);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    size_t length = strlen(text);
    while (length > 0) {
        ssize_t sent = send(fd, text, length, MSG_NOSIGNAL);
        if (sent > 0) {
            text += sent;
            length -= (size_t)sent;
        } else if (sent < 0 && errno != EAGAIN) {
            return;
        }
        turn();
    }
}

/* One line, without its newline; "" when the server closed. */
static const char *hear(int fd)
{
    static char line[4096];
    size_t used = 0;
    for (;;) {
        ssize_t got = recv(fd, line + used, 1, 0);
        if (got < 0 && errno == EAGAIN) {
            turn();
            continue;
        }
        if (got <= 0)
            return "";
        if (line[used] == '\n' || used + 2 == sizeof(line))
            break;
        used++;
    }
    line[used] = '\0';
    return line;
}

#define ask(fd, request, reply)                                                                    \
    do {                                                                                           \
        say(fd, request "\n");                                                                     \
        ck_assert_str_eq(hear(fd), reply);                                                         \
    } while (0)

START_TEST(answers_now)
{
    int fd = connect_to(path);
    ask(fd, "{\"verb\":\"echo\",\"args\":{\"a\":1}}", "{\"ok\":true,\"data\":{\"a\":1}}");
    ask(fd, "{\"verb\":\"echo\"}", "{\"ok\":true,\"data\":{}}");
    ask(fd, "{\"verb\":\"empty\"}", "{\"ok\":true,\"data\":{}}");
    ask(fd, "{\"verb\":\"dance\"}", "{\"ok\":false,\"error\":\"there is no verb 'dance'\"}");
    close(fd);
}
END_TEST

START_TEST(answers_later_and_reads_no_more_before)
{
    int fd = connect_to(path);
    say(fd, "{\"verb\":\"later\"}\n{\"verb\":\"empty\"}\n");
    while (!kept)
        turn();
    for (unsigned i = 0; i < 20; i++)
        turn();
    ck_assert_uint_eq(handled, 1);
    control_reply(kept, json_pack("{s:i}", "n", 1));
    ck_assert_str_eq(hear(fd), "{\"ok\":true,\"data\":{\"n\":1}}");
    ck_assert_str_eq(hear(fd), "{\"ok\":true,\"data\":{}}");
    ck_assert_uint_eq(handled, 2);
    close(fd);
}
END_TEST

START_TEST(a_half_closed_client_gets_its_answer)
{
    int fd = connect_to(path);
    say(fd, "{\"verb\":\"later\"}\n");
    shutdown(fd, SHUT_WR);
    while (!kept)
        turn();
    control_reply(kept, NULL);
    ck_assert_str_eq(hear(fd), "{\"ok\":true,\"data\":{}}");
    ck_assert_str_eq(hear(fd), "");
    close(fd);
}
END_TEST

START_TEST(a_client_that_left_is_answered_into_nothing)
{
    int fd = connect_to(path);
    say(fd, "{\"verb\":\"later\"}\n");
    while (!kept)
        turn();
    close(fd);
    turn();
    control_reply(kept, NULL);
    turn();
    fd = connect_to(path);
    ask(fd, "{\"verb\":\"empty\"}", "{\"ok\":true,\"data\":{}}");
    close(fd);
}
END_TEST

START_TEST(a_request_survives_the_server)
{
    int fd = connect_to(path);
    say(fd, "{\"verb\":\"later\"}\n");
    while (!kept)
        turn();
    control_server_close(server);
    server = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_str_eq(control_request_verb(kept), "later");
    control_refuse(kept, "shutting down");
    ck_assert_str_eq(hear(fd), "");
    close(fd);
}
END_TEST

START_TEST(the_handler_may_close_the_server)
{
    int fd = connect_to(path);
    say(fd, "{\"verb\":\"close\"}\n");
    ck_assert_str_eq(hear(fd), "");
    close(fd);
}
END_TEST

START_TEST(garbage_is_refused_and_cut_off)
{
    int fd = connect_to(path);
    ask(fd, "GET / HTTP/1.1", "{\"ok\":false,\"error\":\"a line is no JSON object (column 3)\"}");
    ck_assert_str_eq(hear(fd), "");
    close(fd);
}
END_TEST

START_TEST(a_request_of_the_wrong_form_is_refused)
{
    int fd = connect_to(path);
    ask(fd, "{\"args\":{}}", "{\"ok\":false,\"error\":\"a request needs \\\"verb\\\", a string\"}");
    ask(fd, "{\"verb\":\"echo\",\"args\":[]}",
        "{\"ok\":false,\"error\":\"\\\"args\\\" of a request must be an object\"}");
    ask(fd, "{\"verb\":\"empty\"}", "{\"ok\":true,\"data\":{}}");
    ck_assert_uint_eq(handled, 1);
    close(fd);
}
END_TEST

START_TEST(an_oversized_line_is_refused_and_cut_off)
{
    int fd = connect_to(path);
    size_t length = FRAME_REQUEST_MAX + 70000;
    char *text = malloc(length + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, 'x', length);
    text[length] = '\0';
    say(fd, text);
    free(text);
    ck_assert_str_eq(hear(fd), "{\"ok\":false,\"error\":\"a line is longer than 16777216 bytes\"}");
    ck_assert_str_eq(hear(fd), "");
    close(fd);
}
END_TEST

START_TEST(followers_get_events_and_may_still_ask)
{
    int fd = connect_to(path), other = connect_to(path);
    json_t *event = json_pack("{s:s}", "event", "site.online");
    ask(other, "{\"verb\":\"empty\"}", "{\"ok\":true,\"data\":{}}");
    control_publish(server, event); /* nobody follows yet */
    ask(fd, "{\"verb\":\"follow\"}", "{\"ok\":true,\"data\":[]}");
    control_publish(server, event);
    ck_assert_str_eq(hear(fd), "{\"event\":{\"event\":\"site.online\"}}");
    ask(fd, "{\"verb\":\"empty\"}", "{\"ok\":true,\"data\":{}}");
    control_publish(server, event);
    ck_assert_str_eq(hear(fd), "{\"event\":{\"event\":\"site.online\"}}");
    turn();
    char byte;
    ck_assert_int_eq(recv(other, &byte, 1, 0), -1); /* no follower: no event */
    json_decref(event);
    close(fd);
    close(other);
}
END_TEST

START_TEST(a_slow_follower_is_cut_off_at_the_bound)
{
    int slow = connect_to(path), quick = connect_to(path);
    char text[1001];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    json_t *event = json_pack("{s:s}", "text", text);
    ask(slow, "{\"verb\":\"follow\"}", "{\"ok\":true,\"data\":[]}");
    ask(quick, "{\"verb\":\"follow\"}", "{\"ok\":true,\"data\":[]}");
    unsigned limit = 2 * CONTROL_QUEUE_MAX / 1000;
    for (unsigned i = 0; i < limit; i++) {
        control_publish(server, event);
        ck_assert_uint_gt(strlen(hear(quick)), 1000);
    }
    unsigned heard = 0;
    while (*hear(slow))
        heard++;
    /* What the kernel's buffer took, and no more: the queue went with the client. */
    ck_assert_uint_lt(heard, CONTROL_QUEUE_MAX / 1000);
    ask(quick, "{\"verb\":\"empty\"}", "{\"ok\":true,\"data\":{}}");
    json_decref(event);
    close(slow);
    close(quick);
}
END_TEST

START_TEST(clients_are_bounded)
{
    int fds[CONTROL_CLIENTS_MAX];
    for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        fds[i] = connect_to(path);
        ask(fds[i], "{\"verb\":\"empty\"}", "{\"ok\":true,\"data\":{}}");
    }
    int extra = connect_to(path);
    ck_assert_ptr_nonnull(strstr(hear(extra), "too many control clients"));
    ck_assert_str_eq(hear(extra), "");
    close(extra);
    close(fds[0]);
    for (unsigned i = 0; i < 20; i++)
        turn();
    fds[0] = connect_to(path);
    ask(fds[0], "{\"verb\":\"empty\"}", "{\"ok\":true,\"data\":{}}");
    for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
        close(fds[i]);
}
END_TEST

START_TEST(a_large_reply_is_written_whole)
{
    int fd = connect_to(path);
    json_t *list = json_array();
    for (unsigned i = 0; i < 100000; i++)
        json_array_append_new(list, json_string("hannover"));
    say(fd, "{\"verb\":\"later\"}\n");
    while (!kept)
        turn();
    control_reply(kept, list);
    size_t total = 0;
    char chunk[8192], last = '\0';
    while (last != '\n') {
        ssize_t got = recv(fd, chunk, sizeof(chunk), 0);
        if (got > 0) {
            total += (size_t)got;
            last = chunk[got - 1];
        }
        turn();
    }
    ck_assert_uint_eq(total, strlen("{\"ok\":true,\"data\":[]}\n") + 100000 * 11 - 1);
    close(fd);
}
END_TEST

START_TEST(the_actor_is_the_peer)
{
    int fd = connect_to(path);
    say(fd, "{\"verb\":\"actor\"}\n");
    const char *reply = hear(fd);
    char expected[32];
    snprintf(expected, sizeof(expected), "uid %u", getuid());
    ck_assert_ptr_nonnull(strstr(reply, getuid() == 0 ? "root" : expected));
    close(fd);
}
END_TEST

START_TEST(only_the_owner_may_connect)
{
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
}
END_TEST

static int open_at(const char *where, const char *group, struct control_server **out)
{
    fault.text[0] = '\0';
    return control_server_open(&loop, where, group, handle, &loop, out, &fault);
}

/* One's own group always works; the name is the machine's. */
START_TEST(a_group_may_be_let_in)
{
    char where[128];
    struct stat status;
    struct control_server *second = NULL;
    const struct group *group = getgrgid(getgid());
    if (!group)
        return;
    snprintf(where, sizeof(where), "%s/sub/g.sock", directory);
    ck_assert_int_eq(open_at(where, group->gr_name, &second), 0);
    ck_assert_int_eq(stat(where, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0660);
    ck_assert_uint_eq(status.st_gid, getgid());
    control_server_close(second);
    snprintf(where, sizeof(where), "%s/sub", directory);
    ck_assert_int_eq(stat(where, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0750);
    ck_assert_int_eq(rmdir(where), 0);
}
END_TEST

START_TEST(an_unknown_group_is_a_fault)
{
    char where[128];
    struct control_server *second = NULL;
    snprintf(where, sizeof(where), "%s/g.sock", directory);
    ck_assert_int_eq(open_at(where, "no-such-group", &second), -1);
    ck_assert_str_eq(fault.text, "there is no group 'no-such-group' on this machine");
    ck_assert_int_eq(access(where, F_OK), -1);
}
END_TEST

START_TEST(a_stale_socket_is_replaced)
{
    char where[104];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct control_server *second = NULL;
    snprintf(where, sizeof(where), "%s/s.sock", directory);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", where);
    int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(stale, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(stale);
    ck_assert_int_eq(open_at(where, "", &second), 0);
    int fd = connect_to(where);
    ask(fd, "{\"verb\":\"empty\"}", "{\"ok\":true,\"data\":{}}");
    close(fd);
    control_server_close(second);
}
END_TEST

START_TEST(a_live_socket_is_a_fault)
{
    struct control_server *second = NULL;
    ck_assert_int_eq(open_at(path, NULL, &second), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "another daemon answers"));
    int fd = connect_to(path);
    ask(fd, "{\"verb\":\"empty\"}", "{\"ok\":true,\"data\":{}}");
    close(fd);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_left_alone)
{
    char where[128];
    struct control_server *second = NULL;
    snprintf(where, sizeof(where), "%s/notes", directory);
    FILE *file = fopen(where, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
    ck_assert_int_eq(open_at(where, NULL, &second), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "is no socket"));
    ck_assert_int_eq(unlink(where), 0);
}
END_TEST

START_TEST(a_path_that_does_not_fit_is_a_fault)
{
    char where[256];
    struct control_server *second = NULL;
    snprintf(where, sizeof(where), "%s/%0150d", directory, 0);
    ck_assert_int_eq(open_at(where, NULL, &second), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "choose a shorter one"));
    ck_assert_int_eq(open_at("", NULL, &second), -1);
}
END_TEST

START_TEST(a_missing_directory_is_made)
{
    char where[128];
    struct stat status;
    struct control_server *second = NULL;
    snprintf(where, sizeof(where), "%s/new/c.sock", directory);
    ck_assert_int_eq(open_at(where, NULL, &second), 0);
    control_server_close(second);
    ck_assert_int_eq(access(where, F_OK), -1);
    snprintf(where, sizeof(where), "%s/new", directory);
    ck_assert_int_eq(stat(where, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0700);
    ck_assert_int_eq(rmdir(where), 0);
}
END_TEST

START_TEST(another_ones_socket_is_not_removed)
{
    struct control_server *second = NULL;
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(open_at(path, NULL, &second), 0);
    control_server_close(server);
    server = second;
    ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control_server");
    TCase *requests = tcase_create("requests"), *file = tcase_create("file");
    tcase_set_timeout(requests, 60);
    tcase_add_checked_fixture(requests, setup, teardown);
    tcase_add_test(requests, answers_now);
    tcase_add_test(requests, answers_later_and_reads_no_more_before);
    tcase_add_test(requests, a_half_closed_client_gets_its_answer);
    tcase_add_test(requests, a_client_that_left_is_answered_into_nothing);
    tcase_add_test(requests, a_request_survives_the_server);
    tcase_add_test(requests, the_handler_may_close_the_server);
    tcase_add_test(requests, garbage_is_refused_and_cut_off);
    tcase_add_test(requests, a_request_of_the_wrong_form_is_refused);
    tcase_add_test(requests, an_oversized_line_is_refused_and_cut_off);
    tcase_add_test(requests, followers_get_events_and_may_still_ask);
    tcase_add_test(requests, a_slow_follower_is_cut_off_at_the_bound);
    tcase_add_test(requests, clients_are_bounded);
    tcase_add_test(requests, a_large_reply_is_written_whole);
    tcase_add_test(requests, the_actor_is_the_peer);
    suite_add_tcase(suite, requests);
    tcase_add_checked_fixture(file, setup, teardown);
    tcase_add_test(file, only_the_owner_may_connect);
    tcase_add_test(file, a_group_may_be_let_in);
    tcase_add_test(file, an_unknown_group_is_a_fault);
    tcase_add_test(file, a_stale_socket_is_replaced);
    tcase_add_test(file, a_live_socket_is_a_fault);
    tcase_add_test(file, a_file_that_is_no_socket_is_left_alone);
    tcase_add_test(file, a_path_that_does_not_fit_is_a_fault);
    tcase_add_test(file, a_missing_directory_is_made);
    tcase_add_test(file, another_ones_socket_is_not_removed);
    suite_add_tcase(suite, file);
    return suite_run(suite);
}
