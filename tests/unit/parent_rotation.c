/*
 * A site's change of keys as its worker sees it: who may name a new key, what activation does to
 * the sessions, and what comes between.  The test plays the worker; see parent_harness.h.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "keys/keyfile.h"
#include "parent_harness.h"
#include "suite.h"
#include "worker/worker.h"

static int worker, port;
static struct public_key old_key, new_key, other_key;

/* Site hannover, enrolled with old_key; its session follows `forwards`. */
static uint64_t begin(void)
{
    harness_start("");
    worker = worker_take();
    port = free_port();
    old_key = test_key(1);
    new_key = test_key(2);
    other_key = test_key(3);
    site_make("hannover");
    hub_do("port.allow", "{s:s, s:i, s:s, s:{s:i}}", "site", "hannover", "port", port, "target",
           "a:1", "policy", "max_connections", JUDGED_HERE);
    site_enrol(worker, "hannover", &old_key);
    return site_login(worker, "hannover", &old_key);
}

static void publish(uint64_t sid)
{
    const struct message *reply = session_publish(worker, sid, "localhost", port);
    ck_assert_msg(reply->code == VERDICT_GRANTED, "%s", reply->text);
}

static void announce(uint64_t sid, const struct public_key *key)
{
    const struct message *reply = session_rotate(worker, sid, key);
    ck_assert_msg(reply->code == VERDICT_GRANTED, "%s", reply->text);
}

static void check_refused(const struct message *reply, const char *words)
{
    ck_assert_int_eq((int)reply->code, VERDICT_REFUSED);
    ck_assert_msg(strstr(reply->text, words) != NULL, "%s", reply->text);
}

/* A session beside the others; VERDICT_REFUSED when the key is not let in. */
static enum verdict come_in(const struct public_key *key, uint64_t *sid)
{
    int peer;
    *sid = session_open(worker, &peer);
    (void)close(peer);
    if (session_identify_as(worker, *sid, "hannover", key, false) == VERDICT_REFUSED) {
        session_gone(worker, *sid);
        return VERDICT_REFUSED;
    }
    ck_assert_int_eq(session_identify_as(worker, *sid, "hannover", key, true), VERDICT_GRANTED);
    session_up(worker, *sid);
    return VERDICT_GRANTED;
}

static void check_activated(uint64_t sid, const char *words)
{
    const struct message *reply = session_query(worker, sid, "activate");
    ck_assert_msg(reply->code == VERDICT_GRANTED, "%s", reply->text);
    ck_assert_ptr_nonnull(memmem(reply->data, reply->data_length, words, strlen(words)));
}

/* "pending SHA256:..." and the like, of `site show`, the current one first. */
static void check_keys(const struct public_key *current, const struct public_key *pending)
{
    char fingerprint[FINGERPRINT_SIZE];
    json_t *site = hub_call("site.show", "{s:s}", "name", "hannover");
    const json_t *keys = json_object_get(site, "keys");
    ck_assert_uint_eq(json_array_size(keys), pending ? 2 : 1);
    const json_t *row = json_array_get(keys, 0);
    ck_assert_str_eq(json_string_value(json_object_get(row, "state")), "current");
    ck_assert_str_eq(json_string_value(json_object_get(row, "fingerprint")),
                     public_key_fingerprint(current, fingerprint));
    row = json_array_get(keys, 1);
    if (pending) {
        ck_assert_str_eq(json_string_value(json_object_get(row, "state")), "pending");
        ck_assert_str_eq(json_string_value(json_object_get(row, "fingerprint")),
                         public_key_fingerprint(pending, fingerprint));
    }
    json_decref(site);
}

static size_t count_events(const char *name)
{
    size_t index, count = 0;
    json_t *events = hub_call("events", NULL), *event;
    json_array_foreach(events, index, event) count +=
        strcmp(json_string_value(json_object_get(event, "event")), name) == 0;
    json_decref(events);
    return count;
}

static void check_session_key(uint64_t sid, const struct public_key *key)
{
    char fingerprint[FINGERPRINT_SIZE];
    size_t index;
    bool found = false;
    json_t *sessions = hub_call("session.list", NULL), *row;
    json_array_foreach(sessions, index, row)
    {
        if ((uint64_t)json_integer_value(json_object_get(row, "id")) != sid)
            continue;
        found = true;
        ck_assert_str_eq(json_string_value(json_object_get(row, "key")),
                         public_key_fingerprint(key, fingerprint));
    }
    ck_assert(found);
    json_decref(sessions);
}

static void check_snapshot(uint64_t sid, const char *words, bool there)
{
    const struct message *snapshot = worker_hear(worker, MESSAGE_SNAPSHOT);
    ck_assert_uint_eq(snapshot->sid, sid);
    ck_assert_int_eq(memmem(snapshot->data, snapshot->data_length, words, strlen(words)) != NULL,
                     there);
}

START_TEST(rotates_under_a_live_publisher)
{
    uint64_t first = begin(), side, second, third;
    publish(first);
    ck_assert_int_eq(come_in(&old_key, &side), VERDICT_GRANTED);
    hub_do("site.rotate", "{s:s}", "name", "hannover");
    check_snapshot(first, "\"rotate\":true", true);
    announce(first, &new_key);
    check_keys(&old_key, &new_key);
    ck_assert_uint_eq(count_events("site.rotating"), 1);

    /* The pending key beside the publisher disturbs nothing before it is activated. */
    ck_assert_int_eq(come_in(&new_key, &second), VERDICT_GRANTED);
    ck_assert_int_eq((int)session_query(worker, second, "status")->code, VERDICT_GRANTED);
    check_keys(&old_key, &new_key);
    struct message message;
    message_init(&message, MESSAGE_QUERY);
    message.sid = second;
    message.request = 99;
    (void)text_copy(message.text, sizeof message.text, "activate");
    worker_say(worker, &message);
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CLOSE)->sid, side);
    check_snapshot(first, "rotate", false);
    const struct message *reply = worker_hear(worker, MESSAGE_REPLY);
    ck_assert_int_eq((int)reply->code, VERDICT_GRANTED);
    check_keys(&new_key, NULL);
    check_session_key(first, &new_key);
    ck_assert_uint_eq(count_events("site.rotated"), 1);
    ck_assert_uint_eq(count_events("site.offline"), 0);
    json_t *rows = hub_call("forward.list", NULL);
    const json_t *row = json_array_get(rows, 0);
    ck_assert_str_eq(json_string_value(json_object_get(row, "state")), "published");
    ck_assert_uint_eq((uint64_t)json_integer_value(json_object_get(row, "session")), first);
    json_decref(rows);

    /* The answer may get lost: the same again is harmless. */
    check_activated(second, "already");
    announce(first, &new_key);
    session_gone(worker, side);
    session_gone(worker, second);
    ck_assert_int_eq(come_in(&old_key, &third), VERDICT_REFUSED);
    ck_assert_int_eq(come_in(&new_key, &third), VERDICT_GRANTED);
    check_activated(third, "already");
    ck_assert_uint_eq(count_events("site.rotated"), 1);
    harness_stop();
}
END_TEST

START_TEST(only_the_main_session_names_a_key)
{
    uint64_t first = begin(), side;
    ck_assert_int_eq(come_in(&old_key, &side), VERDICT_GRANTED);
    check_refused(session_rotate(worker, side, &new_key), "follows");
    publish(first);
    uint64_t clone = site_login(worker, "hannover", &old_key);
    check_refused(session_rotate(worker, clone, &new_key), "another session");
    check_keys(&old_key, NULL);
    announce(first, &new_key);
    check_keys(&old_key, &new_key);
    announce(first, &new_key);
    ck_assert_uint_eq(count_events("site.rotating"), 1);
    check_refused(session_rotate(worker, first, &other_key), "within a second");
    (void)usleep(1100000);
    announce(first, &other_key); /* the agent lost its file */
    check_keys(&old_key, &other_key);
    ck_assert_int_eq(come_in(&new_key, &side), VERDICT_REFUSED);
    harness_stop();
}
END_TEST

START_TEST(a_key_is_one_sites)
{
    uint64_t first = begin();
    site_make("kassel");
    site_enrol(worker, "kassel", &other_key);
    uint64_t kassel = site_login(worker, "kassel", &other_key);
    check_refused(session_rotate(worker, first, &other_key), "another site");
    announce(first, &new_key);
    check_refused(session_rotate(worker, kassel, &new_key), "another site");
    struct public_key damaged = new_key;
    damaged.length--;
    check_refused(session_rotate(worker, first, &damaged), "");
    check_keys(&old_key, &new_key);
    harness_stop();
}
END_TEST

START_TEST(new_keys_are_bounded)
{
    uint64_t first = begin();
    unsigned taken = 0;
    for (unsigned i = 0; i < 30; i++) {
        struct public_key key = test_key(100 + i);
        taken += session_rotate(worker, first, &key)->code == VERDICT_GRANTED;
    }
    ck_assert_uint_gt(taken, 0);
    ck_assert_uint_lt(taken, 10); /* one a second */
    harness_stop();
}
END_TEST

static void issue(struct token *token)
{
    struct keyfile keyfile;
    struct fault fault = {""};
    json_t *data = hub_call("keyfile.issue", "{s:s, s:b}", "site", "hannover", "replace", 1);
    const char *text = json_string_value(json_object_get(data, "keyfile"));
    ck_assert_int_eq(keyfile_parse(text, strlen(text), "keyfile", &keyfile, &fault), 0);
    *token = keyfile.token;
    keyfile_release(&keyfile);
    json_decref(data);
}

static void redeem(const struct token *token, const struct public_key *key)
{
    int peer;
    uint64_t sid = session_open(worker, &peer);
    (void)close(peer);
    ck_assert_int_eq(session_identify_as(worker, sid, "enrol", key, true), VERDICT_PARTIAL);
    ck_assert_int_eq(session_redeem(worker, sid, key, token->text), VERDICT_GRANTED);
    session_gone(worker, sid);
}

/* A keyfile that is being used goes before a rotation, and its key keeps no session. */
START_TEST(a_keyfile_goes_first)
{
    uint64_t first = begin(), second;
    struct token token;
    publish(first);
    announce(first, &new_key);
    issue(&token); /* takes the pending key away */
    check_keys(&old_key, NULL);
    (void)usleep(1100000);
    announce(first, &new_key);
    redeem(&token, &other_key); /* and so does its use */
    check_keys(&old_key, &other_key);
    (void)usleep(1100000);
    check_refused(session_rotate(worker, first, &new_key), "keyfile");
    ck_assert_int_eq(come_in(&other_key, &second), VERDICT_GRANTED);
    struct message message;
    message_init(&message, MESSAGE_QUERY);
    message.sid = second;
    (void)text_copy(message.text, sizeof message.text, "activate");
    worker_say(worker, &message);
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CLOSE)->sid, first);
    ck_assert_int_eq((int)worker_hear(worker, MESSAGE_REPLY)->code, VERDICT_GRANTED);
    check_keys(&other_key, NULL);
    ck_assert_uint_eq(count_events("site.rotated"), 0);
    harness_stop();
}
END_TEST

START_TEST(outlives_the_hub)
{
    uint64_t first = begin(), second;
    publish(first);
    announce(first, &new_key);
    harness_restart();
    worker = worker_take();
    check_keys(&old_key, &new_key);
    first = site_login(worker, "hannover", &old_key);
    publish(first);
    ck_assert_int_eq(come_in(&new_key, &second), VERDICT_GRANTED);
    check_activated(second, "now");
    check_keys(&new_key, NULL);
    check_session_key(first, &new_key);
    harness_restart();
    worker = worker_take();
    ck_assert_int_eq(come_in(&old_key, &second), VERDICT_REFUSED);
    (void)site_login(worker, "hannover", &new_key);
    harness_stop();
}
END_TEST

/* Its session and its old key are gone, the new key opens the door at once. */
START_TEST(a_pending_key_serves_without_activate)
{
    uint64_t first = begin();
    publish(first);
    announce(first, &new_key);
    int peer;
    uint64_t second = session_open(worker, &peer);
    (void)close(peer);
    ck_assert_int_eq(session_identify_as(worker, second, "hannover", &new_key, true),
                     VERDICT_GRANTED);
    session_up(worker, second);
    struct message message;
    message_init(&message, MESSAGE_QUERY);
    message.sid = second;
    (void)text_copy(message.text, sizeof message.text, "forwards");
    worker_say(worker, &message);
    ck_assert_uint_eq(worker_hear(worker, MESSAGE_CLOSE)->sid, first);
    ck_assert_int_eq((int)worker_hear(worker, MESSAGE_REPLY)->code, VERDICT_GRANTED);
    check_snapshot(second, "generation", true);
    check_keys(&new_key, NULL);
    ck_assert_uint_eq(count_events("site.rotated"), 1);
    harness_stop();
}
END_TEST

START_TEST(asks_only_who_can_answer)
{
    uint64_t first = begin(), stock;
    session_gone(worker, first);
    hub_await_count("sites_online", 0);
    hub_refuses("not online", "site.rotate", "{s:s}", "name", "hannover");
    hub_refuses("no site", "site.rotate", "{s:s}", "name", "kassel");
    ck_assert_int_eq(come_in(&old_key, &stock), VERDICT_GRANTED);
    publish(stock);
    hub_refuses("--replace", "site.rotate", "{s:s}", "name", "hannover");
    check_refused(session_rotate(worker, stock, &new_key), "follows");
    harness_stop();
}
END_TEST

START_TEST(rotates_the_host_key)
{
    char line[HOST_KEY_LINE_SIZE], pem[8192];
    struct fault fault = {""};
    uint64_t first = begin();
    publish(first);
    json_t *before = hub_call("host-key.show", NULL);
    json_t *rotated = hub_call("host-key.rotate", NULL);
    const struct message *told = worker_hear(worker, MESSAGE_HOST_KEY);
    ck_assert_uint_lt(told->key_length, sizeof pem);
    memcpy(pem, told->key, told->key_length);
    pem[told->key_length] = '\0';
    ck_assert_msg(host_key_public(pem, line, &fault) == 0, "%s", fault.text);
    check_snapshot(first, line, true);
    json_t *after = hub_call("host-key.show", NULL);
    const json_t *standby = json_array_get(before, 1), *current = json_array_get(after, 0);
    ck_assert_str_eq(line, json_string_value(json_object_get(standby, "line")));
    ck_assert_str_eq(line, json_string_value(json_object_get(current, "line")));
    ck_assert_str_eq(json_string_value(json_object_get(current, "kind")), "current");
    ck_assert_str_eq(json_string_value(json_object_get(rotated, "host_key")),
                     json_string_value(json_object_get(current, "fingerprint")));
    ck_assert_str_eq(json_string_value(json_object_get(rotated, "standby_key")),
                     json_string_value(json_object_get(json_array_get(after, 1), "fingerprint")));
    ck_assert_uint_eq(count_events("host-key.rotate"), 1);
    json_decref(before);
    json_decref(rotated);
    harness_restart();
    worker = worker_take();
    json_t *restarted = hub_call("host-key.show", NULL);
    ck_assert(json_equal(restarted, after));
    json_decref(after);
    json_decref(restarted);
    harness_stop();
}
END_TEST

int main(int count, char **arguments)
{
    int code;
    if (harness_role(count, arguments, &code))
        return code;
    Suite *suite = suite_create("parent_rotation");
    TCase *cases = tcase_create("rotation");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, rotates_under_a_live_publisher);
    tcase_add_test(cases, only_the_main_session_names_a_key);
    tcase_add_test(cases, a_key_is_one_sites);
    tcase_add_test(cases, new_keys_are_bounded);
    tcase_add_test(cases, a_keyfile_goes_first);
    tcase_add_test(cases, outlives_the_hub);
    tcase_add_test(cases, a_pending_key_serves_without_activate);
    tcase_add_test(cases, asks_only_who_can_answer);
    tcase_add_test(cases, rotates_the_host_key);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
