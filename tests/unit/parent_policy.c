/* Verdicts on visitors: networks of both families, counts, the rate over time, the end. */
#define _GNU_SOURCE
#include "parent/policy.h"

#include <stdio.h>

#include "suite.h"

static struct policy policy;
static struct policy_usage usage;

static void set_up(void)
{
    memset(&policy, 0, sizeof policy);
    memset(&usage, 0, sizeof usage);
}

static void admit_network(const char *text)
{
    struct fault fault = {""};
    ck_assert_msg(cidr_parse(text, &policy.networks[policy.network_count++], &fault) == 0, "%s",
                  fault.text);
}

static enum policy_verdict admit_at(uint64_t now_ms)
{
    return policy_admit(&policy, &usage, "192.0.2.1", now_ms, 100);
}

static const struct {
    const char *networks[3], *visitor;
    enum policy_verdict verdict;
} table[] = {
    {{NULL}, "192.0.2.1", POLICY_ADMITS},
    {{NULL}, "2001:db8::1", POLICY_ADMITS},
    {{"192.0.2.0/24"}, "192.0.2.0", POLICY_ADMITS},
    {{"192.0.2.0/24"}, "192.0.2.255", POLICY_ADMITS},
    {{"192.0.2.0/24"}, "192.0.1.255", POLICY_NETWORK},
    {{"192.0.2.0/24"}, "192.0.3.0", POLICY_NETWORK},
    {{"192.0.2.0/24"}, "::ffff:192.0.2.77", POLICY_ADMITS},
    {{"192.0.2.0/24"}, "::ffff:192.0.3.77", POLICY_NETWORK},
    {{"192.0.2.0/24"}, "::192.0.2.77", POLICY_NETWORK}, /* compatible is not mapped */
    {{"192.0.2.0/24"}, "64:ff9b::192.0.2.77", POLICY_NETWORK},
    {{"192.0.2.0/24"}, "2001:db8::1", POLICY_NETWORK},
    {{"::ffff:192.0.2.0/120"}, "192.0.2.77", POLICY_ADMITS},
    {{"::ffff:192.0.2.0/120"}, "::ffff:192.0.2.77", POLICY_ADMITS},
    {{"::ffff:192.0.2.0/120"}, "192.0.3.77", POLICY_NETWORK},
    {{"192.0.2.7"}, "192.0.2.7", POLICY_ADMITS},
    {{"192.0.2.7/32"}, "192.0.2.7", POLICY_ADMITS},
    {{"192.0.2.7/32"}, "192.0.2.6", POLICY_NETWORK},
    {{"192.0.2.6/31"}, "192.0.2.7", POLICY_ADMITS},
    {{"192.0.2.6/31"}, "192.0.2.8", POLICY_NETWORK},
    {{"0.0.0.0/0"}, "203.0.113.9", POLICY_ADMITS},
    {{"0.0.0.0/0"}, "::ffff:203.0.113.9", POLICY_ADMITS},
    {{"0.0.0.0/0"}, "2001:db8::1", POLICY_NETWORK},
    {{"0.0.0.0/1"}, "127.255.255.255", POLICY_ADMITS},
    {{"0.0.0.0/1"}, "128.0.0.0", POLICY_NETWORK},
    {{"::/0"}, "2001:db8::1", POLICY_ADMITS},
    {{"::/0"}, "192.0.2.1", POLICY_NETWORK},
    {{"::/0"}, "::ffff:192.0.2.1", POLICY_NETWORK},
    {{"::/0", "0.0.0.0/0"}, "192.0.2.1", POLICY_ADMITS},
    {{"2001:db8::/32"}, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", POLICY_ADMITS},
    {{"2001:db8::/32"}, "2001:db9::", POLICY_NETWORK},
    {{"2001:db8::/33"}, "2001:db8:8000::", POLICY_NETWORK},
    {{"2001:db8::1/128"}, "2001:db8::1", POLICY_ADMITS},
    {{"2001:db8::1/128"}, "2001:DB8:0:0::0001", POLICY_ADMITS},
    {{"2001:db8::1/128"}, "2001:db8::2", POLICY_NETWORK},
    {{"2001:db8::/32"}, "192.0.2.1", POLICY_NETWORK},
    {{"10.0.0.0/8", "192.0.2.0/24"}, "192.0.2.1", POLICY_ADMITS},
    {{"10.0.0.0/8", "2001:db8::/32"}, "2001:db8::1", POLICY_ADMITS},
    {{"10.0.0.0/8", "2001:db8::/32"}, "192.0.2.1", POLICY_NETWORK},
    {{"10.0.0.0/8"}, "", POLICY_NETWORK},
    {{"::/0"}, "localhost", POLICY_NETWORK},
    {{"10.0.0.0/8"}, "10.0.0.1:80", POLICY_NETWORK},
    {{"10.0.0.0/8"}, "[10.0.0.1]", POLICY_NETWORK},
};

START_TEST(networks_decide)
{
    for (size_t i = 0; i < 3 && table[_i].networks[i]; i++)
        admit_network(table[_i].networks[i]);
    ck_assert_msg(policy_admit(&policy, &usage, table[_i].visitor, 0, 100) == table[_i].verdict,
                  "%s from %s", table[_i].visitor,
                  table[_i].networks[0] ? table[_i].networks[0] : "anywhere");
    ck_assert_int_eq(policy_keep(&policy, table[_i].visitor, 100), table[_i].verdict);
}
END_TEST

START_TEST(as_many_as_may_be)
{
    for (size_t i = 0; i < POLICY_NETWORKS_MAX; i++) {
        char text[CIDR_TEXT_SIZE];
        (void)snprintf(text, sizeof text, "10.%zu.0.0/16", i);
        admit_network(text);
    }
    ck_assert_int_eq(policy_keep(&policy, "10.31.4.4", 0), POLICY_ADMITS);
    ck_assert_int_eq(policy_keep(&policy, "10.32.4.4", 0), POLICY_NETWORK);
}
END_TEST

START_TEST(connections_are_counted)
{
    policy.max_connections = 2;
    ck_assert_int_eq(admit_at(0), POLICY_ADMITS);
    usage.connections = 1;
    ck_assert_int_eq(admit_at(0), POLICY_ADMITS);
    usage.connections = 2;
    ck_assert_int_eq(admit_at(0), POLICY_CONNECTIONS);
    usage.connections = UINT64_MAX;
    ck_assert_int_eq(admit_at(0), POLICY_CONNECTIONS);
    policy.max_connections = 0;
    ck_assert_int_eq(admit_at(0), POLICY_ADMITS);
    ck_assert_int_eq(policy_keep(&policy, "192.0.2.1", 0), POLICY_ADMITS);
}
END_TEST

/* How many of `tries` at that moment get in. */
static unsigned admitted(uint64_t now_ms, unsigned tries)
{
    unsigned count = 0;
    for (unsigned i = 0; i < tries; i++)
        count += admit_at(now_ms) == POLICY_ADMITS;
    return count;
}

START_TEST(rate_holds_in_each_second)
{
    policy.max_rate = 5;
    ck_assert_uint_eq(admitted(7000, 3), 3);
    ck_assert_uint_eq(admitted(7500, 9), 2);
    ck_assert_int_eq(admit_at(7999), POLICY_RATE);
    ck_assert_uint_eq(admitted(8000, 9), 3);
    ck_assert_int_eq(admit_at(8499), POLICY_RATE);
    ck_assert_uint_eq(admitted(8500, 9), 2);
    ck_assert_uint_eq(admitted(60000, 9), 5);
}
END_TEST

/* Any second, whenever it begins; and what is allowed is let in, but for what the window forgets
 * together. */
START_TEST(rate_holds_in_any_second)
{
    static const unsigned rates[] = {1, 2, 5, 29, 100, 1000};
    static unsigned char came[20000];
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        unsigned within = 0, total = 0, seed = 1;
        set_up();
        policy.max_rate = rates[i];
        memset(came, 0, sizeof came);
        for (unsigned now = 0; now < sizeof came; now++) {
            seed = seed * 1103515245 + 12345;
            /* Floods and pauses. */
            unsigned tries = now / 700 % 3 == 0 ? seed >> 16 & 7 : (seed >> 16) % 100 == 0;
            came[now] = (unsigned char)admitted(now, tries);
            within += came[now];
            total += came[now];
            if (now >= 1000)
                within -= came[now - 1000];
            ck_assert_uint_le(within, rates[i]);
        }
        ck_assert_uint_ge(total, rates[i] < 100 ? rates[i] * 9 : 900);
    }
}
END_TEST

START_TEST(rate_of_a_steady_stream)
{
    static const unsigned rates[] = {1, 4, 25};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        set_up();
        policy.max_rate = rates[i];
        for (uint64_t now = 0; now < 60000; now += 1000 / rates[i])
            ck_assert_int_eq(admit_at(now), POLICY_ADMITS);
    }
}
END_TEST

START_TEST(rate_holds_on_the_long_run)
{
    unsigned count = 0;
    policy.max_rate = 7;
    for (uint64_t now = 1000; now < 101000; now += 3)
        count += admit_at(now) == POLICY_ADMITS;
    ck_assert_uint_le(count, 700);
    ck_assert_uint_ge(count, 670);
}
END_TEST

START_TEST(rate_of_one)
{
    policy.max_rate = 1;
    ck_assert_uint_eq(admitted(0, 3), 1);
    ck_assert_uint_eq(admitted(999, 3), 0);
    ck_assert_uint_eq(admitted(1000, 3), 1);
}
END_TEST

START_TEST(clock_that_jumps)
{
    policy.max_rate = 2;
    ck_assert_uint_eq(admitted(5000, 9), 2);
    ck_assert_uint_eq(admitted(4000, 9), 0); /* back: nothing is given back */
    ck_assert_uint_eq(admitted(4999, 9), 0);
    ck_assert_uint_eq(admitted(5000, 9), 2); /* and nobody is shut out for long */
    ck_assert_uint_eq(admitted(UINT64_MAX, 9), 2);
    ck_assert_uint_eq(admitted(0, 9), 0);
    ck_assert_uint_eq(admitted(1000, 9), 2);
}
END_TEST

START_TEST(rate_that_changes)
{
    policy.max_rate = 10;
    ck_assert_uint_eq(admitted(1000, 6), 6);
    policy.max_rate = 3;
    ck_assert_uint_eq(admitted(1100, 6), 0);
    policy.max_rate = 8;
    ck_assert_uint_eq(admitted(1200, 6), 2);
    policy.max_rate = 0;
    ck_assert_uint_eq(admitted(1300, 100), 100);
}
END_TEST

/* Who is refused for another reason takes no token. */
START_TEST(refused_take_nothing)
{
    policy.max_rate = 1;
    policy.max_connections = 1;
    admit_network("192.0.2.0/24");
    ck_assert_int_eq(policy_admit(&policy, &usage, "10.0.0.1", 0, 0), POLICY_NETWORK);
    usage.connections = 1;
    ck_assert_int_eq(admit_at(0), POLICY_CONNECTIONS);
    usage.connections = 0;
    policy.expires_s = 100;
    ck_assert_int_eq(admit_at(0), POLICY_EXPIRED);
    policy.expires_s = 0;
    ck_assert_int_eq(admit_at(0), POLICY_ADMITS);
    ck_assert_int_eq(admit_at(0), POLICY_RATE);
}
END_TEST

START_TEST(ends)
{
    policy.expires_s = 1000;
    ck_assert_int_eq(policy_admit(&policy, &usage, "192.0.2.1", 0, 999), POLICY_ADMITS);
    ck_assert_int_eq(policy_admit(&policy, &usage, "192.0.2.1", 0, 1000), POLICY_EXPIRED);
    ck_assert_int_eq(policy_keep(&policy, "192.0.2.1", 999), POLICY_ADMITS);
    ck_assert_int_eq(policy_keep(&policy, "192.0.2.1", 1001), POLICY_EXPIRED);
    ck_assert_int_eq(policy_keep(&policy, "192.0.2.1", INT64_MAX), POLICY_EXPIRED);
    /* A wall clock that went back lets it live again. */
    ck_assert_int_eq(policy_keep(&policy, "192.0.2.1", 0), POLICY_ADMITS);
    policy.expires_s = 0;
    ck_assert_int_eq(policy_keep(&policy, "192.0.2.1", INT64_MAX), POLICY_ADMITS);
}
END_TEST

START_TEST(verdicts_have_words)
{
    for (int i = 0; i < POLICY_VERDICT_END; i++) {
        ck_assert_uint_gt(strlen(policy_verdict_name((enum policy_verdict)i)), 0);
        ck_assert_uint_gt(strlen(policy_verdict_text((enum policy_verdict)i)), 0);
    }
    ck_assert_str_eq(policy_verdict_name(POLICY_NETWORK), "network");
    ck_assert_str_eq(policy_verdict_name(POLICY_HUB), "hub");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parent_policy");
    TCase *cases = tcase_create("policy");
    tcase_add_checked_fixture(cases, set_up, NULL);
    tcase_add_loop_test(cases, networks_decide, 0, sizeof table / sizeof *table);
    tcase_add_test(cases, as_many_as_may_be);
    tcase_add_test(cases, connections_are_counted);
    tcase_add_test(cases, rate_holds_in_each_second);
    tcase_add_test(cases, rate_holds_in_any_second);
    tcase_add_test(cases, rate_of_a_steady_stream);
    tcase_add_test(cases, rate_holds_on_the_long_run);
    tcase_add_test(cases, rate_of_one);
    tcase_add_test(cases, clock_that_jumps);
    tcase_add_test(cases, rate_that_changes);
    tcase_add_test(cases, refused_take_nothing);
    tcase_add_test(cases, ends);
    tcase_add_test(cases, verdicts_have_words);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
