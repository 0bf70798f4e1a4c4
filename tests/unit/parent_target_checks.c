/* Checks of targets, as a worker sees them, and what the hub makes of its answers.  See
 * parent_harness.h. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "parent_harness.h"
#include "suite.h"

static int worker, port;
static uint64_t sid;

static void begin(const char *settings)
{
    harness_start(settings);
    worker = worker_take();
    port = free_port();
    struct public_key key = test_key(1);
    site_make("hannover");
    hub_do("port.allow", "{s:s, s:i, s:s, s:s, s:{s:i}}", "site", "hannover", "port", port,
           "address", "127.0.0.1", "target", "192.168.1.10:443", "policy", "max_connections",
           JUDGED_HERE);
    site_enrol(worker, "hannover", &key);
    sid = site_login(worker, "hannover", &key);
    ck_assert_int_eq((int)session_publish(worker, sid, "", port)->code, VERDICT_GRANTED);
}

/* The next check's id; `end` gets the worker's socket. */
static uint64_t hear_check(int *end)
{
    const struct message *message = worker_hear(worker, MESSAGE_CONNECT);
    ck_assert_uint_eq(message->sid, sid);
    ck_assert_uint_eq(message->port, (uint64_t)port);
    ck_assert_str_eq(message->peer, "0.0.0.0:0");
    ck_assert_uint_gt(message->timeout_ms, 0);
    ck_assert_uint_le(message->timeout_ms, 10000);
    ck_assert_int_ge(message->descriptor, 0);
    *end = message->descriptor;
    return message->cid;
}

static void say(enum message_type type, uint64_t cid, enum verdict verdict, const char *text)
{
    struct message message;
    message_init(&message, type);
    message.cid = cid;
    message.code = (uint64_t)verdict;
    (void)snprintf(message.text, sizeof message.text, "%s", text);
    worker_say(worker, &message);
}

/* The forward's field becomes that text ("null": none). */
static void await_field(const char *name, const char *wanted)
{
    char seen[128] = "";
    for (int tries = 0; tries < 200 && strcmp(seen, wanted) != 0; tries++) {
        json_t *rows = hub_call("forward.list", NULL);
        const char *text = json_string_value(json_object_get(json_array_get(rows, 0), name));
        (void)snprintf(seen, sizeof seen, "%s", text ? text : "null");
        json_decref(rows);
        (void)usleep(strcmp(seen, wanted) == 0 ? 0 : 20000);
    }
    ck_assert_str_eq(seen, wanted);
}

/* Our end of the pair sees the hub's close, and not a byte before. */
static void expect_closed(int end)
{
    char byte;
    struct pollfd event = {.fd = end, .events = POLLIN};
    ck_assert_int_eq(poll(&event, 1, 5000), 1);
    ck_assert_int_eq(recv(end, &byte, 1, 0), 0);
    (void)close(end);
}

START_TEST(a_target_answers_and_fails)
{
    int end;
    begin("target_check: 1s");
    uint64_t cid = hear_check(&end);
    ck_assert_int_eq(hub_count("connections"), 0);
    struct pollfd event = {.fd = end, .events = POLLIN};
    ck_assert_int_eq(poll(&event, 1, 100), 0); /* held until we answer */
    say(MESSAGE_OPENED, cid, VERDICT_GRANTED, "");
    expect_closed(end);
    say(MESSAGE_CLOSED, cid, VERDICT_GRANTED, "finished");
    await_field("target_state", "answers");
    await_field("fault", "null");
    cid = hear_check(&end);
    say(MESSAGE_OPENED, cid, VERDICT_REFUSED, "Connection refused");
    say(MESSAGE_CLOSED, cid, VERDICT_REFUSED, "");
    expect_closed(end);
    await_field("target_state", "fails");
    await_field("fault", "target");
    await_field("last_error", "null"); /* that is of visitors */
    ck_assert_int_eq(hub_count("connections"), 0);
    harness_stop();
}
END_TEST

START_TEST(no_verdict_without_an_answer)
{
    int end;
    begin("target_check: 1s");
    uint64_t cid = hear_check(&end);
    say(MESSAGE_CLOSED, cid, VERDICT_REFUSED, "the session is gone");
    expect_closed(end);
    await_field("target_state", "untried");
    cid = hear_check(&end); /* the next turn comes all the same */
    (void)close(end);
    ck_assert_uint_ne(cid, 0);
    harness_stop();
}
END_TEST

/* One that the target does not close, and one whose grant goes, are closed by the hub. */
START_TEST(the_hub_ends_a_check)
{
    int end;
    begin("target_check: 1s");
    uint64_t cid = hear_check(&end);
    say(MESSAGE_OPENED, cid, VERDICT_GRANTED, "");
    expect_closed(end);
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CLOSE)->cid, cid);
    say(MESSAGE_CLOSED, cid, VERDICT_GRANTED, "");
    cid = hear_check(&end);
    hub_do("port.remove", "{s:s, s:i}", "site", "hannover", "port", port);
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CLOSE)->cid, cid);
    say(MESSAGE_OPENED, cid, VERDICT_REFUSED, "");
    say(MESSAGE_CLOSED, cid, VERDICT_REFUSED, "");
    expect_closed(end);
    harness_stop();
}
END_TEST

START_TEST(a_worker_that_breaks_the_rules)
{
    int end;
    begin("target_check: 1s");
    uint64_t cid = hear_check(&end);
    say(MESSAGE_OPENED, cid, VERDICT_GRANTED, "");
    say(MESSAGE_OPENED, cid, VERDICT_GRANTED, "");
    worker_hear_end(worker);
    expect_closed(end);
    worker = worker_take();
    say(MESSAGE_CLOSED, cid, VERDICT_GRANTED, ""); /* of a check that died with the other */
    worker_hear_end(worker);
    harness_stop();
}
END_TEST

START_TEST(off)
{
    begin("");
    worker_hear_nothing(worker);
    harness_stop();
}
END_TEST

static void set_check(const char *seconds)
{
    json_t *policy =
        json_pack("{s:o}", "target_check_s", seconds ? json_integer(atoi(seconds)) : json_null());
    hub_do("port.set", "{s:s, s:i, s:o}", "site", "hannover", "port", port, "policy", policy);
    (void)worker_hear(worker, MESSAGE_SNAPSHOT);
}

static void hear_no_check(void)
{
    for (int i = 0; i < 10; i++)
        worker_hear_nothing(worker);
}

/* On where the hub has none, off where it has one, and back. */
START_TEST(a_grant_has_its_own)
{
    int end;
    begin("");
    set_check("1");
    for (int turn = 0; turn < 2; turn++) {
        uint64_t cid = hear_check(&end);
        say(MESSAGE_OPENED, cid, VERDICT_GRANTED, "");
        say(MESSAGE_CLOSED, cid, VERDICT_GRANTED, "finished");
        expect_closed(end);
    }
    await_field("target_state", "answers");
    set_check(NULL);
    hear_no_check();
    harness_stop();
    begin("target_check: 1s");
    set_check("0");
    hear_no_check();
    set_check(NULL);
    uint64_t cid = hear_check(&end);
    (void)close(end);
    ck_assert_uint_ne(cid, 0);
    harness_stop();
}
END_TEST

int main(int count, char **arguments)
{
    int code;
    if (harness_role(count, arguments, &code))
        return code;
    Suite *suite = suite_create("parent_target_checks");
    TCase *cases = tcase_create("all");
    tcase_set_timeout(cases, 30);
    tcase_add_test(cases, a_target_answers_and_fails);
    tcase_add_test(cases, no_verdict_without_an_answer);
    tcase_add_test(cases, the_hub_ends_a_check);
    tcase_add_test(cases, a_worker_that_breaks_the_rules);
    tcase_add_test(cases, off);
    tcase_add_test(cases, a_grant_has_its_own);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
