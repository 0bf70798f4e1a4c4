/* Where the hub's list says to listen for outbound grants. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "suite.h"
#include "tunnel-agent/outbound_list.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static struct outbound_list list;
static struct fault fault;

static int take(const char *text)
{
    json_t *snapshot = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(snapshot);
    int rc = outbound_list_read(snapshot, &list, &fault);
    json_decref(snapshot);
    return rc;
}

#define ENTRY(listen, target) "{\"listen\":\"" listen "\",\"target\":\"" target "\"}"
#define LIST(entries)         "{\"outbound\":[" entries "]}"

START_TEST(reads)
{
    ck_assert_int_eq(take(LIST(ENTRY("127.0.0.1:5432", "db.example:5432") "," ENTRY(
                         "[::1]:8080", "[2001:db8::1]:80"))),
                     0);
    ck_assert_uint_eq(list.count, 2);
    ck_assert_str_eq(list.items[0].listen.host, "127.0.0.1");
    ck_assert_uint_eq(list.items[0].listen.port, 5432);
    ck_assert_str_eq(list.items[0].target.host, "db.example");
    ck_assert_str_eq(list.items[1].target.host, "2001:db8::1");
    ck_assert_uint_eq(list.items[1].target.port, 80);
    ck_assert_int_eq(take("{\"generation\":1,\"forwards\":[]}"), 0); /* an older hub */
    ck_assert_uint_eq(list.count, 0);
}
END_TEST

static const struct {
    const char *text, *sentence;
} bad[] = {
    {"{\"outbound\":{}}", "the hub's list of outbound grants is no list"},
    {LIST("7"), "outbound grant 1 of the hub's list: an entry without listen or target"},
    {LIST("{\"listen\":\"127.0.0.1:1\"}"),
     "outbound grant 1 of the hub's list: an entry without listen or target"},
    {LIST(ENTRY("localhost:1", "a:1")),
     "outbound grant 1 of the hub's list: 'localhost:1' does not begin with an IP address"},
    {LIST(ENTRY("127.0.0.1:0", "a:1")),
     "outbound grant 1 of the hub's list: '127.0.0.1:0' needs a port from 1 to 65535, not '0'"},
    {LIST(ENTRY("127.0.0.1:1", "a")),
     "outbound grant 1 of the hub's list: 'a' lacks a port; write HOST:PORT"},
    {LIST(ENTRY("[::1]:1", "a:1") "," ENTRY("[0::1]:1", "b:1")),
     "outbound grant 2 of the hub's list: [0::1]:1 is listed twice"},
};

START_TEST(refuses)
{
    list.count = 99;
    ck_assert_int_eq(take(bad[_i].text), -1);
    ck_assert_str_eq(fault.text, bad[_i].sentence);
    ck_assert_uint_eq(list.count, 99);
}
END_TEST

static int take_many(size_t count)
{
    json_t *entries = json_array(), *snapshot = json_pack("{s:o}", "outbound", entries);
    for (size_t i = 0; i < count; i++) {
        char listen[32];
        (void)snprintf(listen, sizeof listen, "127.0.0.1:%zu", i + 1);
        (void)json_array_append_new(entries,
                                    json_pack("{s:s, s:s}", "listen", listen, "target", "a:1"));
    }
    int rc = outbound_list_read(snapshot, &list, &fault);
    json_decref(snapshot);
    return rc;
}

START_TEST(bounded)
{
    ck_assert_int_eq(take_many(OUTBOUND_MAX), 0);
    ck_assert_uint_eq(list.count, OUTBOUND_MAX);
    ck_assert_int_eq(take_many(OUTBOUND_MAX + 1), -1);
    ck_assert_str_eq(fault.text, "the hub lists 65 outbound grants, at most 64 are taken");
}
END_TEST

START_TEST(sameness)
{
    ck_assert_int_eq(take(LIST(ENTRY("[::1]:1", "db.example:1"))), 0);
    struct outbound_entry first = list.items[0];
    ck_assert_int_eq(take(LIST(ENTRY("[0:0::1]:1", "DB.example:1"))), 0);
    ck_assert(outbound_entry_same(&first, &list.items[0]));
    ck_assert_int_eq(take(LIST(ENTRY("[::1]:1", "db.example:2"))), 0);
    ck_assert(!outbound_entry_same(&first, &list.items[0]));
    ck_assert_int_eq(take(LIST(ENTRY("[::1]:2", "db.example:1"))), 0);
    ck_assert(!outbound_entry_same(&first, &list.items[0]));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agent_outbound_list");
    TCase *cases = tcase_create("list");
    tcase_add_test(cases, reads);
    tcase_add_loop_test(cases, refuses, 0, COUNT(bad));
    tcase_add_test(cases, bounded);
    tcase_add_test(cases, sameness);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
