/* Policies in force: what visitors, connections and workers get to feel.  See parent_harness.h. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "parent_harness.h"
#include "suite.h"

/* The hub's wall clock is ahead by what the file in this variable says. */
#define ENV_CLOCK "PARENT_ENFORCE_CLOCK"
int64_t __real_clock_wall_s(void); /* NOLINT: the linker's names */
int64_t __wrap_clock_wall_s(void); /* NOLINT: likewise */

int64_t __wrap_clock_wall_s(void) /* NOLINT: likewise */
{
    long long ahead_s = 0;
    const char *path = getenv(ENV_CLOCK);
    FILE *file = path ? fopen(path, "r") : NULL;
    if (file) {
        if (fscanf(file, "%lld", &ahead_s) != 1) /* NOLINT(cert-err34-c): our own number */
            ahead_s = 0;
        (void)fclose(file);
    }
    return __real_clock_wall_s() + ahead_s;
}

static void set_clock_ahead(long long seconds)
{
    FILE *file = fopen(getenv(ENV_CLOCK), "w");
    ck_assert_ptr_nonnull(file);
    (void)fprintf(file, "%lld", seconds);
    ck_assert_int_eq(fclose(file), 0);
}

static int worker, port;
static uint64_t sid;
static struct public_key key;

/* Site hannover is granted `port` under this policy (JSON), and publishes it. */
static void begin(const char *settings, const char *policy)
{
    json_t *judged = json_loads(policy, JSON_DECODE_ANY, NULL);
    if (!json_object_get(judged, "max_connections"))
        json_object_set_new(judged, "max_connections", json_integer(JUDGED_HERE));
    harness_start(settings);
    worker = worker_take();
    port = free_port();
    key = test_key(1);
    site_make("hannover");
    hub_do("port.allow", "{s:s, s:i, s:s, s:s, s:o}", "site", "hannover", "port", port, "address",
           "0.0.0.0", "target", "192.168.1.10:443", "policy", judged);
    site_enrol(worker, "hannover", &key);
    sid = site_login(worker, "hannover", &key);
}

static void publish(void)
{
    const struct message *reply = session_publish(worker, sid, "0.0.0.0", port);
    ck_assert_msg(reply->code == VERDICT_GRANTED, "%s", reply->text);
}

static void set(const char *policy)
{
    hub_do("port.set", "{s:s, s:i, s:o}", "site", "hannover", "port", port, "policy",
           json_loads(policy, 0, NULL));
}

static void check_port(const char *name, const char *wanted)
{
    json_t *rows = hub_call("port.list", NULL);
    const char *text = json_string_value(json_object_get(json_array_get(rows, 0), name));
    ck_assert_msg(text && strcmp(text, wanted) == 0, "%s is %s", name, text ? text : "null");
    json_decref(rows);
}

static json_int_t refused(const char *reason)
{
    json_t *rows = hub_call("port.list", NULL);
    json_int_t count = json_integer_value(
        json_object_get(json_object_get(json_array_get(rows, 0), "refused"), reason));
    json_decref(rows);
    return count;
}

static int dial_from(const char *address)
{
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
    int visitor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(inet_pton(AF_INET, address, &from.sin_addr), 1);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)port);
    ck_assert_int_eq(bind(visitor, (struct sockaddr *)&from, sizeof from), 0);
    ck_assert_int_eq(connect(visitor, (struct sockaddr *)&to, sizeof to), 0);
    return visitor;
}

/* A visitor whose connection is open; its cid. */
static uint64_t connect_from(const char *address, int *visitor)
{
    *visitor = dial_from(address);
    const struct message *connect = worker_hear(worker, MESSAGE_CONNECT);
    struct message opened;
    message_init(&opened, MESSAGE_OPENED);
    opened.cid = connect->cid;
    opened.code = VERDICT_GRANTED;
    (void)close(connect->descriptor);
    worker_say(worker, &opened);
    return opened.cid;
}

static void say_closed(uint64_t cid)
{
    struct message closed;
    message_init(&closed, MESSAGE_CLOSED);
    closed.cid = cid;
    worker_say(worker, &closed);
}

static void hear_close(uint64_t cid, const char *reason)
{
    const struct message *close = worker_hear(worker, MESSAGE_CLOSE);
    ck_assert_uint_eq(close->cid, cid);
    ck_assert_str_eq(close->text, reason);
}

START_TEST(connect_says_how_long_and_who)
{
    int visitor;
    char wanted[64];
    begin("", "{\"connect_timeout_s\": 7, \"proxy_protocol\": \"v1\"}");
    publish();
    visitor = dial_from("127.0.0.9");
    const struct message *connect = worker_hear(worker, MESSAGE_CONNECT);
    ck_assert_uint_eq(connect->timeout_ms, 7000);
    (void)snprintf(wanted, sizeof wanted, "PROXY TCP4 127.0.0.9 127.0.0.1 ");
    ck_assert_uint_gt(connect->data_length, strlen(wanted));
    ck_assert_mem_eq(connect->data, wanted, strlen(wanted));
    (void)close(connect->descriptor);
    set("{\"connect_timeout_s\": null, \"proxy_protocol\": null}");
    (void)worker_hear(worker, MESSAGE_SNAPSHOT);
    (void)close(visitor);
    visitor = dial_from("127.0.0.9");
    connect = worker_hear(worker, MESSAGE_CONNECT);
    ck_assert_uint_eq(connect->timeout_ms, 30000);
    ck_assert_uint_eq(connect->data_length, 0);
    (void)close(connect->descriptor);
    (void)close(visitor);
    harness_stop();
}
END_TEST

START_TEST(the_worker_is_told_what_is_shared)
{
    begin("", "{\"bandwidth_in\": 1000, \"idle_timeout_s\": 60}");
    publish();
    const struct message *policy = worker_hear(worker, MESSAGE_POLICY);
    ck_assert_uint_eq(policy->sid, sid);
    ck_assert_uint_eq(policy->port, (uint64_t)port);
    ck_assert_uint_eq(policy->rate_in, 1000);
    ck_assert_uint_eq(policy->rate_out, 0);
    ck_assert_uint_eq(policy->timeout_ms, 60000);
    set("{\"bandwidth_in\": null, \"idle_timeout_s\": null}");
    policy = worker_hear(worker, MESSAGE_POLICY);
    ck_assert_uint_eq(policy->rate_in, 0);
    ck_assert_uint_eq(policy->timeout_ms, 0);
    (void)worker_hear(worker, MESSAGE_SNAPSHOT);
    set("{\"max_rate\": 9}"); /* nothing of the worker's */
    (void)worker_hear(worker, MESSAGE_SNAPSHOT);
    harness_stop();
}
END_TEST

START_TEST(refused_visitors_are_counted_by_reason)
{
    int one, two;
    begin("", "{\"from\": [\"127.0.0.1\"], \"max_connections\": 2, \"max_rate\": 3}");
    publish();
    ck_assert(has_ended(dial_from("127.0.0.2")));
    uint64_t first = connect_from("127.0.0.1", &one);
    (void)connect_from("127.0.0.1", &two);
    ck_assert(has_ended(dial_from("127.0.0.1")));
    say_closed(first);
    hub_await_count("connections", 1);
    uint64_t third = connect_from("127.0.0.1", &one);
    say_closed(third);
    hub_await_count("connections", 1);
    ck_assert(has_ended(dial_from("127.0.0.1")));
    ck_assert_int_eq(refused("network"), 1);
    ck_assert_int_eq(refused("connections"), 1);
    ck_assert_int_eq(refused("rate"), 1);
    worker_hear_nothing(worker);
    (void)close(one);
    (void)close(two);
    harness_stop();
}
END_TEST

/* Those who wait count, and are judged before. */
START_TEST(waiting_visitors_count)
{
    begin("max_waiting: 2", "{\"from\": [\"127.0.0.1\"], \"max_connections\": 3}");
    publish();
    int open, first, second;
    (void)connect_from("127.0.0.1", &open);
    session_gone(worker, sid);
    hub_await_count("sites_online", 0);
    ck_assert(has_ended(dial_from("127.0.0.2")));
    first = dial_from("127.0.0.1");
    second = dial_from("127.0.0.1");
    hub_await_count("waiting", 2);
    ck_assert(has_ended(dial_from("127.0.0.1")));
    ck_assert_int_eq(refused("waiting"), 1);
    set("{\"max_connections\": 2}");
    ck_assert(has_ended(dial_from("127.0.0.1")));
    ck_assert_int_eq(refused("connections"), 1);
    ck_assert_int_eq(refused("network"), 1);
    ck_assert_int_eq(hub_count("waiting"), 2);
    set("{\"from\": [\"192.0.2.0/24\"]}");
    ck_assert(has_ended(first));
    ck_assert(has_ended(second));
    hub_await_count("waiting", 0);
    (void)close(open);
    harness_stop();
}
END_TEST

START_TEST(a_change_cuts_what_it_forbids_and_nothing_else)
{
    int near, far;
    begin("", "{}");
    publish();
    uint64_t kept = connect_from("127.0.0.1", &near);
    uint64_t cut = connect_from("127.0.0.2", &far);
    set("{\"from\": [\"127.0.0.1\"], \"max_connections\": 1}");
    hear_close(cut, "the visitor's network is not allowed");
    (void)worker_hear(worker, MESSAGE_SNAPSHOT);
    say_closed(cut);
    hub_await_count("connections", 1);
    ck_assert_int_eq(dial_from("127.0.0.1") >= 0, 1);
    worker_hear_nothing(worker);
    hub_do("port.set", "{s:s, s:i, s:s}", "site", "hannover", "port", port, "target",
           "192.168.1.11:443");
    hear_close(kept, "the grant's target changed");
    (void)worker_hear(worker, MESSAGE_SNAPSHOT);
    (void)close(near);
    (void)close(far);
    harness_stop();
}
END_TEST

START_TEST(a_port_that_becomes_private_is_closed)
{
    int visitor;
    begin("", "{}");
    publish();
    uint64_t cid = connect_from("127.0.0.1", &visitor);
    set("{\"private\": true}");
    hear_close(cid, "the grant is private now");
    ck_assert_int_eq(dial(port), -1);
    (void)close(visitor);
    harness_stop();
}
END_TEST

/* Its agent asks anew; whoever comes meanwhile waits for that. */
START_TEST(a_port_that_moves_keeps_its_connections)
{
    int visitor;
    begin("", "{}");
    publish();
    (void)connect_from("127.0.0.1", &visitor);
    hub_do("port.set", "{s:s, s:i, s:s}", "site", "hannover", "port", port, "address", "127.0.0.1");
    const struct message *snapshot = worker_hear(worker, MESSAGE_SNAPSHOT);
    ck_assert_uint_gt(snapshot->generation, 1);
    int waiting = dial(port);
    ck_assert_int_ge(waiting, 0);
    hub_await_count("waiting", 1);
    const struct message *reply = session_publish(worker, sid, "127.0.0.1", port);
    ck_assert_msg(reply->code == VERDICT_GRANTED, "%s", reply->text);
    const struct message *connect = worker_hear(worker, MESSAGE_CONNECT);
    ck_assert_str_eq(connect->address, "127.0.0.1");
    (void)close(connect->descriptor);
    worker_hear_nothing(worker); /* no CLOSE */
    (void)close(visitor);
    (void)close(waiting);
    harness_stop();
}
END_TEST

static json_t *expiring_in(int64_t seconds)
{
    char text[CLOCK_TEXT_SIZE];
    return json_pack("{s:s}", "expires", clock_format(clock_wall_s() + seconds, text));
}

START_TEST(a_grant_expires_and_is_extended)
{
    int visitor;
    begin("", "{}");
    publish();
    uint64_t cid = connect_from("127.0.0.1", &visitor);
    hub_do("port.set", "{s:s, s:i, s:o}", "site", "hannover", "port", port, "policy",
           expiring_in(2));
    (void)worker_hear(worker, MESSAGE_SNAPSHOT);
    hear_close(cid, "the grant has expired");
    const struct message *snapshot = worker_hear(worker, MESSAGE_SNAPSHOT);
    ck_assert_ptr_nonnull(memmem(snapshot->data, snapshot->data_length, "\"forwards\":[]", 13));
    check_port("state", "expired");
    ck_assert_int_eq(dial(port), -1);
    const struct message *reply = session_publish(worker, sid, "", port);
    ck_assert_uint_eq(reply->code, VERDICT_REFUSED);
    ck_assert_ptr_nonnull(strstr(reply->text, "expired at 2"));
    reply = session_publish(worker, sid, "", 0);
    ck_assert_uint_eq(reply->code, VERDICT_REFUSED);
    harness_restart();
    worker = worker_take();
    check_port("state", "expired");
    hub_do("port.set", "{s:s, s:i, s:o}", "site", "hannover", "port", port, "policy",
           expiring_in(3600));
    check_port("state", "offline");
    sid = site_login(worker, "hannover", &key);
    publish();
    (void)close(visitor);
    harness_stop();
}
END_TEST

START_TEST(a_clock_that_jumps_is_noticed)
{
    char path[] = "/tmp/parent_enforce.XXXXXX";
    int visitor, made = mkstemp(path);
    ck_assert_int_ge(made, 0);
    (void)close(made);
    ck_assert_int_eq(setenv(ENV_CLOCK, path, 1), 0);
    set_clock_ahead(0);
    begin("", "{}");
    publish();
    hub_do("port.set", "{s:s, s:i, s:o}", "site", "hannover", "port", port, "policy",
           expiring_in(3600));
    (void)worker_hear(worker, MESSAGE_SNAPSHOT);
    uint64_t cid = connect_from("127.0.0.1", &visitor);
    set_clock_ahead(7200);
    ck_assert(has_ended(dial(port))); /* before anybody looked at the clock again */
    ck_assert_int_eq(refused("expired"), 1);
    set("{\"max_rate\": 100}"); /* which looks; else that takes a minute */
    hear_close(cid, "the grant has expired");
    check_port("state", "expired");
    set_clock_ahead(0);
    set("{\"max_rate\": 99}");
    check_port("state", "offline");
    (void)close(visitor);
    harness_stop();
    (void)unlink(path);
}
END_TEST

START_TEST(a_grant_has_its_own_hold)
{
    begin("hold: 1h", "{\"hold_s\": 1}");
    publish();
    session_gone(worker, sid);
    hub_await_count("sites_online", 0);
    check_port("state", "waiting");
    ck_assert(has_ended(dial(port))); /* after a second */
    check_port("state", "offline");
    sid = site_login(worker, "hannover", &key);
    set("{\"hold_s\": 3600}");
    (void)worker_hear(worker, MESSAGE_SNAPSHOT);
    publish();
    session_gone(worker, sid);
    hub_await_count("sites_online", 0);
    set("{\"hold_s\": 0}");
    (void)usleep(100000);
    ck_assert_int_eq(dial(port), -1);
    check_port("state", "offline");
    harness_stop();
}
END_TEST

int main(int argc, char **argv)
{
    int code;
    if (harness_role(argc, argv, &code))
        return code;
    Suite *suite = suite_create("parent_enforce");
    TCase *cases = tcase_create("enforce");
    tcase_set_timeout(cases, 30);
    tcase_add_test(cases, connect_says_how_long_and_who);
    tcase_add_test(cases, the_worker_is_told_what_is_shared);
    tcase_add_test(cases, refused_visitors_are_counted_by_reason);
    tcase_add_test(cases, waiting_visitors_count);
    tcase_add_test(cases, a_change_cuts_what_it_forbids_and_nothing_else);
    tcase_add_test(cases, a_port_that_becomes_private_is_closed);
    tcase_add_test(cases, a_port_that_moves_keeps_its_connections);
    tcase_add_test(cases, a_grant_expires_and_is_extended);
    tcase_add_test(cases, a_clock_that_jumps_is_noticed);
    tcase_add_test(cases, a_grant_has_its_own_hold);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
