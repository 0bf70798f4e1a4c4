/*
 * The asking side, against a peer that says what the test tells it to: a thread that accepts
 * once, reads one line, writes its script and closes.
 */
#define _GNU_SOURCE
#include "control/client.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "suite.h"

static char directory[64];
static char path[96];
static int listening;
static pthread_t thread;
static const char *script; /* borrowed: what the peer says */
static char request[4096]; /* what it was asked */
static struct fault fault;

static void *peer(void *unused)
{
    (void)unused;
    int fd = accept(listening, NULL, NULL);
    size_t used = 0;
    while (used + 1 < sizeof(request)) {
        ssize_t got = recv(fd, request + used, 1, 0);
        if (got <= 0 || request[used] == '\n')
            break;
        used++;
    }
    request[used] = '\0';
    (void)!write(fd, script, strlen(script));
    close(fd);
    return NULL;
}

static void start_peer(const char *says)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listening, (const struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(listening, 4), 0);
    script = says;
    ck_assert_int_eq(pthread_create(&thread, NULL, peer, NULL), 0);
}

static void stop_peer(void)
{
    pthread_join(thread, NULL);
    close(listening);
    unlink(path);
}

static void setup(void)
{
    snprintf(directory, sizeof(directory), "/tmp/client-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/c.sock", directory);
    fault.text[0] = '\0';
}

static void teardown(void)
{
    unlink(path);
    rmdir(directory);
}

static struct control_client *open_client(void)
{
    struct control_client *client = NULL;
    ck_assert_int_eq(control_client_open(path, &client, &fault), 0);
    return client;
}

START_TEST(asks_and_hears)
{
    start_peer("{\"ok\":true,\"data\":{\"name\":\"hannover\"}}\n");
    struct control_client *client = open_client();
    json_t *data = NULL;
    ck_assert_int_eq(control_client_call(client, "site.add", json_pack("{s:s}", "name", "hannover"),
                                         &data, &fault),
                     0);
    ck_assert_str_eq(json_string_value(json_object_get(data, "name")), "hannover");
    json_decref(data);
    control_client_close(client);
    stop_peer();
    ck_assert_str_eq(request, "{\"verb\":\"site.add\",\"args\":{\"name\":\"hannover\"}}");
}
END_TEST

START_TEST(a_refusal_is_the_daemons_sentence)
{
    start_peer("{\"ok\":false,\"error\":\"100%s of the sites are taken\"}\n");
    struct control_client *client = open_client();
    json_t *data = NULL;
    ck_assert_int_eq(control_client_call(client, "status", NULL, &data, &fault), CONTROL_REFUSED);
    ck_assert_str_eq(fault.text, "100%s of the sites are taken");
    ck_assert_ptr_null(data);
    control_client_close(client);
    stop_peer();
    ck_assert_str_eq(request, "{\"verb\":\"status\",\"args\":{}}");
}
END_TEST

static const struct {
    const char *says, *sentence;
} broken[] = {
    {"", "closed the connection"},
    {"{\"ok\":true", "closed the connection"},
    {"SSH-2.0-OpenSSH_9.2\r\n", "no JSON object"},
    {"{}\n", "no reply"},
    {"{\"ok\":true}\n", "no reply"},
    {"{\"ok\":false}\n", "no reply"},
    {"{\"event\":{}}\n", "no reply"},
    {"{\"ok\":\"true\",\"data\":1}\n", "no reply"},
};

START_TEST(what_is_no_reply_is_unreachable)
{
    start_peer(broken[_i].says);
    struct control_client *client = open_client();
    json_t *data = NULL;
    ck_assert_int_eq(control_client_call(client, "status", NULL, &data, &fault),
                     CONTROL_UNREACHABLE);
    ck_assert_msg(strstr(fault.text, broken[_i].sentence) != NULL, "%s", fault.text);
    ck_assert_ptr_nonnull(strstr(fault.text, path));
    ck_assert_ptr_null(data);
    control_client_close(client);
    stop_peer();
}
END_TEST

START_TEST(events_follow_the_reply_until_the_end)
{
    start_peer("{\"ok\":true,\"data\":[]}\n{\"event\":{\"event\":\"site.online\"}}\n"
               "{\"event\":{\"event\":\"site.offline\"}}\n");
    struct control_client *client = open_client();
    json_t *data = NULL, *event = NULL;
    ck_assert_int_eq(control_client_call(client, "events", NULL, &data, &fault), 0);
    json_decref(data);
    ck_assert_int_eq(control_client_next_event(client, -1, &event, &fault), 0);
    ck_assert_str_eq(json_string_value(json_object_get(event, "event")), "site.online");
    json_decref(event);
    ck_assert_int_eq(control_client_next_event(client, -1, &event, &fault), 0);
    ck_assert_str_eq(json_string_value(json_object_get(event, "event")), "site.offline");
    json_decref(event);
    ck_assert_int_eq(control_client_next_event(client, -1, &event, &fault), CONTROL_UNREACHABLE);
    control_client_close(client);
    stop_peer();
}
END_TEST

START_TEST(nobody_there_names_the_path)
{
    struct control_client *client = NULL;
    ck_assert_int_eq(control_client_open(path, &client, &fault), CONTROL_UNREACHABLE);
    ck_assert_ptr_null(client);
    ck_assert_ptr_nonnull(strstr(fault.text, path));
    ck_assert_ptr_nonnull(strstr(fault.text, "No such file"));
}
END_TEST

START_TEST(a_path_that_does_not_fit_is_said_so)
{
    struct control_client *client = NULL;
    char where[200];
    snprintf(where, sizeof(where), "/tmp/%0150d", 0);
    ck_assert_int_eq(control_client_open(where, &client, &fault), CONTROL_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(fault.text, "too long for a socket"));
}
END_TEST

START_TEST(the_default_path_follows_the_environment)
{
    char found[64];
    setenv("TUNNELD_SOCKET", "/srv/t.sock", 1);
    setenv("XDG_RUNTIME_DIR", "/run/user/1000", 1);
    ck_assert_int_eq(control_default_path(found, sizeof(found), &fault), 0);
    ck_assert_str_eq(found, "/srv/t.sock");
    setenv("TUNNELD_SOCKET", "", 1);
    ck_assert_int_eq(control_default_path(found, sizeof(found), &fault), 0);
    ck_assert_str_eq(found, "/run/user/1000/tunneld/control.sock");
    ck_assert_int_eq(control_default_path(found, 10, &fault), -1);
    unsetenv("XDG_RUNTIME_DIR");
    ck_assert_int_eq(control_default_path(found, sizeof(found), &fault), 0);
    ck_assert_str_eq(found, "/run/tunneld/control.sock");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control_client");
    TCase *tests = tcase_create("client");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, asks_and_hears);
    tcase_add_test(tests, a_refusal_is_the_daemons_sentence);
    tcase_add_loop_test(tests, what_is_no_reply_is_unreachable, 0,
                        (int)(sizeof(broken) / sizeof(*broken)));
    tcase_add_test(tests, events_follow_the_reply_until_the_end);
    tcase_add_test(tests, nobody_there_names_the_path);
    tcase_add_test(tests, a_path_that_does_not_fit_is_said_so);
    tcase_add_test(tests, the_default_path_follows_the_environment);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
