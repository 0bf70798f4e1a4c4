/* Events: more of them than fit between two flushes, and a disk that takes none. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "parent/sites.h"
#include "suite.h"

static char directory[64], path[128];
static struct hub hub;

static void set_up(void)
{
    struct fault fault = {""};
    (void)text_copy(directory, sizeof directory, "/tmp/parent_events.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/hub.db", directory);
    memset(&hub, 0, sizeof hub);
    hub.loop = uv_default_loop();
    events_init(&hub.events);
    log_set_level(LOG_WARNING);
    ck_assert_msg(store_open(path, &hub.store, &fault) == 0, "%s", fault.text);
}

static void tear_down(void)
{
    events_flush(&hub);
    (void)uv_run(hub.loop, UV_RUN_NOWAIT);
    store_close(hub.store);
    (void)unlink(path);
    ck_assert_int_eq(rmdir(directory), 0);
}

/* Of ten thousand sites that come back in one second, each is kept. */
START_TEST(a_storm_is_kept)
{
    for (int turn = 0; turn < 150; turn++) {
        for (int i = 0; i < 100; i++)
            event_say(&hub, "site.online", NULL, NULL, "192.0.2.1:5022", "%d", turn * 100 + i);
        (void)uv_run(hub.loop, UV_RUN_NOWAIT);
        ck_assert_uint_lt(hub.events.pending_count, 2000);
    }
    ck_assert_uint_eq(hub.events.dropped, 0);
}
END_TEST

/* All in one turn of the loop: bounded, and counted. */
START_TEST(what_does_not_fit_is_counted)
{
    log_set_level(LOG_ERROR);
    for (int i = 0; i < 10050; i++)
        event_say(&hub, "site.online", NULL, NULL, NULL, "%d", i);
    ck_assert_uint_eq(hub.events.dropped, 50);
    ck_assert_uint_eq(hub.events.pending_count, 10000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parent_events");
    TCase *cases = tcase_create("all");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, a_storm_is_kept);
    tcase_add_test(cases, what_does_not_fit_is_counted);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
