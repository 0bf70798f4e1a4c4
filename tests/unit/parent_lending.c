/*
 * Listeners that the hub lends a publisher's worker: which, until when, and what the hub makes of
 * the visitors that the worker tells it of.  The test plays the worker; see parent_harness.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "parent_harness.h"
#include "suite.h"

static int worker, port;
static struct public_key key;
static uint64_t sid;

/* What the worker hears; the list of forwards that goes to the agent may come before. */
static const struct message *hear(enum message_type type)
{
    return worker_hear_past(worker, type, MESSAGE_SNAPSHOT);
}

static int hear_listen(uint64_t generation)
{
    const struct message *message = hear(MESSAGE_LISTEN);
    ck_assert_uint_eq(message->sid, sid);
    ck_assert_uint_eq(message->port, (uint64_t)port);
    ck_assert_uint_eq(message->generation, generation);
    ck_assert_str_eq(message->address, "localhost");
    ck_assert_uint_eq(message->timeout_ms, 30000);
    ck_assert_int_ge(message->descriptor, 0);
    return message->descriptor;
}

static void hear_close(uint64_t number)
{
    ck_assert_uint_eq(hear(MESSAGE_CLOSE)->cid, number);
}

/* Site hannover publishes a port that is for everybody; its listener, as the worker got it. */
static int begin(const char *settings)
{
    harness_start(settings);
    worker = worker_take();
    port = free_port();
    key = test_key(1);
    site_make("hannover");
    hub_do("port.allow", "{s:s, s:i, s:s}", "site", "hannover", "port", port, "target",
           "192.168.1.10:443");
    site_enrol(worker, "hannover", &key);
    sid = site_login(worker, "hannover", &key);
    ck_assert_int_eq((int)session_publish(worker, sid, "localhost", port)->code, VERDICT_GRANTED);
    return hear_listen(0);
}

/* A visitor comes, and the worker accepts it; the visitor's end in *visitor. */
static int accept_visitor(int listener, int *visitor)
{
    struct pollfd poller = {.fd = listener, .events = POLLIN};
    *visitor = dial(port);
    ck_assert_int_ge(*visitor, 0);
    ck_assert_int_eq(poll(&poller, 1, 10000), 1);
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(accepted, 0);
    return accepted;
}

static struct message about(enum message_type type, uint64_t number)
{
    struct message message;
    message_init(&message, type);
    message.cid = number;
    message.sid = sid;
    message.port = (uint64_t)port;
    (void)text_copy(message.peer, sizeof message.peer, "127.0.0.1:50122");
    return message;
}

static void introduce(uint64_t number, enum verdict answered, int descriptor)
{
    struct message message = about(MESSAGE_VISITOR, number);
    message.code = (uint64_t)answered;
    message.descriptor = descriptor;
    worker_say(worker, &message);
}

static void tell(enum message_type type, uint64_t number, enum verdict code)
{
    struct message message;
    message_init(&message, type);
    message.cid = number;
    message.code = (uint64_t)code;
    message.bytes_in = 3;
    message.bytes_out = 5;
    worker_say(worker, &message);
}

static json_int_t figure(const char *verb, const char *name)
{
    json_t *rows = hub_call(verb, NULL);
    json_int_t value = json_integer_value(json_object_get(json_array_get(rows, 0), name));
    json_decref(rows);
    return value;
}

static void await_figure(const char *verb, const char *name, json_int_t wanted)
{
    for (int i = 0; i < 500 && figure(verb, name) != wanted; i++)
        (void)poll(NULL, 0, 10);
    ck_assert_int_eq(figure(verb, name), wanted);
}

/* Nobody comes to it any more, and nobody ever will. */
static void check_ended(int listener)
{
    ck_assert_int_eq(accept4(listener, NULL, NULL, SOCK_NONBLOCK), -1);
    ck_assert_int_eq(errno, EINVAL);
    (void)close(listener);
}

START_TEST(those_that_stay_are_listed)
{
    int visitor, listener = begin(""), accepted = accept_visitor(listener, &visitor);
    introduce(VISITOR_IDS + 1, VERDICT_REFUSED, accepted);
    hub_await_count("connections", 1);
    tell(MESSAGE_OPENED, VISITOR_IDS + 1, VERDICT_GRANTED);
    await_figure("forward.list", "connections_total", 1);
    json_t *rows = hub_call("connection.list", NULL);
    const json_t *row = json_array_get(rows, 0);
    ck_assert_str_eq(json_string_value(json_object_get(row, "visitor")), "127.0.0.1:50122");
    ck_assert_str_eq(json_string_value(json_object_get(row, "state")), "open");
    ck_assert_int_eq(json_integer_value(json_object_get(row, "id")), VISITOR_IDS + 1);
    json_decref(rows);
    (void)close(accepted); /* the hub has let go of its duplicate */
    ck_assert(has_ended(visitor));
    tell(MESSAGE_CLOSED, VISITOR_IDS + 1, 0);
    hub_await_count("connections", 0);
    await_figure("forward.list", "bytes_in", 3);
    (void)close(listener);
    harness_stop();
}
END_TEST

START_TEST(those_that_were_here_are_counted)
{
    int listener = begin("");
    struct message message = about(MESSAGE_VISITED, VISITOR_IDS + 1);
    message.bytes_in = 3;
    message.bytes_out = 5;
    message.count = 12;
    (void)text_copy(message.text, sizeof message.text, "finished");
    worker_say(worker, &message);
    worker_say(worker, &message);
    await_figure("forward.list", "connections_total", 2);
    await_figure("forward.list", "bytes_out", 10);
    ck_assert_int_eq(hub_count("connections"), 0);
    (void)close(listener);
    harness_stop();
}
END_TEST

/* The session's end: whom the site has not answered waits for the next, which is served by another
 * socket; the one that was lent has no more use. */
START_TEST(taken_back_when_the_session_ends)
{
    int visitor, listener = begin("hold: 60s"), accepted = accept_visitor(listener, &visitor);
    introduce(VISITOR_IDS + 1, VERDICT_REFUSED, accepted);
    (void)close(accepted);
    tell(MESSAGE_CLOSED, VISITOR_IDS + 1, 0);
    session_gone(worker, sid);
    ck_assert_uint_eq(hear(MESSAGE_UNLISTEN)->sid, sid);
    hub_await_count("sites_online", 0);
    check_ended(listener);
    int second = dial(port);
    await_figure("forward.list", "waiting", 2);
    sid = site_login(worker, "hannover", &key);
    ck_assert_int_eq((int)session_publish(worker, sid, "localhost", port)->code, VERDICT_GRANTED);
    (void)close(hear(MESSAGE_LISTEN)->descriptor);
    for (int i = 0; i < 2; i++)
        (void)close(hear(MESSAGE_CONNECT)->descriptor);
    (void)close(visitor);
    (void)close(second);
    harness_stop();
}
END_TEST

/* Who came while it was lent, and was not accepted, is the hub's. */
START_TEST(the_queue_is_taken_back_too)
{
    int listener = begin("hold: 60s"), early = dial(port);
    hub_do("port.set", "{s:s, s:i, s:{s:i}}", "site", "hannover", "port", port, "policy",
           "max_connections", 1);
    ck_assert_uint_eq(hear(MESSAGE_UNLISTEN)->port, (uint64_t)port);
    (void)close(hear(MESSAGE_CONNECT)->descriptor);
    check_ended(listener);
    ck_assert(has_ended(dial(port))); /* the second of one */
    json_t *cleared = json_pack("{s:n}", "max_connections");
    hub_do("port.set", "{s:s, s:i, s:o}", "site", "hannover", "port", port, "policy", cleared);
    listener = hear(MESSAGE_LISTEN)->descriptor;
    int visitor, accepted = accept_visitor(listener, &visitor);
    (void)close(accepted);
    (void)close(visitor);
    (void)close(early);
    (void)close(listener);
    harness_stop();
}
END_TEST

/* The worker may not have read yet that the grant has changed. */
START_TEST(late_ones_are_judged_again)
{
    int visitor, listener = begin(""), accepted = accept_visitor(listener, &visitor);
    hub_do("port.set", "{s:s, s:i, s:{s:[s]}}", "site", "hannover", "port", port, "policy", "from",
           "192.0.2.0/24");
    (void)hear(MESSAGE_UNLISTEN);
    introduce(VISITOR_IDS + 1, VERDICT_GRANTED, accepted);
    hear_close(VISITOR_IDS + 1);
    tell(MESSAGE_CLOSED, VISITOR_IDS + 1, 0); /* that the worker says so does no harm */
    ck_assert_int_eq(hub_count("connections"), 0);
    (void)close(accepted);
    ck_assert(has_ended(visitor));
    (void)close(listener);
    harness_stop();
}
END_TEST

START_TEST(late_ones_for_another_target_are_cut)
{
    int visitor, listener = begin(""), accepted = accept_visitor(listener, &visitor);
    hub_do("port.set", "{s:s, s:i, s:s}", "site", "hannover", "port", port, "target",
           "192.168.1.11:443");
    (void)close(hear_listen(1));
    introduce(VISITOR_IDS + 1, VERDICT_GRANTED, accepted);
    hear_close(VISITOR_IDS + 1);
    (void)close(accepted);
    ck_assert(has_ended(visitor));
    (void)close(listener);
    harness_stop();
}
END_TEST

START_TEST(a_full_hub_takes_no_more)
{
    int visitors[2], listener = begin("max_connections: 1");
    for (int i = 0; i < 2; i++) {
        int accepted = accept_visitor(listener, &visitors[i]);
        introduce(VISITOR_IDS + 1 + (uint64_t)i, VERDICT_GRANTED, accepted);
        (void)close(accepted);
    }
    hear_close(VISITOR_IDS + 2);
    ck_assert_int_eq(hub_count("connections"), 1);
    ck_assert(has_ended(visitors[1]));
    (void)close(visitors[0]);
    (void)close(listener);
    harness_stop();
}
END_TEST

/* A worker that is gone took nobody with it that the hub knows of. */
START_TEST(taken_back_from_a_dead_worker)
{
    int visitor, listener = begin("hold: 60s"), accepted = accept_visitor(listener, &visitor);
    introduce(VISITOR_IDS + 1, VERDICT_REFUSED, accepted);
    hub_await_count("connections", 1);
    (void)close(accepted);
    (void)close(listener);
    (void)close(worker);
    worker = worker_take();
    await_figure("forward.list", "waiting", 1);
    int second = dial(port);
    await_figure("forward.list", "waiting", 2);
    (void)close(visitor);
    (void)close(second);
    harness_stop();
}
END_TEST

/* What is no visitor of the worker's own costs it its life. */
static const struct {
    enum message_type type;
    uint64_t number;
    const char *from;
} crimes[] = {
    {MESSAGE_VISITOR, 2 * VISITOR_IDS + 1, "127.0.0.1:1"}, /* another worker's number */
    {MESSAGE_VISITOR, 7, "127.0.0.1:1"},                   /* the hub's */
    {MESSAGE_VISITOR, VISITOR_IDS + 1, "127.0.0.1:1"},     /* in use */
    {MESSAGE_VISITOR, VISITOR_IDS + 2, "nowhere"},
    {MESSAGE_VISITED, VISITOR_IDS + 2, "nowhere"},
    {MESSAGE_VISITED, 7, "127.0.0.1:1"},
};

START_TEST(made_up_visitors_are_a_crime)
{
    int visitor, listener = begin(""), accepted = accept_visitor(listener, &visitor);
    introduce(VISITOR_IDS + 1, VERDICT_GRANTED, accepted);
    struct message message = about(crimes[_i].type, crimes[_i].number);
    (void)text_copy(message.peer, sizeof message.peer, crimes[_i].from);
    message.descriptor = message.type == MESSAGE_VISITOR ? accepted : -1;
    worker_say(worker, &message);
    worker_hear_end(worker);
    worker = worker_take();
    (void)close(accepted);
    (void)close(visitor);
    (void)close(listener);
    harness_stop();
}
END_TEST

int main(int count, char **arguments)
{
    int code;
    if (harness_role(count, arguments, &code))
        return code;
    Suite *suite = suite_create("parent_lending");
    TCase *cases = tcase_create("lending");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, those_that_stay_are_listed);
    tcase_add_test(cases, those_that_were_here_are_counted);
    tcase_add_test(cases, taken_back_when_the_session_ends);
    tcase_add_test(cases, the_queue_is_taken_back_too);
    tcase_add_test(cases, late_ones_are_judged_again);
    tcase_add_test(cases, late_ones_for_another_target_are_cut);
    tcase_add_test(cases, a_full_hub_takes_no_more);
    tcase_add_test(cases, taken_back_from_a_dead_worker);
    tcase_add_loop_test(cases, made_up_visitors_are_a_crime, 0, sizeof crimes / sizeof *crimes);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
