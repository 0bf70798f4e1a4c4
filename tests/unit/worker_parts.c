/* The parts of a worker that need no process: the index, the settings, and when a deadline is. */
#define _GNU_SOURCE
#include <string.h>

#include "suite.h"
#include "worker/deadlines.h"
#include "worker/index.h"
#include "worker/settings.h"

struct numbered {
    uint64_t number; /* first */
    int value;
};

START_TEST(the_index_finds_what_was_added_until_it_is_removed)
{
    static struct numbered items[1000];
    struct index index = {NULL};

    for (size_t i = 0; i < 1000; i++) {
        items[i] = (struct numbered){.number = UINT64_MAX - i * 7919, .value = (int)i};
        ck_assert_int_eq(index_add(&index, &items[i].number), 0);
    }
    for (size_t i = 0; i < 1000; i += 2)
        index_remove(&index, &items[i].number);
    for (size_t i = 0; i < 1000; i++) {
        struct numbered *found = index_find(&index, items[i].number);
        ck_assert_ptr_eq(found, i % 2 ? &items[i] : NULL);
    }
    ck_assert_ptr_null(index_find(&index, 5));
    for (size_t i = 1; i < 1000; i += 2)
        index_remove(&index, &items[i].number);
    ck_assert_ptr_null(index.root);
}
END_TEST

START_TEST(a_number_is_taken_once)
{
    struct numbered first = {7, 1}, second = {7, 2};
    struct index index = {NULL};

    ck_assert_int_eq(index_add(&index, &first.number), 0);
    ck_assert_int_eq(index_add(&index, &second.number), -1);
    ck_assert_ptr_eq(index_find(&index, 7), &first);
    index_remove(&index, &first.number);
}
END_TEST

static int read_settings(struct settings *settings, const char *json)
{
    struct fault fault = {""};
    int code = settings_read(settings, json, strlen(json), &fault);

    ck_assert_int_eq(code < 0, fault.text[0] != '\0');
    return code;
}

START_TEST(settings_replace_those_they_name)
{
    struct settings settings;

    settings_init(&settings);
    ck_assert_int_eq(read_settings(&settings, "{\"log_level\":\"trace\",\"log_format\":\"json\","
                                              "\"keepalive_ms\":1000,\"user\":\"tunneld-worker\"}"),
                     0);
    ck_assert_int_eq(settings.log_level, LOG_TRACE);
    ck_assert_int_eq(settings.log_format, LOG_JSON);
    ck_assert_uint_eq(settings.keepalive_ms, 1000);
    ck_assert_uint_eq(settings.dead_peer_ms, 75000);
    ck_assert_str_eq(settings.user, "tunneld-worker");
}
END_TEST

static const char *const BAD_SETTINGS[] = {
    "",
    "[]",
    "{",
    "{\"keepalive_ms\":5,\"keepalive_ms\":6}",
    "{\"keepalive_ms\":1000,\"dead_peer_ms\":0}",
    "{\"keepalive_ms\":1000,\"login_tries\":\"6\"}",
    "{\"keepalive_ms\":1000,\"log_level\":\"loud\"}",
    "{\"keepalive_ms\":1000,\"unheard_of\":1}",
    "{\"keepalive_ms\":1000,\"user\":5}",
    "{\"keepalive_ms\":1000,\"legacy_mac\":1}",
};

START_TEST(bad_settings_change_nothing)
{
    struct settings settings, before;

    settings_init(&settings);
    before = settings;
    ck_assert_int_eq(read_settings(&settings, BAD_SETTINGS[_i]), -1);
    ck_assert_uint_eq(settings.keepalive_ms, before.keepalive_ms);
    ck_assert_int_eq(settings.log_level, before.log_level);
}
END_TEST

START_TEST(a_deadline_is_never_early_and_long_ones_come_together)
{
    for (uint64_t now_ms = 5000; now_ms < 5300; now_ms += 7) {
        uint64_t soon_ms = deadline_tick(now_ms, 9999) * DEADLINES_TICK_MS - now_ms;
        uint64_t later_ms = deadline_tick(now_ms, 30000) * DEADLINES_TICK_MS - now_ms;

        ck_assert(soon_ms > 9999 && soon_ms <= 9999 + 100);
        ck_assert(later_ms > 30000 && later_ms <= 30000 + 300);
    }
    for (uint64_t now_ms = 1; now_ms < 300; now_ms++)
        ck_assert_uint_eq(deadline_tick(now_ms - 1, 30000), deadline_tick(now_ms, 30000));
    ck_assert_uint_ne(deadline_tick(299, 30000), deadline_tick(300, 30000));
    ck_assert_uint_ne(deadline_tick(99, 100), deadline_tick(100, 100));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_parts");
    TCase *group = tcase_create("worker_parts");

    tcase_add_test(group, the_index_finds_what_was_added_until_it_is_removed);
    tcase_add_test(group, a_number_is_taken_once);
    tcase_add_test(group, settings_replace_those_they_name);
    tcase_add_loop_test(group, bad_settings_change_nothing, 0,
                        (int)(sizeof BAD_SETTINGS / sizeof *BAD_SETTINGS));
    tcase_add_test(group, a_deadline_is_never_early_and_long_ones_come_together);
    suite_add_tcase(suite, group);
    return suite_run(suite);
}
