/*
 * Two sessions of one site: which of them publishes, what is told of it, and when the other may.
 * The test plays the worker; see parent_harness.h.
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "parent_harness.h"
#include "suite.h"
#include "worker/worker.h"

static int worker, port;
static struct public_key key;
static uint64_t first, second;

static void say(enum message_type type, uint64_t sid)
{
    struct message message;
    message_init(&message, type);
    message.sid = sid;
    message.rtt_us = 1000; /* half a second of patience */
    worker_say(worker, &message);
}

/* `first` publishes, and `second` would like to: the hub asks whether the first lives. */
static void begin(void)
{
    harness_start("");
    worker = worker_take();
    port = free_port();
    key = test_key(1);
    site_make("hannover");
    hub_do("port.allow", "{s:s, s:i, s:s, s:{s:i}}", "site", "hannover", "port", port, "target",
           "192.168.1.10:443", "policy", "max_connections", JUDGED_HERE);
    site_enrol(worker, "hannover", &key);
    first = site_login(worker, "hannover", &key);
    ck_assert_int_eq((int)session_publish(worker, first, "localhost", port)->code, VERDICT_GRANTED);
    say(MESSAGE_ALIVE, first);
    second = site_login(worker, "hannover", &key);
    session_ask_to_publish(worker, second, "localhost", port);
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_PROBE)->sid, first);
}

static void check_verdict(enum verdict verdict)
{
    const struct message *reply = worker_hear(worker, MESSAGE_REPLY);
    ck_assert_msg((int)reply->code == (int)verdict, "%s", reply->text);
    if (verdict == VERDICT_REFUSED)
        ck_assert_ptr_nonnull(strstr(reply->text, "is published by session"));
}

START_TEST(who_answers_goes_on_publishing)
{
    begin();
    say(MESSAGE_HEARD, first);
    say(MESSAGE_ALIVE, first);
    check_verdict(VERDICT_REFUSED);
    for (int tries = 0; tries < 200 && !hub_has_event("clone.alarm"); tries++)
        (void)usleep(20000);
    ck_assert(hub_has_event("clone.alarm"));
    ck_assert_int_eq(hub_count("forwards"), 1);
    harness_stop();
}
END_TEST

START_TEST(who_is_silent_has_to_go)
{
    begin();
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CLOSE)->sid, first);
    check_verdict(VERDICT_GRANTED);
    session_gone(worker, first);
    ck_assert_int_eq(hub_count("sites_online"), 1);
    ck_assert_int_eq(hub_count("forwards"), 1);
    ck_assert(!hub_has_event("clone.alarm"));
    harness_stop();
}
END_TEST

/* What a machine has sent before it fell silent arrives when its line is back. */
START_TEST(who_is_only_heard_has_to_go_later)
{
    begin();
    uint64_t began_ms = clock_monotonic_ms();
    say(MESSAGE_HEARD, second); /* does not matter */
    say(MESSAGE_HEARD, first);
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CLOSE)->sid, first);
    ck_assert_uint_ge(clock_monotonic_ms() - began_ms, 900);
    check_verdict(VERDICT_GRANTED);
    session_gone(worker, first);
    ck_assert(!hub_has_event("clone.alarm"));
    harness_stop();
}
END_TEST

START_TEST(who_is_heard_and_ends_leaves_its_place)
{
    begin();
    say(MESSAGE_HEARD, first);
    session_gone(worker, first);
    check_verdict(VERDICT_GRANTED);
    ck_assert(!hub_has_event("clone.alarm"));
    harness_stop();
}
END_TEST

/* An agent asks again with another list (tunnel-agent/forward_list.h). */
START_TEST(who_was_refused_is_told_when_the_other_ends)
{
    begin();
    say(MESSAGE_ALIVE, first);
    check_verdict(VERDICT_REFUSED);
    session_gone(worker, first);
    const struct message *snapshot = worker_hear(worker, MESSAGE_SNAPSHOT);
    ck_assert_uint_eq(snapshot->sid, second);
    session_ask_to_publish(worker, second, "localhost", port);
    check_verdict(VERDICT_GRANTED);
    harness_stop();
}
END_TEST

int main(int count, char **arguments)
{
    int code;
    if (harness_role(count, arguments, &code))
        return code;
    Suite *suite = suite_create("parent_contests");
    TCase *cases = tcase_create("contests");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, who_answers_goes_on_publishing);
    tcase_add_test(cases, who_is_silent_has_to_go);
    tcase_add_test(cases, who_is_only_heard_has_to_go_later);
    tcase_add_test(cases, who_is_heard_and_ends_leaves_its_place);
    tcase_add_test(cases, who_was_refused_is_told_when_the_other_ends);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
