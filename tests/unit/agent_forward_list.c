/* The agent's list of forwards: snapshots, allow_targets, and the order of what is done. */
#include <stdio.h>
#include <string.h>

#include "suite.h"
#include "tunnel-agent/forward_list.h"

static char allowed_texts[][16] = {"10.0.0.1:80", "10.0.0.2:*"};
static char *allowed_items[] = {allowed_texts[0], allowed_texts[1]};
static const struct text_list allowed = {2, allowed_items};
static struct forward_list list;
static struct fault fault;

static void setup(void)
{
    memset(&list, 0, sizeof list);
    memset(&fault, 0, sizeof fault);
}

static void teardown(void)
{
    forward_list_release(&list);
}

static int apply(const char *text)
{
    json_t *snapshot = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(snapshot);
    int rc = forward_list_apply(&list, snapshot, &allowed, &fault);
    json_decref(snapshot);
    return rc;
}

#define ENTRY(port, target)                                                                        \
    "{\"address\":\"127.0.0.1\",\"port\":" #port ",\"target\":\"" target "\"}"
#define SNAPSHOT(n, entries) "{\"generation\":" #n ",\"forwards\":[" entries "]}"

/* Does everything that is to be done, granting all, and returns the steps as "+8080 -9090". */
static const char *settle(void)
{
    static char steps[256];
    struct forward *forward;
    enum forward_work work;
    steps[0] = '\0';
    while ((work = forward_list_next(&list, 0, &forward)) != FORWARD_NOTHING) {
        size_t used = strlen(steps);
        snprintf(steps + used, sizeof steps - used, "%s%c%u", used > 0 ? " " : "",
                 work == FORWARD_PUBLISH ? '+' : '-', forward->port);
        forward->state = work == FORWARD_PUBLISH ? FORWARD_PUBLISHED : FORWARD_ABSENT;
        forward_list_sweep(&list);
    }
    return steps;
}

START_TEST(publishes_what_is_allowed_only)
{
    ck_assert_int_eq(apply(SNAPSHOT(1, ENTRY(8080, "10.0.0.1:80") "," ENTRY(
                                           8081, "10.0.0.1:81") "," ENTRY(22, "10.0.0.2:22"))),
                     0);
    ck_assert_str_eq(settle(), "+22 +8080");
    struct forward *forward = forward_list_find(&list, "127.0.0.1", 8081);
    ck_assert_ptr_nonnull(forward);
    ck_assert_str_eq(forward_state_name(forward), "refused");
    ck_assert_str_eq(forward->reason, "target 10.0.0.1:81 is not in allow_targets");
}
END_TEST

START_TEST(next_snapshot_changes_only_the_difference)
{
    ck_assert_int_eq(apply(SNAPSHOT(1, ENTRY(1, "10.0.0.1:80") "," ENTRY(2, "10.0.0.2:2"))), 0);
    ck_assert_str_eq(settle(), "+1 +2");
    forward_list_find(&list, "127.0.0.1", 2)->connections_total = 17;
    ck_assert_int_eq(apply(SNAPSHOT(2, ENTRY(2, "10.0.0.2:3") "," ENTRY(3, "10.0.0.2:4"))), 0);
    ck_assert_str_eq(settle(), "-1 +3");
    ck_assert_uint_eq(list.count, 2);
    ck_assert_uint_eq(list.generation, 2);
    struct forward *kept = forward_list_find(&list, "127.0.0.1", 2);
    ck_assert_uint_eq(kept->connections_total, 17);
    ck_assert_uint_eq(kept->target.port, 3);
    ck_assert_int_eq(apply(SNAPSHOT(3, "")), 0);
    ck_assert_str_eq(settle(), "-2 -3");
    ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(leaves_while_it_is_being_published)
{
    struct forward *forward;
    ck_assert_int_eq(apply(SNAPSHOT(1, ENTRY(1, "10.0.0.1:80"))), 0);
    ck_assert_int_eq(forward_list_next(&list, 0, &forward), FORWARD_PUBLISH);
    forward->state = FORWARD_PUBLISHING;
    ck_assert_int_eq(apply(SNAPSHOT(2, "")), 0);
    ck_assert_int_eq(forward_list_next(&list, 0, &forward), FORWARD_NOTHING);
    forward = forward_list_find(&list, "127.0.0.1", 1);
    ck_assert_ptr_nonnull(forward);
    forward->state = FORWARD_PUBLISHED;
    ck_assert_str_eq(settle(), "-1");
    ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(comes_back_before_it_was_cancelled)
{
    ck_assert_int_eq(apply(SNAPSHOT(1, ENTRY(1, "10.0.0.1:80"))), 0);
    ck_assert_str_eq(settle(), "+1");
    ck_assert_int_eq(apply(SNAPSHOT(2, "")), 0);
    ck_assert_int_eq(apply(SNAPSHOT(3, ENTRY(1, "10.0.0.1:80"))), 0);
    ck_assert_str_eq(settle(), "");
}
END_TEST

#define HUB_SAYS(n, published)                                                                     \
    SNAPSHOT(n, "{\"address\":\"127.0.0.1\",\"port\":1,\"target\":\"10.0.0.1:80\","                \
                "\"published\":" published "}")

START_TEST(withdrawn_by_the_hub_and_listed_again)
{
    ck_assert_int_eq(apply(HUB_SAYS(1, "false")), 0);
    ck_assert_str_eq(settle(), "+1");
    ck_assert_int_eq(apply(HUB_SAYS(2, "true")), 0);
    ck_assert_str_eq(settle(), "");
    ck_assert_uint_eq(list.lost, 0);
    ck_assert_int_eq(apply(HUB_SAYS(4, "false")), 0);
    ck_assert_uint_eq(list.lost, 1);
    ck_assert_str_eq(settle(), "+1");
}
END_TEST

/* Answer and list come by different ways: whichever is read first, the end is right. */
START_TEST(withdrawn_while_it_is_being_published)
{
    struct forward *forward;
    ck_assert_int_eq(apply(HUB_SAYS(1, "false")), 0);
    ck_assert_int_eq(forward_list_next(&list, 0, &forward), FORWARD_PUBLISH);
    forward_list_asked(&list, forward);
    ck_assert_int_eq(apply(HUB_SAYS(3, "false")), 0);
    ck_assert_int_eq(forward_list_next(&list, 0, &forward), FORWARD_NOTHING);
    forward = forward_list_find(&list, "127.0.0.1", 1);
    ck_assert(!forward_granted(forward));
    ck_assert_int_eq(forward_list_next(&list, 0, &forward), FORWARD_PUBLISH);
    forward_list_asked(&list, forward);
    ck_assert(forward_granted(forward));
    ck_assert_str_eq(settle(), "");
    ck_assert_uint_eq(list.lost, 0);
}
END_TEST

START_TEST(target_that_is_no_longer_allowed_is_cancelled)
{
    ck_assert_int_eq(apply(SNAPSHOT(1, ENTRY(1, "10.0.0.1:80"))), 0);
    ck_assert_str_eq(settle(), "+1");
    ck_assert_int_eq(apply(SNAPSHOT(2, ENTRY(1, "10.9.9.9:80"))), 0);
    ck_assert_str_eq(settle(), "-1");
    ck_assert_uint_eq(list.count, 1);
    char any_host[] = "*:80", *wider[] = {any_host};
    forward_list_judge(&list, &(struct text_list){1, wider});
    ck_assert_str_eq(list.items[0].reason, "");
    ck_assert_str_eq(settle(), "+1");
    forward_list_judge(&list, &(struct text_list){0, NULL});
    ck_assert_str_eq(settle(), "-1");
}
END_TEST

START_TEST(refused_one_is_tried_again_when_due)
{
    struct forward *forward;
    ck_assert_int_eq(apply(SNAPSHOT(1, ENTRY(1, "10.0.0.1:80"))), 0);
    ck_assert_uint_eq(forward_list_retry_ms(&list), UINT64_MAX);
    ck_assert_int_eq(forward_list_next(&list, 0, &forward), FORWARD_PUBLISH);
    forward_list_asked(&list, forward);
    forward_refused(forward, 5000);
    ck_assert_uint_eq(forward_list_retry_ms(&list), 5000);
    ck_assert_int_eq(forward_list_next(&list, 4999, &forward), FORWARD_NOTHING);
    ck_assert_int_eq(forward_list_next(&list, 5000, &forward), FORWARD_PUBLISH);
    forward_list_offline(&list);
    ck_assert_int_eq(forward_list_next(&list, 0, &forward), FORWARD_PUBLISH);
}
END_TEST

/* Off the list and on it again while it was asked for: the hub may have refused it in between,
 * whenever the lists and the answer are read. */
START_TEST(refused_one_is_tried_again_with_another_list)
{
    struct forward *forward;
    ck_assert_int_eq(apply(SNAPSHOT(1, ENTRY(1, "10.0.0.1:80"))), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(forward_list_next(&list, 0, &forward), FORWARD_PUBLISH);
        forward_list_asked(&list, forward);
        if (i == 0) { /* both lists first */
            ck_assert_int_eq(apply(SNAPSHOT(2, "")), 0);
            ck_assert_int_eq(apply(SNAPSHOT(3, ENTRY(1, "10.0.0.1:80"))), 0);
        } else if (i == 1) { /* one before the answer, one behind it */
            ck_assert_int_eq(apply(SNAPSHOT(4, "")), 0);
        }
        forward = forward_list_find(&list, "127.0.0.1", 1);
        forward_refused(forward, 30000);
        if (i == 1)
            ck_assert_int_eq(apply(SNAPSHOT(5, ENTRY(1, "10.0.0.1:80"))), 0);
        else if (i == 2) /* the hub sent the last one alone */
            ck_assert_int_eq(apply(SNAPSHOT(7, ENTRY(1, "10.0.0.1:80"))), 0);
    }
    ck_assert_int_eq(forward_list_next(&list, 0, &forward), FORWARD_PUBLISH);
    forward_list_asked(&list, forward);
    forward_refused(forward, 30000);
    ck_assert_int_eq(forward_list_next(&list, 0, &forward), FORWARD_NOTHING);
}
END_TEST

#define WITH_TIMEOUT(ms)                                                                           \
    "{\"address\":\"127.0.0.1\",\"port\":1,\"target\":\"10.0.0.1:80\",\"connect_timeout_ms\":" ms  \
    "}"

START_TEST(a_grant_has_its_own_timeout)
{
    ck_assert_int_eq(apply(SNAPSHOT(1, WITH_TIMEOUT("5000"))), 0);
    ck_assert_str_eq(settle(), "+1");
    ck_assert_uint_eq(list.items[0].connect_timeout_ms, 5000);
    ck_assert_int_eq(apply(SNAPSHOT(2, WITH_TIMEOUT("7000"))), 0);
    ck_assert_uint_eq(list.items[0].connect_timeout_ms, 7000);
    ck_assert_int_eq(apply(SNAPSHOT(3, ENTRY(1, "10.0.0.1:80"))), 0);
    ck_assert_uint_eq(list.items[0].connect_timeout_ms, 0);
    ck_assert_str_eq(settle(), "");
}
END_TEST

START_TEST(damaged_snapshot_changes_nothing)
{
    static const char *const damaged[] = {
        "{}",
        "{\"generation\":-1,\"forwards\":[]}",
        "{\"generation\":\"7\",\"forwards\":[]}",
        "{\"generation\":7,\"forwards\":{}}",
        SNAPSHOT(7, "3"),
        SNAPSHOT(7, ENTRY(0, "10.0.0.1:80")),
        SNAPSHOT(7, ENTRY(65536, "10.0.0.1:80")),
        SNAPSHOT(7, ENTRY(1, "10.0.0.1")),
        SNAPSHOT(7, ENTRY(1, "10.0.0.1:80") "," ENTRY(1, "10.0.0.1:80")),
        SNAPSHOT(7, "{\"address\":7,\"port\":1,\"target\":\"a:1\"}"),
        SNAPSHOT(7, WITH_TIMEOUT("0")),
        SNAPSHOT(7, WITH_TIMEOUT("\"5\"")),
        SNAPSHOT(7, WITH_TIMEOUT("3600001")),
    };
    ck_assert_int_eq(apply(SNAPSHOT(1, ENTRY(1, "10.0.0.1:80"))), 0);
    ck_assert_str_eq(settle(), "+1");
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        fault.text[0] = '\0';
        ck_assert_msg(apply(damaged[i]) == -1, "%s", damaged[i]);
        ck_assert_str_ne(fault.text, "");
        ck_assert_uint_eq(list.generation, 1);
        ck_assert_str_eq(settle(), "");
    }
}
END_TEST

START_TEST(long_lists_have_a_bound)
{
    json_t *forwards = json_array();
    json_t *snapshot = json_pack("{s:i, s:o}", "generation", 1, "forwards", forwards);
    for (int i = 1; i <= FORWARDS_MAX; i++)
        json_array_append_new(forwards, json_pack("{s:s, s:i, s:s}", "address", "::1", "port", i,
                                                  "target", "not-allowed.example.net:1"));
    ck_assert_int_eq(forward_list_apply(&list, snapshot, &allowed, &fault), 0);
    ck_assert_uint_eq(list.count, FORWARDS_MAX);
    json_t *answer = forward_list_answer(&list);
    ck_assert_uint_eq(json_array_size(json_object_get(answer, "refused")), FORWARDS_MAX);
    ck_assert_uint_lt(json_dumpb(answer, NULL, 0, JSON_COMPACT), 1u << 20);
    json_decref(answer);
    json_array_append_new(forwards, json_pack("{s:s, s:i, s:s}", "address", "::1", "port", 65000,
                                              "target", "10.0.0.1:80"));
    ck_assert_int_eq(forward_list_apply(&list, snapshot, &allowed, &fault), -1);
    json_decref(snapshot);
}
END_TEST

START_TEST(found_by_address_and_port)
{
    ck_assert_int_eq(apply("{\"generation\":1,\"forwards\":["
                           "{\"address\":\"127.0.0.1\",\"port\":1,\"target\":\"10.0.0.1:80\"},"
                           "{\"address\":\"::1\",\"port\":1,\"target\":\"10.0.0.2:80\"},"
                           "{\"address\":\"::1\",\"port\":2,\"target\":\"10.0.0.2:80\"}]}"),
                     0);
    ck_assert_str_eq(forward_list_find(&list, "::1", 1)->target.host, "10.0.0.2");
    ck_assert_str_eq(forward_list_find(&list, "127.0.0.1", 1)->target.host, "10.0.0.1");
    ck_assert_ptr_nonnull(forward_list_find(&list, "localhost", 2));
    ck_assert_ptr_null(forward_list_find(&list, "localhost", 1));
    ck_assert_ptr_null(forward_list_find(&list, "::1", 3));
}
END_TEST

START_TEST(answer_names_the_refused)
{
    ck_assert_int_eq(apply(SNAPSHOT(9, ENTRY(1, "10.0.0.1:80") "," ENTRY(2, "10.0.0.1:23"))), 0);
    json_t *answer = forward_list_answer(&list);
    char *text = json_dumps(answer, JSON_COMPACT | JSON_SORT_KEYS);
    ck_assert_str_eq(text, "{\"generation\":9,\"refused\":[{\"port\":2,\"reason\":"
                           "\"target 10.0.0.1:23 is not in allow_targets\"}]}");
    free(text);
    json_decref(answer);
}
END_TEST

START_TEST(failed_lines_are_counted_by_the_second)
{
    struct forward forward = {0};
    unsigned sent = 0;
    for (int i = 0; i < 1000; i++)
        sent += forward_may_report(&forward, 70000) ? 1 : 0;
    ck_assert_uint_eq(sent, 10);
    ck_assert(forward_may_report(&forward, 71000));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agent_forward_list");
    TCase *tests = tcase_create("forward_list");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, publishes_what_is_allowed_only);
    tcase_add_test(tests, next_snapshot_changes_only_the_difference);
    tcase_add_test(tests, leaves_while_it_is_being_published);
    tcase_add_test(tests, comes_back_before_it_was_cancelled);
    tcase_add_test(tests, withdrawn_by_the_hub_and_listed_again);
    tcase_add_test(tests, withdrawn_while_it_is_being_published);
    tcase_add_test(tests, target_that_is_no_longer_allowed_is_cancelled);
    tcase_add_test(tests, refused_one_is_tried_again_when_due);
    tcase_add_test(tests, refused_one_is_tried_again_with_another_list);
    tcase_add_test(tests, a_grant_has_its_own_timeout);
    tcase_add_test(tests, damaged_snapshot_changes_nothing);
    tcase_add_test(tests, long_lists_have_a_bound);
    tcase_add_test(tests, found_by_address_and_port);
    tcase_add_test(tests, answer_names_the_refused);
    tcase_add_test(tests, failed_lines_are_counted_by_the_second);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
