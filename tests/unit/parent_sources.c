/* Where sessions come from, and what is remembered of it.  Time is ours. */
#define _GNU_SOURCE
#include "parent/sources.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

#define HOUR SOURCE_KNOWN_MS

static struct sources *sources;
static const struct source_price price = {1000, 3};

static void setup(void)
{
    sources = sources_new();
    ck_assert_ptr_nonnull(sources);
}

static void teardown(void)
{
    sources_free(sources);
}

static const struct sockaddr *address(const char *text)
{
    static struct sockaddr_storage storage;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        memcpy(&storage, &v4, sizeof v4);
    else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        memcpy(&storage, &v6, sizeof v6);
    else
        ck_abort_msg("%s is no address", text);
    return (const struct sockaddr *)&storage;
}

static struct source_facts look(const char *text, uint64_t now_ms)
{
    return source_look(sources, address(text), now_ms);
}

static void fail_at(const char *text, uint64_t now_ms)
{
    struct source *source = source_enter(sources, address(text));
    source_fail(source, &price, now_ms);
    source_leave(sources, source, false, now_ms);
}

START_TEST(connections_are_counted_by_network)
{
    struct source *one = source_enter(sources, address("192.0.2.1"));
    (void)source_enter(sources, address("::ffff:192.0.2.1"));
    (void)source_enter(sources, address("2001:db8::1"));
    (void)source_enter(sources, address("2001:db8::ffff:2"));
    (void)source_enter(sources, address("2001:db8:0:1::1"));
    ck_assert_uint_eq(look("192.0.2.1", 0).logins, 2);
    ck_assert_uint_eq(look("192.0.2.2", 0).logins, 0);
    ck_assert_uint_eq(look("2001:db8::3", 0).logins, 2);
    source_leave(sources, one, false, 0);
    ck_assert_uint_eq(look("192.0.2.1", 0).logins, 1);
    ck_assert_uint_eq(sources_count(sources), 3);
}
END_TEST

START_TEST(a_login_makes_it_known)
{
    struct source *source = source_enter(sources, address("192.0.2.1"));
    ck_assert(!look("192.0.2.1", 0).known);
    source_succeed(source);
    ck_assert_uint_eq(look("192.0.2.1", 0).logins, 0);
    ck_assert(look("192.0.2.1", 1000 * HOUR).known);
    source_leave(sources, source, true, 5);
    ck_assert(look("192.0.2.1", HOUR + 4).known);
    ck_assert(!look("192.0.2.1", HOUR + 5).known);
}
END_TEST

START_TEST(failures_beyond_the_free_ones_are_owed)
{
    for (int i = 0; i < 3; i++)
        fail_at("192.0.2.1", 100);
    ck_assert(!look("192.0.2.1", 100).owes);
    fail_at("192.0.2.1", 100);
    ck_assert(look("192.0.2.1", 100).owes);
    ck_assert(!look("192.0.2.2", 100).owes);
    ck_assert(look("192.0.2.1", 1099).owes);
    ck_assert(!look("192.0.2.1", 1100).owes);
    fail_at("192.0.2.1", 1100); /* one each second from then on */
    ck_assert(look("192.0.2.1", 2099).owes);
    ck_assert(!look("192.0.2.1", 2100).owes);
}
END_TEST

START_TEST(a_known_source_owes_nothing)
{
    struct source *site = source_enter(sources, address("192.0.2.1"));
    source_succeed(site);
    for (int i = 0; i < 50; i++)
        fail_at("192.0.2.1", 100);
    ck_assert(!look("192.0.2.1", 100).owes);
    source_leave(sources, site, true, 100);
    for (int i = 0; i < 50; i++)
        fail_at("192.0.2.1", 200);
    ck_assert(!look("192.0.2.1", 200).owes);
    for (int i = 0; i < 50; i++)
        fail_at("192.0.2.1", HOUR + 200);
    ck_assert(look("192.0.2.1", HOUR + 200).owes);
    site = source_enter(sources, address("192.0.2.1")); /* a login settles it */
    source_succeed(site);
    source_leave(sources, site, true, HOUR + 300);
    ck_assert(!look("192.0.2.1", 3 * HOUR).owes);
}
END_TEST

START_TEST(without_a_price_nothing_is_owed)
{
    static const struct source_price none = {0, 1};
    struct source *source = source_enter(sources, address("192.0.2.1"));
    for (int i = 0; i < 50; i++)
        source_fail(source, &none, 100);
    ck_assert(!look("192.0.2.1", 100).owes);
    source_leave(sources, source, false, 100);
    ck_assert_uint_eq(sources_count(sources), 0);
}
END_TEST

static void numbered(char text[32], unsigned number)
{
    (void)snprintf(text, 32, "10.%u.%u.%u", number >> 16, number >> 8 & 255, number & 255);
}

START_TEST(the_table_is_bounded)
{
    char text[32];
    struct source *site = source_enter(sources, address("192.0.2.1"));
    source_succeed(site);
    source_leave(sources, site, true, 0);
    for (unsigned i = 0; i < 3 * SOURCES_IDLE_MAX; i++) {
        numbered(text, i);
        fail_at(text, 0);
    }
    ck_assert_uint_eq(sources_count(sources), SOURCES_IDLE_MAX + 1);
    ck_assert(look("192.0.2.1", 1).known); /* strangers do not push it out */
    fail_at("192.0.2.9", 2000);            /* by then the others are forgotten */
    ck_assert_uint_eq(sources_count(sources), 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parent_sources");
    TCase *cases = tcase_create("sources");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, connections_are_counted_by_network);
    tcase_add_test(cases, a_login_makes_it_known);
    tcase_add_test(cases, failures_beyond_the_free_ones_are_owed);
    tcase_add_test(cases, a_known_source_owes_nothing);
    tcase_add_test(cases, without_a_price_nothing_is_owed);
    tcase_add_test(cases, the_table_is_bounded);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
