/*
 * Operators in a whole hub: their channels from OPEN to ATTACH, what cuts them, and what a worker
 * may not say about them.  The test plays the worker of both the site and the operator.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "parent_harness.h"
#include "suite.h"

#define PORT 8443

static int worker;
static struct public_key key, alices;
static uint64_t site, alice, requests;

static void allow_private(const char *name)
{
    hub_do("port.allow", "{s:s, s:i, s:s, s:{s:b}}", "site", name, "port", PORT, "target",
           "192.0.2.1:443", "policy", "private", 1);
}

static void add_alice(const char *scope)
{
    char line[PUBLIC_KEY_LINE_SIZE];
    alices = test_key(2);
    hub_do("operator.add", "{s:s, s:s, s:[s]}", "name", "alice", "key",
           public_key_line(&alices, line), "sites", scope);
}

static uint64_t operator_login(void)
{
    int peer;
    uint64_t sid = session_open(worker, &peer);
    ck_assert_int_eq(session_identify_as(worker, sid, "alice", &alices, false), VERDICT_OPERATOR);
    ck_assert_int_eq(session_identify_as(worker, sid, "alice", &alices, true), VERDICT_OPERATOR);
    session_up(worker, sid);
    (void)close(peer);
    return sid;
}

static void publish(void)
{
    ck_assert_int_eq((int)session_publish(worker, site, "", PORT)->code, VERDICT_GRANTED);
}

/* A site that publishes one private port, and alice. */
static void begin(void)
{
    harness_start("hold: 60s");
    worker = worker_take();
    key = test_key(1);
    site_make("hannover");
    allow_private("hannover");
    site_enrol(worker, "hannover", &key);
    site = site_login(worker, "hannover", &key);
    publish();
    add_alice("hannover");
    alice = operator_login();
}

static uint64_t ask(const char *host, uint64_t port)
{
    struct message message;
    message_init(&message, MESSAGE_OPEN);
    message.request = 1000 + ++requests;
    message.sid = alice;
    message.port = port;
    (void)strcpy(message.address, host);
    (void)strcpy(message.peer, "127.0.0.1:65535");
    worker_say(worker, &message);
    return message.request;
}

static void say(enum message_type type, uint64_t sid, uint64_t cid, uint64_t code)
{
    struct message message;
    message_init(&message, type);
    message.sid = sid;
    message.cid = cid;
    message.code = code;
    (void)strcpy(message.text, "a reason");
    worker_say(worker, &message);
}

/* The site's side of an open: *socket is what its worker gets. */
static uint64_t hear_connect(int *socket)
{
    const struct message *message = worker_hear(worker, MESSAGE_CONNECT);
    ck_assert_uint_eq(message->sid, site);
    ck_assert_uint_eq(message->port, PORT);
    ck_assert_int_eq(strncmp(message->peer, "127.0.0.1:", 10), 0);
    *socket = message->descriptor;
    return message->cid;
}

static void hear_refusal(uint64_t request, const char *words)
{
    const struct message *reply = worker_hear(worker, MESSAGE_REPLY);
    ck_assert_uint_eq(reply->request, request);
    ck_assert_int_eq((int)reply->code, VERDICT_REFUSED);
    ck_assert_msg(strncmp(reply->text, words, strlen(words)) == 0, "%s", reply->text);
}

/* A channel that is attached; *ends are what the two workers hold. */
static uint64_t attached(int ends[2])
{
    uint64_t request = ask("hannover", PORT);
    uint64_t cid = hear_connect(&ends[0]);
    worker_hear_nothing(worker);
    say(MESSAGE_OPENED, 0, cid, VERDICT_GRANTED);
    const struct message *attach = worker_hear(worker, MESSAGE_ATTACH);
    ck_assert_uint_eq(attach->request, request);
    ck_assert_uint_eq(attach->cid, 0);
    ends[1] = attach->descriptor;
    return cid;
}

static void end(int ends[2])
{
    (void)close(ends[0]);
    (void)close(ends[1]);
    harness_stop();
}

START_TEST(a_channel_is_a_connection)
{
    int ends[2];
    char text[6] = "";
    begin();
    (void)attached(ends);
    ck_assert_int_eq(send(ends[0], "hello", 5, 0), 5);
    ck_assert_int_eq(recv(ends[1], text, 5, MSG_WAITALL), 5);
    ck_assert_str_eq(text, "hello");
    json_t *rows = hub_call("connection.list", NULL);
    const json_t *row = json_array_get(rows, 0);
    ck_assert_str_eq(json_string_value(json_object_get(row, "operator")), "alice");
    ck_assert_int_eq(
        strncmp(json_string_value(json_object_get(row, "visitor")), "alice@127.0.0.1:", 16), 0);
    json_decref(rows);
    end(ends);
}
END_TEST

START_TEST(what_is_not_in_scope_looks_like_nothing)
{
    begin();
    site_make("kiel");
    allow_private("kiel");
    hear_refusal(ask("kiel", PORT), "no access: alice may reach no kiel:8443");
    hear_refusal(ask("celle", PORT), "no access: alice may reach no celle:8443");
    hear_refusal(ask("hannover", PORT + 1), "no access: alice may reach no hannover:8444");
    hear_refusal(ask("", 0), "no access: ");
    harness_stop();
}
END_TEST

START_TEST(the_site_s_refusal_is_passed_on)
{
    int socket;
    begin();
    uint64_t request = ask("HANNOVER", PORT), cid = hear_connect(&socket);
    (void)close(socket);
    say(MESSAGE_OPENED, 0, cid, VERDICT_REFUSED);
    hear_refusal(request, "refused by the site: a reason");
    say(MESSAGE_CLOSED, 0, cid, 0);
    hub_await_count("connections", 0);
    harness_stop();
}
END_TEST

START_TEST(it_waits_for_the_site)
{
    int ends[2];
    begin();
    session_gone(worker, site);
    hub_await_count("sites_online", 0);
    uint64_t request = ask("hannover", PORT);
    hub_await_count("waiting", 1);
    site = site_login(worker, "hannover", &key);
    publish();
    uint64_t cid = hear_connect(&ends[0]);
    say(MESSAGE_OPENED, 0, cid, VERDICT_GRANTED);
    const struct message *attach = worker_hear(worker, MESSAGE_ATTACH);
    ck_assert_uint_eq(attach->request, request);
    ends[1] = attach->descriptor;
    hub_await_count("waiting", 0);
    end(ends);
}
END_TEST

START_TEST(a_site_s_death_in_between_costs_time_alone)
{
    int ends[2];
    begin();
    (void)ask("hannover", PORT);
    uint64_t cid = hear_connect(&ends[0]);
    (void)close(ends[0]);
    say(MESSAGE_CLOSED, 0, cid, 0);
    session_gone(worker, site);
    hub_await_count("waiting", 1);
    hub_do("port.disable", "{s:s, s:i}", "site", "hannover", "port", PORT);
    const struct message *reply = worker_hear(worker, MESSAGE_REPLY);
    ck_assert_int_eq((int)reply->code, VERDICT_REFUSED);
    hub_await_count("waiting", 0);
    harness_stop();
}
END_TEST

START_TEST(who_leaves_leaves_nothing)
{
    int socket;
    begin();
    (void)ask("hannover", PORT);
    uint64_t cid = hear_connect(&socket);
    session_gone(worker, alice);
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CLOSE)->cid, cid);
    say(MESSAGE_OPENED, 0, cid, VERDICT_REFUSED);
    say(MESSAGE_CLOSED, 0, cid, 0);
    hub_await_count("connections", 0);
    (void)close(socket);

    session_gone(worker, site);
    hub_await_count("sites_online", 0);
    alice = operator_login();
    (void)ask("hannover", PORT);
    hub_await_count("waiting", 1);
    session_gone(worker, alice);
    hub_await_count("waiting", 0);
    harness_stop();
}
END_TEST

START_TEST(a_narrower_scope_cuts)
{
    int ends[2], socket;
    begin();
    uint64_t cid = attached(ends), request = ask("hannover", PORT);
    uint64_t second = hear_connect(&socket);
    hub_do("operator.set", "{s:s, s:[s]}", "name", "alice", "sites", "hannover:1");
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CLOSE)->cid, second);
    hear_refusal(request, "no access: ");
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CLOSE)->cid, cid);
    worker_hear_nothing(worker);
    (void)close(socket);
    end(ends);
}
END_TEST

START_TEST(removing_ends_the_sessions)
{
    int ends[2];
    begin();
    uint64_t cid = attached(ends);
    hub_do("operator.remove", "{s:s}", "name", "alice");
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CLOSE)->sid, alice);
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CLOSE)->cid, cid);
    int peer;
    uint64_t sid = session_open(worker, &peer);
    ck_assert_int_eq(session_identify_as(worker, sid, "alice", &alices, true), VERDICT_REFUSED);
    (void)close(peer);
    end(ends);
}
END_TEST

START_TEST(a_key_is_one_principal_s)
{
    char line[PUBLIC_KEY_LINE_SIZE];
    begin();
    public_key_line(&key, line);
    hub_refuses("site hannover's", "operator.add", "{s:s, s:s, s:[s]}", "name", "bob", "key", line,
                "sites", "*");
    public_key_line(&alices, line);
    hub_refuses("operator alice's", "operator.add", "{s:s, s:s, s:[s]}", "name", "bob", "key", line,
                "sites", "*");
    ck_assert_int_eq((int)session_rotate(worker, site, &alices)->code, VERDICT_REFUSED);
    hub_refuses("name of an operator", "site.add", "{s:s}", "name", "alice");
    hub_refuses("name of a site", "operator.add", "{s:s, s:s, s:[s]}", "name", "hannover", "key",
                line, "sites", "*");
    hub_refuses("at least one scope", "operator.set", "{s:s, s:[]}", "name", "alice", "sites");
    harness_stop();
}
END_TEST

START_TEST(they_survive_a_restart)
{
    begin();
    harness_restart();
    worker = worker_take();
    alice = operator_login();
    hear_refusal(ask("hannover", PORT), "offline: hannover:8443: ");
    harness_stop();
}
END_TEST

static const enum message_type forbidden[] = {MESSAGE_PUBLISH, MESSAGE_UNPUBLISH, MESSAGE_REPORT,
                                              MESSAGE_ROTATE};

START_TEST(a_worker_that_takes_them_for_a_site_is_ended)
{
    begin();
    say(forbidden[_i], alice, 0, 0);
    worker_hear_end(worker);
    harness_stop();
}
END_TEST

int main(int count, char **arguments)
{
    int code;
    if (harness_role(count, arguments, &code))
        return code;
    Suite *suite = suite_create("parent_operators");
    TCase *channels = tcase_create("operators");
    tcase_set_timeout(channels, 60);
    tcase_add_test(channels, a_channel_is_a_connection);
    tcase_add_test(channels, what_is_not_in_scope_looks_like_nothing);
    tcase_add_test(channels, the_site_s_refusal_is_passed_on);
    tcase_add_test(channels, it_waits_for_the_site);
    tcase_add_test(channels, a_site_s_death_in_between_costs_time_alone);
    tcase_add_test(channels, who_leaves_leaves_nothing);
    tcase_add_test(channels, a_narrower_scope_cuts);
    tcase_add_test(channels, removing_ends_the_sessions);
    tcase_add_test(channels, a_key_is_one_principal_s);
    tcase_add_test(channels, they_survive_a_restart);
    tcase_add_loop_test(channels, a_worker_that_takes_them_for_a_site_is_ended, 0,
                        sizeof forbidden / sizeof *forbidden);
    suite_add_tcase(suite, channels);
    return suite_run(suite);
}
