/* Outbound grants: what may be granted, and their life between a site's session, the dialer (a real
 * one) and the control verbs. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "dialer/dialer.h"
#include "parent/outbound.h"
#include "parent/sites.h"
#include "parent_harness.h"
#include "suite.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* --- what may be granted --- */

static const struct {
    const char *target, *address;
    int64_t port;
    const char *listen, *sentence; /* one of them */
} rows[] = {
    {"DB.Example:5432", "", 5432, "db.example:5432 127.0.0.1:5432", NULL},
    {"[2001:DB8::1]:80", "::1", 8080, "[2001:db8::1]:80 [::1]:8080", NULL},
    {"10.0.0.1:80", "::ffff:10.1.1.1", 1, "10.0.0.1:80 10.1.1.1:1", NULL},
    {"db.example", "", 1, NULL, "what the hub dials: 'db.example' lacks a port; write HOST:PORT"},
    {"a:1", "", 0, NULL, "port 0, where the agent listens, is out of range: 1 to 65535"},
    {"a:1", "", 70000, NULL, "port 70000, where the agent listens, is out of range: 1 to 65535"},
    {"a:1", "a", 1, NULL,
     "'a' is no address to listen on: write an IPv4 or IPv6 address, such as 127.0.0.1 or ::"},
};

START_TEST(rows_are_read)
{
    struct outbound_row row = {0};
    struct fault fault = {""};
    char target[HOST_PORT_SIZE], listen[HOST_PORT_SIZE], text[2 * HOST_PORT_SIZE];
    int rc = outbound_read(rows[_i].target, rows[_i].address, rows[_i].port, &row, &fault);
    ck_assert_int_eq(rc, rows[_i].listen ? 0 : -1);
    if (rc != 0) {
        ck_assert_str_eq(fault.text, rows[_i].sentence);
        return;
    }
    (void)snprintf(text, sizeof text, "%s %s", host_port_format(row.host, row.port, target),
                   host_port_format(row.listen_address, row.listen_port, listen));
    ck_assert_str_eq(text, rows[_i].listen);
}
END_TEST

/* The address that an agent is told is the hub's own writing; what a client asks for is not. */
START_TEST(found_in_any_spelling)
{
    static const struct outbound_row name = {.host = "db.example", .port = 1, .listen_port = 1},
                                     six = {.host = "2001:db8::1", .port = 2, .listen_port = 2};
    struct site site = {.row.name = "hannover"};
    TAILQ_INIT(&site.outbounds);
    struct outbound *first = outbound_new(&site, &name), *second = outbound_new(&site, &six);
    ck_assert_ptr_eq(TAILQ_FIRST(&site.outbounds), second); /* by target */
    ck_assert_ptr_eq(outbound_find(&site, "db.example", 1), first);
    ck_assert_ptr_eq(outbound_find(&site, "DB.EXAMPLE", 1), first);
    ck_assert_ptr_eq(outbound_find(&site, "2001:DB8:0:0::1", 2), second);
    ck_assert_ptr_null(outbound_find(&site, "db.example", 2));
    ck_assert_ptr_null(outbound_find(&site, "db.example", 65537));
    ck_assert_ptr_null(outbound_find(&site, "db.example.", 1));
    ck_assert_ptr_null(outbound_find(&site, "db", 1));
    outbound_free(first, "");
    outbound_free(second, "");
}
END_TEST

/* --- live --- */

static int worker, server, port;
static uint64_t sid, next_request;

static void setup_target(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(server, 8), 0);
    ck_assert_int_eq(getsockname(server, (struct sockaddr *)&address, &length), 0);
    port = ntohs(address.sin_port);
}

static void setup(void)
{
    struct public_key key = test_key(1);
    setup_target();
    harness_start("");
    worker = worker_take();
    site_make("hannover");
    site_enrol(worker, "hannover", &key);
    sid = site_login(worker, "hannover", &key);
}

static void teardown(void)
{
    (void)close(server);
    harness_stop();
}

static void allow(const char *host, int listen)
{
    char target[64];
    (void)snprintf(target, sizeof target, "%s:%d", host, port);
    hub_do("outbound.allow", "{s:s, s:s, s:i}", "site", "hannover", "target", target, "port",
           listen);
    (void)worker_hear(worker, MESSAGE_SNAPSHOT);
}

static uint64_t ask(const char *host, int at)
{
    struct message message;
    message_init(&message, MESSAGE_OPEN);
    message.request = ++next_request;
    message.sid = sid;
    message.port = (uint64_t)at;
    (void)text_copy(message.address, sizeof message.address, host);
    (void)text_copy(message.peer, sizeof message.peer, "127.0.0.1:50000");
    worker_say(worker, &message);
    return message.request;
}

static void check_refused(uint64_t request, const char *words)
{
    const struct message *reply = worker_hear(worker, MESSAGE_REPLY);
    ck_assert_uint_eq(reply->request, request);
    ck_assert_uint_eq(reply->code, VERDICT_REFUSED);
    ck_assert_msg(strstr(reply->text, words) != NULL, "%s", reply->text);
}

static json_t *row(const char *verb)
{
    json_t *list = hub_call(verb, NULL);
    json_t *first = json_incref(json_array_get(list, 0));
    json_decref(list);
    return first;
}

static void check_text(const char *verb, const char *name, const char *wanted)
{
    json_t *object = row(verb);
    const char *text = json_string_value(json_object_get(object, name));
    ck_assert_msg(strcmp(text ? text : "", wanted) == 0, "%s is '%s'", name, text ? text : "");
    json_decref(object);
}

static void check_count(const char *name, json_int_t wanted)
{
    json_t *object = row("outbound.list");
    ck_assert_int_eq(json_integer_value(json_object_get(object, name)), wanted);
    json_decref(object);
}

START_TEST(nothing_is_open_by_itself)
{
    check_refused(ask("127.0.0.1", port), "no access: 127.0.0.1:");
    allow("127.0.0.1", 7);
    check_refused(ask("127.0.0.1", port == 1 ? 2 : 1), "is not granted to site hannover");
    check_refused(ask("localhost", port), "no access: localhost:");
    check_count("connections_total", 0);
    check_count("errors", 0);
}
END_TEST

static void say_bytes(enum message_type type, uint64_t cid, uint64_t in, uint64_t out)
{
    struct message message;
    uint8_t triple[24] = {(uint8_t)cid};
    triple[8] = (uint8_t)in;
    triple[16] = (uint8_t)out;
    message_init(&message, type);
    message.cid = cid;
    message.bytes_in = in;
    message.bytes_out = out;
    if (type == MESSAGE_STATS) {
        message.data = triple;
        message.data_length = sizeof triple;
    }
    worker_say(worker, &message);
}

START_TEST(attached_counted_and_cut)
{
    allow("127.0.0.1", 7);
    uint64_t request = ask("127.0.0.1", port);
    const struct message *attached = worker_hear(worker, MESSAGE_ATTACH);
    uint64_t cid = attached->cid;
    int descriptor = attached->descriptor;
    ck_assert_uint_eq(attached->request, request);
    ck_assert_uint_ne(cid, 0);
    int accepted = accept(server, NULL, NULL);
    ck_assert_int_eq(write(descriptor, "x", 1), 1);
    char byte;
    ck_assert_int_eq(read(accepted, &byte, 1), 1);
    say_bytes(MESSAGE_STATS, cid, 1, 2);
    hub_await_count("connections", 1);
    check_text("connection.list", "direction", "out");
    check_text("connection.list", "visitor", "127.0.0.1:50000");
    check_text("connection.list", "listen", "127.0.0.1:7");
    json_t *object = row("outbound.list");
    hub_do("outbound.remove", "{s:s, s:O}", "site", "hannover", "target",
           json_object_get(object, "target"));
    json_decref(object);
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CLOSE)->cid, cid);
    (void)worker_hear(worker, MESSAGE_SNAPSHOT);
    say_bytes(MESSAGE_CLOSED, cid, 3, 4);
    hub_await_count("connections", 0);
    (void)close(descriptor);
    (void)close(accepted);
}
END_TEST

START_TEST(counters_outlive_connections)
{
    allow("127.0.0.1", 7);
    (void)ask("127.0.0.1", port);
    const struct message *attached = worker_hear(worker, MESSAGE_ATTACH);
    uint64_t cid = attached->cid;
    (void)close(attached->descriptor);
    check_count("connections", 1);
    say_bytes(MESSAGE_CLOSED, cid, 3, 4);
    hub_await_count("connections", 0);
    check_count("connections", 0);
    check_count("connections_total", 1);
    check_count("bytes_in", 3);
    check_count("bytes_out", 4);
}
END_TEST

START_TEST(a_name_of_the_hub_is_refused)
{
    allow("localhost", 7);
    check_refused(ask("LOCALHOST", port), "refused by the hub: ");
    check_count("errors", 1);
    check_count("connections_total", 0);
}
END_TEST

static void report(uint64_t generation, const char *address, int at, const char *reason)
{
    struct message message;
    message_init(&message, MESSAGE_REPORT);
    message.sid = sid;
    message.generation = generation;
    message.flags = MESSAGE_OUTBOUND;
    message.port = (uint64_t)at;
    (void)text_copy(message.address, sizeof message.address, address);
    (void)text_copy(message.text, sizeof message.text, reason);
    worker_say(worker, &message);
}

static void await_state(const char *wanted)
{
    for (int left = 100; left > 0; left--) {
        json_t *object = row("outbound.list");
        bool reached = strcmp(json_string_value(json_object_get(object, "state")), wanted) == 0;
        json_decref(object);
        if (reached)
            return;
        (void)poll(NULL, 0, 50);
    }
    ck_abort_msg("never '%s'", wanted);
}

START_TEST(the_agents_word_is_shown)
{
    allow("127.0.0.1", 7);
    check_text("outbound.list", "state", "offline");
    report(0, "", 0, "");
    hub_await_count("sessions", 1);
    check_text("outbound.list", "state", "offline"); /* that was about an older list */
    report(1, "", 0, "");
    await_state("listening");
    report(1, "", 0, "");
    report(1, "127.0.0.1", 7, "another program at the site holds the port");
    await_state("refused");
    check_text("outbound.list", "reason", "another program at the site holds the port");
    report(1, "", 0, "");
    await_state("listening");
    hub_do("outbound.allow", "{s:s, s:s, s:i}", "site", "hannover", "target", "a:1", "port", 8);
    await_state("listening"); /* 127.0.0.1 comes first */
    json_t *list = hub_call("outbound.list", NULL);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 1), "state")),
                     "offline"); /* not answered yet */
    json_decref(list);
    (void)worker_hear(worker, MESSAGE_SNAPSHOT);
    session_gone(worker, sid);
    await_state("offline");
}
END_TEST

START_TEST(bounded)
{
    for (int i = 0; i < OUTBOUND_PER_SITE_MAX; i++) {
        char target[32];
        (void)snprintf(target, sizeof target, "host%d:1", i);
        hub_do("outbound.allow", "{s:s, s:s, s:i}", "site", "hannover", "target", target, "port",
               i + 1);
        (void)worker_hear(worker, MESSAGE_SNAPSHOT);
    }
    hub_refuses("as many as a site may have", "outbound.allow", "{s:s, s:s, s:i}", "site",
                "hannover", "target", "more:1", "port", 1000);
    harness_restart();
    worker = worker_take();
    json_t *list = hub_call("outbound.list", NULL);
    ck_assert_uint_eq(json_array_size(list), OUTBOUND_PER_SITE_MAX);
    json_decref(list);
}
END_TEST

int main(int count, char **arguments)
{
    int code;
    if (count == 2 && strcmp(arguments[1], "--dialer") == 0)
        return dialer_main();
    if (harness_role(count, arguments, &code))
        return code;
    Suite *suite = suite_create("parent_outbound");
    TCase *rules = tcase_create("rules"), *live = tcase_create("live");
    tcase_add_loop_test(rules, rows_are_read, 0, COUNT(rows));
    tcase_add_test(rules, found_in_any_spelling);
    tcase_add_checked_fixture(live, setup, teardown);
    tcase_set_timeout(live, 60);
    tcase_add_test(live, nothing_is_open_by_itself);
    tcase_add_test(live, attached_counted_and_cut);
    tcase_add_test(live, counters_outlive_connections);
    tcase_add_test(live, a_name_of_the_hub_is_refused);
    tcase_add_test(live, the_agents_word_is_shown);
    tcase_add_test(live, bounded);
    suite_add_tcase(suite, rules);
    suite_add_tcase(suite, live);
    return suite_run(suite);
}
