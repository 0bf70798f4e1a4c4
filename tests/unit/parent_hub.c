/*
 * The hub as its workers and its visitors see it: sessions, claims, forwards, connections, and
 * workers that break the rules.  The test plays the worker; see parent_harness.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/text.h"
#include "parent_harness.h"
#include "suite.h"

static int worker, port;
static struct public_key key;

static void begin(const char *settings)
{
    harness_start(settings);
    worker = worker_take();
    port = free_port();
    key = test_key(1);
}

/* Site hannover, enrolled, granted `port`, logged in. */
static uint64_t begin_with_site(const char *settings)
{
    begin(settings);
    site_make("hannover");
    hub_do("port.allow", "{s:s, s:i, s:s, s:{s:i}}", "site", "hannover", "port", port, "target",
           "192.168.1.10:443", "policy", "max_connections", JUDGED_HERE);
    site_enrol(worker, "hannover", &key);
    return site_login(worker, "hannover", &key);
}

static void publish(uint64_t sid)
{
    const struct message *reply = session_publish(worker, sid, "localhost", port);
    ck_assert_msg(reply->code == VERDICT_GRANTED, "%s", reply->text);
    ck_assert_uint_eq(reply->port, (uint64_t)port);
}

static void say(enum message_type type, uint64_t sid, uint64_t cid, uint64_t code)
{
    struct message message;
    message_init(&message, type);
    message.sid = sid;
    message.cid = cid;
    message.code = code;
    message.rtt_us = 1000;
    (void)text_copy(message.text, sizeof message.text, "a reason");
    worker_say(worker, &message);
}

static const char *text_of(json_t *rows, const char *name)
{
    const char *text = json_string_value(json_object_get(json_array_get(rows, 0), name));
    return text ? text : "";
}

static void check_forward(const char *name, const char *wanted)
{
    json_t *rows = hub_call("forward.list", NULL);
    ck_assert_msg(strstr(text_of(rows, name), wanted) != NULL, "%s is '%s'", name,
                  text_of(rows, name));
    json_decref(rows);
}

/* So many visitors were refused for this reason. */
static void check_refused(const char *reason, json_int_t wanted)
{
    json_t *rows = hub_call("port.list", NULL);
    const json_t *refused = json_object_get(json_array_get(rows, 0), "refused");
    ck_assert_int_eq(json_integer_value(json_object_get(refused, reason)), wanted);
    json_decref(rows);
}

START_TEST(site_comes_online)
{
    uint64_t sid = begin_with_site("");
    json_t *rows = hub_call("site.list", NULL);
    ck_assert_str_eq(text_of(rows, "state"), "online");
    json_decref(rows);
    rows = hub_call("keyfile.list", NULL);
    ck_assert_str_eq(text_of(rows, "state"), "spent");
    json_decref(rows);
    rows = hub_call("session.list", NULL);
    ck_assert_str_eq(text_of(rows, "role"), "site");
    ck_assert_str_eq(text_of(rows, "software"), "SSH-2.0-test");
    json_decref(rows);
    check_forward("state", "offline");
    publish(sid);
    rows = hub_call("session.list", "{s:s}", "site", "hannover");
    ck_assert_str_eq(text_of(rows, "role"), "publisher");
    json_decref(rows);
    check_forward("state", "published");
    session_gone(worker, sid);
    hub_await_count("sites_online", 0);
    check_forward("state", "waiting");
    rows = hub_call("site.list", NULL);
    ck_assert_str_eq(text_of(rows, "state"), "offline");
    ck_assert_str_eq(text_of(rows, "last_reason"), "closed by peer");
    json_decref(rows);
    harness_stop();
}
END_TEST

/* What `site list` shows is the first of the keys of `site show`. */
static void check_key_shown(const json_t *row, const char *name, bool has_one)
{
    ck_assert_str_eq(json_string_value(json_object_get(row, "name")), name);
    json_t *site = hub_call("site.show", "{s:s}", "name", name);
    const json_t *first = json_array_get(json_object_get(site, "keys"), 0);
    const json_t *shown = json_object_get(row, "key");
    ck_assert_int_eq(json_is_string(shown), has_one);
    ck_assert(json_equal(shown, json_object_get(site, "key")));
    if (has_one)
        ck_assert(json_equal(shown, json_object_get(first, "fingerprint")));
    json_decref(site);
}

START_TEST(the_list_shows_the_key_of_each_site)
{
    struct public_key others[] = {test_key(2), test_key(3)};
    uint64_t sid = begin_with_site("");
    site_make("aachen");
    site_make("bremen");
    site_make("kassel");
    site_enrol(worker, "kassel", &others[0]);
    /* Of two keys the current one. */
    ck_assert_int_eq((int)session_rotate(worker, sid, &others[1])->code, VERDICT_GRANTED);
    json_t *rows = hub_call("site.list", NULL);
    ck_assert_uint_eq(json_array_size(rows), 4);
    for (size_t i = 0; i < 4; i++) {
        const char *name = json_string_value(json_object_get(json_array_get(rows, i), "name"));
        check_key_shown(json_array_get(rows, i), name, name[0] == 'h' || name[0] == 'k');
    }
    json_decref(rows);
    harness_stop();
}
END_TEST

START_TEST(strangers_are_refused_alike)
{
    struct public_key other = test_key(2);
    (void)begin_with_site("");
    site_make("kassel");
    int peer;
    uint64_t sid = session_open(worker, &peer);
    ck_assert_int_eq(session_identify_as(worker, sid, "nobody", &key, false), VERDICT_REFUSED);
    ck_assert_int_eq(session_identify_as(worker, sid, "hannover", &other, false), VERDICT_REFUSED);
    ck_assert_int_eq(session_identify_as(worker, sid, "kassel", &key, true), VERDICT_REFUSED);
    hub_do("site.disable", "{s:s}", "name", "hannover");
    ck_assert_uint_ne(worker_hear(worker, MESSAGE_CLOSE)->sid, sid);
    ck_assert_int_eq(session_identify_as(worker, sid, "hannover", &key, true), VERDICT_REFUSED);
    ck_assert_int_eq(hub_count("logins"), 1);
    session_gone(worker, sid);
    hub_await_count("logins", 0);
    ck_assert_int_eq(hub_count("refused_logins"), 1);
    (void)close(peer);
    harness_stop();
}
END_TEST

START_TEST(grants_decide)
{
    uint64_t sid = begin_with_site("");
    const struct message *reply = session_publish(worker, sid, "", port == 9 ? 10 : 9);
    ck_assert_int_eq((int)reply->code, VERDICT_REFUSED);
    ck_assert_ptr_nonnull(strstr(reply->text, "is not granted to site hannover; granted: "));
    reply = session_publish(worker, sid, "192.0.2.1", port);
    ck_assert_int_eq((int)reply->code, VERDICT_REFUSED);
    reply = session_publish(worker, sid, "*", 0);
    ck_assert_int_eq((int)reply->code, VERDICT_GRANTED);
    ck_assert_uint_eq(reply->port, (uint64_t)port);
    reply = session_publish(worker, sid, "", 0);
    ck_assert_int_eq((int)reply->code, VERDICT_REFUSED);
    hub_do("port.disable", "{s:s, s:i}", "site", "hannover", "port", port);
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_SNAPSHOT)->generation, 2);
    ck_assert_int_eq(dial(port), -1);
    check_forward("state", "disabled");
    harness_stop();
}
END_TEST

START_TEST(listener_in_use_is_said)
{
    uint64_t sid = begin_with_site("");
    struct sockaddr_storage address;
    socklen_t length;
    struct fault fault;
    ck_assert_int_eq(address_from_literal("127.0.0.1", (uint16_t)port, &address, &length, &fault),
                     0);
    int holder = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(holder, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(holder, 1), 0);
    const struct message *reply = session_publish(worker, sid, "", port);
    ck_assert_int_eq((int)reply->code, VERDICT_REFUSED);
    ck_assert_ptr_nonnull(strstr(reply->text, "another program"));
    check_forward("state", "refused");
    check_forward("reason", "another program");
    (void)close(holder);
    publish(sid);
    harness_stop();
}
END_TEST

/* A visitor that was handed to the worker; *socket is what the worker got. */
static uint64_t connect_visitor(uint64_t sid, int *visitor, int *socket)
{
    *visitor = dial(port);
    ck_assert_int_ge(*visitor, 0);
    const struct message *connect = worker_hear(worker, MESSAGE_CONNECT);
    ck_assert_uint_eq(connect->sid, sid);
    ck_assert_uint_eq(connect->port, (uint64_t)port);
    ck_assert_str_eq(connect->address, "localhost");
    *socket = connect->descriptor;
    ck_assert_int_ge(*socket, 0);
    return connect->cid;
}

static void await_open(void)
{
    bool open = false;
    for (int tries = 0; tries < 200 && !open; tries++) {
        json_t *rows = hub_call("connection.list", NULL);
        open = strcmp(text_of(rows, "state"), "open") == 0;
        json_decref(rows);
        (void)usleep(open ? 0 : 20000);
    }
    ck_assert(open);
}

START_TEST(visitor_belongs_to_the_worker_once_opened)
{
    uint64_t sid = begin_with_site("");
    int visitor, socket;
    char text[6] = "";
    publish(sid);
    uint64_t cid = connect_visitor(sid, &visitor, &socket);
    ck_assert_int_eq(send(visitor, "hello", 5, 0), 5);
    say(MESSAGE_OPENED, 0, cid, VERDICT_GRANTED);
    await_open();
    ck_assert_int_eq(recv(socket, text, 5, MSG_WAITALL), 5);
    (void)close(socket);
    ck_assert(has_ended(visitor));
    struct message closed;
    message_init(&closed, MESSAGE_CLOSED);
    closed.cid = cid;
    closed.bytes_in = 5;
    closed.bytes_out = 7;
    worker_say(worker, &closed);
    hub_await_count("connections", 0);
    json_t *rows = hub_call("forward.list", NULL);
    const json_t *row = json_array_get(rows, 0);
    ck_assert_int_eq(json_integer_value(json_object_get(row, "connections_total")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(row, "bytes_in")), 5);
    ck_assert_int_eq(json_integer_value(json_object_get(row, "bytes_out")), 7);
    json_decref(rows);
    harness_stop();
}
END_TEST

START_TEST(refused_visitor_is_reset)
{
    uint64_t sid = begin_with_site("");
    int visitor, socket;
    publish(sid);
    uint64_t cid = connect_visitor(sid, &visitor, &socket);
    (void)close(socket);
    say(MESSAGE_OPENED, 0, cid, VERDICT_REFUSED);
    ck_assert(has_ended(visitor));
    say(MESSAGE_CLOSED, 0, cid, 0);
    hub_await_count("connections", 0);
    check_forward("last_error", "a reason");
    harness_stop();
}
END_TEST

START_TEST(visitor_survives_the_session)
{
    uint64_t first = begin_with_site("");
    int visitor, socket;
    char text[6] = "";
    publish(first);
    uint64_t cid = connect_visitor(first, &visitor, &socket);
    ck_assert_int_eq(send(visitor, "hello", 5, 0), 5);
    (void)close(socket);
    session_gone(worker, first);
    say(MESSAGE_CLOSED, 0, cid, 0); /* late, and harmless */
    hub_await_count("waiting", 1);
    uint64_t second = site_login(worker, "hannover", &key);
    ck_assert_int_eq((int)session_publish(worker, second, "", port)->code, VERDICT_GRANTED);
    const struct message *connect = worker_hear(worker, MESSAGE_CONNECT);
    ck_assert_uint_eq(connect->sid, second);
    ck_assert_uint_ne(connect->cid, cid);
    ck_assert_int_eq(recv(connect->descriptor, text, 5, MSG_WAITALL), 5);
    ck_assert_str_eq(text, "hello");
    (void)close(connect->descriptor);
    say(MESSAGE_OPENED, 0, connect->cid, VERDICT_GRANTED);
    ck_assert(has_ended(visitor));
    ck_assert_int_eq(hub_count("waiting"), 0);
    harness_stop();
}
END_TEST

START_TEST(visitor_survives_the_worker)
{
    uint64_t sid = begin_with_site("");
    int visitor, socket;
    publish(sid);
    (void)connect_visitor(sid, &visitor, &socket);
    (void)close(socket);
    (void)close(worker);
    worker = worker_take();
    hub_await_count("waiting", 1);
    ck_assert_int_eq(hub_count("sessions"), 0);
    ck_assert_int_eq(hub_count("connections"), 0);
    sid = site_login(worker, "hannover", &key);
    publish(sid);
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CONNECT)->sid, sid);
    (void)close(visitor);
    harness_stop();
}
END_TEST

START_TEST(waiting_is_bounded)
{
    uint64_t sid = begin_with_site("hold: 1s\nmax_waiting: 2");
    int visitors[3];
    publish(sid);
    session_gone(worker, sid);
    hub_await_count("forwards", 0);
    for (int i = 0; i < 3; i++) {
        visitors[i] = dial(port);
        ck_assert_int_ge(visitors[i], 0);
    }
    ck_assert(has_ended(visitors[2]));
    hub_await_count("waiting", 2);
    (void)close(visitors[1]); /* gives up */
    hub_await_count("waiting", 1);
    ck_assert(has_ended(visitors[0])); /* the hold time is over */
    ck_assert_int_eq(dial(port), -1);
    check_forward("state", "offline");
    harness_stop();
}
END_TEST

START_TEST(half_closed_visitor_goes_on_waiting)
{
    uint64_t sid = begin_with_site("");
    publish(sid);
    session_gone(worker, sid);
    hub_await_count("forwards", 0);
    int visitor = dial(port);
    ck_assert_int_eq(send(visitor, "hello", 5, 0), 5);
    ck_assert_int_eq(shutdown(visitor, SHUT_WR), 0);
    hub_await_count("waiting", 1);
    (void)usleep(50000);
    ck_assert_int_eq(hub_count("waiting"), 1);
    sid = site_login(worker, "hannover", &key);
    publish(sid);
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CONNECT)->sid, sid);
    (void)close(visitor);
    harness_stop();
}
END_TEST

START_TEST(cancel_closes_at_once)
{
    uint64_t sid = begin_with_site("");
    for (int i = 0; i < 50; i++) {
        publish(sid);
        struct message message;
        message_init(&message, MESSAGE_UNPUBLISH);
        message.sid = sid;
        message.request = (uint64_t)i;
        message.port = (uint64_t)port;
        (void)text_copy(message.address, sizeof message.address, "localhost");
        worker_say(worker, &message);
        ck_assert_int_eq((int)worker_hear(worker, MESSAGE_REPLY)->code, VERDICT_GRANTED);
        ck_assert_int_eq(dial(port), -1);
    }
    harness_stop();
}
END_TEST

/* Waits for it: what the worker says and what the control socket asks arrive in no order. */
static void check_event(const char *name)
{
    for (int tries = 0; tries < 200 && !hub_has_event(name); tries++)
        (void)usleep(20000);
    ck_assert_msg(hub_has_event(name), "no event %s", name);
}

START_TEST(visitor_survives_an_eviction)
{
    uint64_t first = begin_with_site("");
    int visitor, socket;
    publish(first);
    say(MESSAGE_ALIVE, first, 0, 0);
    uint64_t cid = connect_visitor(first, &visitor, &socket);
    (void)close(socket);
    uint64_t second = site_login(worker, "hannover", &key);
    session_ask_to_publish(worker, second, "localhost", port);
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_PROBE)->sid, first);
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CLOSE)->sid, first);
    say(MESSAGE_CLOSED, 0, cid, 0);
    session_gone(worker, first);
    ck_assert_int_eq((int)worker_hear(worker, MESSAGE_REPLY)->code, VERDICT_GRANTED);
    const struct message *connect = worker_hear(worker, MESSAGE_CONNECT);
    ck_assert_uint_eq(connect->sid, second);
    (void)close(connect->descriptor);
    (void)close(visitor);
    harness_stop();
}
END_TEST

START_TEST(new_key_supersedes_the_old)
{
    uint64_t first = begin_with_site("");
    struct public_key fresh = test_key(2);
    int peer;
    publish(first);
    site_enrol(worker, "hannover", &fresh);
    uint64_t second = session_open(worker, &peer);
    ck_assert_int_eq(session_identify_as(worker, second, "hannover", &fresh, true),
                     VERDICT_GRANTED);
    session_up(worker, second);
    session_ask_to_publish(worker, second, "localhost", port);
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CLOSE)->sid, first);
    ck_assert_int_eq((int)worker_hear(worker, MESSAGE_REPLY)->code, VERDICT_GRANTED);
    session_gone(worker, first);
    uint64_t third = session_open(worker, &peer);
    ck_assert_int_eq(session_identify_as(worker, third, "hannover", &key, true), VERDICT_REFUSED);
    harness_stop();
}
END_TEST

START_TEST(removal_cuts_everything)
{
    uint64_t sid = begin_with_site("");
    int visitor, socket;
    publish(sid);
    uint64_t cid = connect_visitor(sid, &visitor, &socket);
    say(MESSAGE_OPENED, 0, cid, VERDICT_GRANTED);
    ck_assert_int_eq(hub_count("connections"), 1);
    hub_do("site.remove", "{s:s}", "name", "hannover");
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CLOSE)->sid, sid);
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CLOSE)->cid, cid);
    ck_assert_int_eq(dial(port), -1);
    session_ask_to_publish(worker, sid, "localhost", port); /* late, and harmless */
    say(MESSAGE_CLOSED, 0, cid, 0);
    session_gone(worker, sid);
    hub_await_count("sessions", 0);
    hub_await_count("connections", 0);
    site_make("hannover");
    (void)close(visitor);
    (void)close(socket);
    harness_stop();
}
END_TEST

START_TEST(grant_reaches_the_followers)
{
    uint64_t sid = begin_with_site("");
    publish(sid);
    hub_do("port.set", "{s:s, s:i, s:s}", "site", "hannover", "port", port, "target", "[::1]:1");
    const struct message *snapshot = worker_hear(worker, MESSAGE_SNAPSHOT);
    ck_assert_uint_eq(snapshot->sid, sid);
    ck_assert_uint_eq(snapshot->generation, 2);
    ck_assert_ptr_nonnull(memmem(snapshot->data, snapshot->data_length, "[::1]:1", 7));
    hub_do("port.remove", "{s:s, s:i}", "site", "hannover", "port", port);
    snapshot = worker_hear(worker, MESSAGE_SNAPSHOT);
    ck_assert_ptr_null(memmem(snapshot->data, snapshot->data_length, "[::1]:1", 7));
    ck_assert_int_eq(dial(port), -1);
    harness_stop();
}
END_TEST

START_TEST(agents_refusal_is_shown)
{
    struct message report;
    uint64_t sid = begin_with_site("");
    message_init(&report, MESSAGE_REPORT);
    report.sid = sid;
    report.port = (uint64_t)port;
    (void)text_copy(report.text, sizeof report.text, "not in allow_targets");
    worker_say(worker, &report); /* of another generation */
    check_forward("state", "offline");
    report.generation = 1;
    worker_say(worker, &report);
    check_event("allow_targets");
    check_forward("state", "refused");
    check_forward("reason", "not in allow_targets");
    publish(sid);
    check_forward("state", "published");
    harness_stop();
}
END_TEST

START_TEST(clashes_and_mistakes_are_refused)
{
    (void)begin_with_site("");
    site_make("kassel");
    int ssh = hub_ssh_port(), other = free_port();
    hub_refuses("granted to site hannover", "port.allow", "{s:s, s:i, s:s}", "site", "kassel",
                "port", port, "target", "a:1");
    hub_refuses("granted to site hannover", "port.allow", "{s:s, s:i, s:s, s:s}", "site", "kassel",
                "port", port, "target", "a:1", "address", "0.0.0.0");
    hub_refuses("SSH", "port.allow", "{s:s, s:i, s:s}", "site", "kassel", "port", ssh, "target",
                "a:1");
    hub_refuses("no such address", "port.allow", "{s:s, s:i, s:s, s:s}", "site", "kassel", "port",
                other, "target", "a:1", "address", "192.0.2.1");
    hub_refuses("--replace", "keyfile.issue", "{s:s}", "site", "hannover");
    hub_refuses("1 minute to 365 days", "keyfile.issue", "{s:s, s:i}", "site", "kassel",
                "expires_s", 59);
    hub_refuses("did you mean 'hannover'", "site.show", "{s:s}", "name", "hanover");
    hub_refuses("did you mean 'site.show'", "site.shew", "{s:s}", "name", "hannover");
    hub_refuses("argument 'port' is missing", "port.remove", "{s:s}", "site", "kassel");
    hub_refuses("whole number", "port.remove", "{s:s, s:s}", "site", "kassel", "port", "1");
    hub_refuses("no argument 'colour'", "site.show", "{s:s, s:s}", "name", "kassel", "colour",
                "red");
    harness_stop();
}
END_TEST

START_TEST(one_address_does_not_take_every_login)
{
    int peer, peers[3];
    begin("max_logins: 8");
    uint64_t first = session_open(worker, &peers[0]);
    (void)session_open(worker, &peers[1]);
    uint64_t third = session_open(worker, &peers[2]);
    const struct message *close_it = worker_hear(worker, MESSAGE_CLOSE);
    ck_assert_uint_eq(close_it->sid, third);
    ck_assert_str_eq(close_it->text, "the hub is busy; retry after 1 s");
    ck_assert_int_eq(hub_count("logins"), 2);
    session_gone(worker, third);
    session_gone(worker, first);
    hub_await_count("logins", 1);
    (void)session_open(worker, &peer);
    harness_stop();
}
END_TEST

START_TEST(side_sessions_are_bounded)
{
    uint64_t first = begin_with_site("");
    publish(first);
    for (int i = 0; i < 4; i++)
        (void)site_login(worker, "hannover", &key);
    worker_hear_nothing(worker);
    int peer;
    uint64_t sid = session_open(worker, &peer);
    ck_assert_int_eq(session_identify_as(worker, sid, "hannover", &key, true), VERDICT_GRANTED);
    session_up(worker, sid);
    ck_assert_uint_ne(worker_hear(worker, MESSAGE_CLOSE)->sid, first);
    ck_assert_int_eq(hub_count("sites_online"), 1);
    harness_stop();
}
END_TEST

START_TEST(flood_of_visitors_is_bounded)
{
    uint64_t sid = begin_with_site("max_connections: 2");
    int visitor, socket;
    publish(sid);
    (void)connect_visitor(sid, &visitor, &socket);
    (void)connect_visitor(sid, &visitor, &socket);
    ck_assert(has_ended(dial(port)));
    worker_hear_nothing(worker);
    check_refused("hub", 1);
    harness_stop();
}
END_TEST

/* What no honest worker says; each costs it its life. */
static const struct {
    enum message_type type;
    enum { NOBODY, A_LOGIN, A_CONNECTION } about;
} crimes[] = {
    {MESSAGE_GONE, NOBODY},     {MESSAGE_UP, NOBODY},         {MESSAGE_CLOSED, NOBODY},
    {MESSAGE_OPENED, NOBODY},   {MESSAGE_READY, NOBODY},      {MESSAGE_UP, A_LOGIN},
    {MESSAGE_PUBLISH, A_LOGIN}, {MESSAGE_QUERY, A_LOGIN},     {MESSAGE_REDEEM, A_LOGIN},
    {MESSAGE_REPORT, A_LOGIN},  {MESSAGE_UNPUBLISH, A_LOGIN}, {MESSAGE_OPENED, A_CONNECTION},
    {MESSAGE_VISITOR, A_LOGIN}, {MESSAGE_VISITED, A_LOGIN},
};

START_TEST(hostile_worker_is_replaced)
{
    uint64_t sid = begin_with_site("");
    int visitor, socket, peer;
    publish(sid);
    uint64_t cid = connect_visitor(sid, &visitor, &socket);
    say(MESSAGE_OPENED, 0, cid, VERDICT_GRANTED);
    uint64_t login = session_open(worker, &peer);
    say(crimes[_i].type, crimes[_i].about == A_LOGIN ? login : 99999,
        crimes[_i].about == A_CONNECTION ? cid : 99999, VERDICT_GRANTED);
    worker_hear_end(worker);
    ck_assert(has_ended(peer));
    worker = worker_take();
    hub_await_count("sessions", 0);
    check_event("worker.died");
    sid = site_login(worker, "hannover", &key);
    publish(sid);
    (void)close(visitor);
    (void)close(socket);
    harness_stop();
}
END_TEST

static void hear_level(uint64_t sid, const char *level)
{
    const struct message *message = worker_hear(worker, MESSAGE_LOG);
    ck_assert_uint_eq(message->sid, sid);
    ck_assert_str_eq(message->text, level);
}

/* Told to the worker for the site's sessions, those that come later too, and for no other. */
START_TEST(one_site_is_traced)
{
    int peer;
    uint64_t sid = begin_with_site("");
    struct public_key other = test_key(2);
    site_make("celle");
    site_enrol(worker, "celle", &other);
    hub_refuses("no log level", "log.level", "{s:s, s:s}", "level", "loud", "site", "hannover");
    hub_refuses("name it with --site", "log.level", "{s:s}", "level", "default");
    hub_refuses("there is no site", "log.level", "{s:s, s:s}", "level", "info", "site", "emden");
    hub_do("log.level", "{s:s, s:s}", "level", "trace", "site", "hannover");
    hear_level(sid, "trace");
    (void)site_login(worker, "celle", &other);
    uint64_t second = session_open(worker, &peer);
    struct message message;
    message_init(&message, MESSAGE_IDENTIFY);
    message.sid = second;
    message.flags = MESSAGE_PROVEN;
    message.key = key.blob;
    message.key_length = key.length;
    (void)text_copy(message.user, sizeof message.user, "hannover");
    worker_say(worker, &message);
    hear_level(second, "trace");
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_REPLY)->code, VERDICT_GRANTED);
    hub_do("log.level", "{s:s, s:s}", "level", "default", "site", "hannover");
    hear_level(sid, "");
    hear_level(second, "");
    worker_hear_nothing(worker);
    (void)close(peer);
    harness_stop();
}
END_TEST

START_TEST(state_outlives_the_hub)
{
    (void)begin_with_site("");
    harness_restart();
    worker = worker_take();
    json_t *rows = hub_call("site.list", NULL);
    ck_assert_str_eq(text_of(rows, "name"), "hannover");
    ck_assert_str_eq(text_of(rows, "state"), "offline");
    ck_assert_str_eq(text_of(rows, "last_reason"), "the hub is stopping");
    json_decref(rows);
    publish(site_login(worker, "hannover", &key));
    harness_stop();
}
END_TEST

int main(int count, char **arguments)
{
    int code;
    if (harness_role(count, arguments, &code))
        return code;
    Suite *suite = suite_create("parent_hub");
    TCase *cases = tcase_create("hub");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, site_comes_online);
    tcase_add_test(cases, the_list_shows_the_key_of_each_site);
    tcase_add_test(cases, strangers_are_refused_alike);
    tcase_add_test(cases, grants_decide);
    tcase_add_test(cases, listener_in_use_is_said);
    tcase_add_test(cases, visitor_belongs_to_the_worker_once_opened);
    tcase_add_test(cases, refused_visitor_is_reset);
    tcase_add_test(cases, visitor_survives_the_session);
    tcase_add_test(cases, visitor_survives_the_worker);
    tcase_add_test(cases, waiting_is_bounded);
    tcase_add_test(cases, half_closed_visitor_goes_on_waiting);
    tcase_add_test(cases, cancel_closes_at_once);
    tcase_add_test(cases, visitor_survives_an_eviction);
    tcase_add_test(cases, new_key_supersedes_the_old);
    tcase_add_test(cases, removal_cuts_everything);
    tcase_add_test(cases, grant_reaches_the_followers);
    tcase_add_test(cases, agents_refusal_is_shown);
    tcase_add_test(cases, clashes_and_mistakes_are_refused);
    tcase_add_test(cases, one_address_does_not_take_every_login);
    tcase_add_test(cases, side_sessions_are_bounded);
    tcase_add_test(cases, flood_of_visitors_is_bounded);
    tcase_add_loop_test(cases, hostile_worker_is_replaced, 0, sizeof crimes / sizeof *crimes);
    tcase_add_test(cases, one_site_is_traced);
    tcase_add_test(cases, state_outlives_the_hub);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
