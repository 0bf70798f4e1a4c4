/* Which addresses an outbound grant reaches. */
#define _GNU_SOURCE
#include "dialer/dial_rules.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/address.h"
#include "suite.h"

#define METADATA "a metadata service's address"
#define LOOPBACK "a loopback address"
#define PRIVATE  "a private address"
#define OWN      "one of the hub's own addresses"

/* The hub of these tests. */
static const char *const own_hosts[] = {"198.200.1.7", "2600:1f00::7", "::ffff:9.9.9.10"};
#define OWN_COUNT (sizeof own_hosts / sizeof *own_hosts)

static const struct {
    const char *host, *kind; /* NULL: may be dialled */
} table[] = {
    /* the wide world */
    {"8.8.8.8", NULL},
    {"9.255.255.255", NULL},
    {"11.0.0.0", NULL},
    {"223.255.255.255", NULL},
    {"2600:1f00::8", NULL},
    {"2a01:4f8::1", NULL},
    {"::ffff:8.8.8.8", NULL},
    {"64:ff9b::8.8.8.8", NULL},
    {"2002:808:808::1", NULL},
    {"2001:0:808:808:0:0:f7f7:f7f7", NULL}, /* Teredo, 8.8.8.8 twice */
    /* nowhere, here, everybody */
    {"0.0.0.0", "an unspecified address"},
    {"0.1.2.3", "an unspecified address"},
    {"::", "an unspecified address"},
    {"127.0.0.1", LOOPBACK},
    {"127.255.255.254", LOOPBACK},
    {"::1", LOOPBACK},
    {"224.0.0.1", "a multicast address"},
    {"239.255.255.255", "a multicast address"},
    {"ff02::1", "a multicast address"},
    {"255.255.255.255", "the broadcast address"},
    {"240.0.0.1", "a reserved address"},
    /* the link, the network */
    {"169.254.0.1", "a link-local address"},
    {"fe80::1", "a link-local address"},
    {"febf::1", "a link-local address"},
    {"fec0::1", "a site-local address"},
    {"10.0.0.1", PRIVATE},
    {"10.255.255.255", PRIVATE},
    {"172.15.255.255", NULL},
    {"172.16.0.1", PRIVATE},
    {"172.31.255.255", PRIVATE},
    {"172.32.0.0", NULL},
    {"192.168.1.1", PRIVATE},
    {"192.167.255.255", NULL},
    {"fc00::1", PRIVATE},
    {"fdff::1", PRIVATE},
    {"100.63.255.255", NULL},
    {"100.64.0.1", "a carrier's shared address"},
    {"100.128.0.0", NULL},
    /* metadata services */
    {"169.254.169.254", METADATA},
    {"100.100.100.200", METADATA},
    {"192.0.0.192", METADATA},
    {"168.63.129.16", METADATA},
    {"168.63.129.17", NULL},
    {"fd00:ec2::254", METADATA},
    {"fd00:ec2::253", PRIVATE},
    /* in another dress */
    {"::ffff:127.0.0.1", LOOPBACK},
    {"::ffff:169.254.169.254", METADATA},
    {"::ffff:10.1.2.3", PRIVATE},
    {"::ffff:0.0.0.0", "an unspecified address"},
    {"::127.0.0.1", "a v4-compatible address"},
    {"::8.8.8.8", "a v4-compatible address"},
    {"::ffff:0:8.8.8.8", "a reserved address"}, /* RFC 2765 */
    {"64:ff9b::127.0.0.1", LOOPBACK},
    {"64:ff9b::169.254.169.254", METADATA},
    {"64:ff9b::192.168.1.1", PRIVATE},
    {"64:ff9b:0:0:1::8.8.8.8", "a reserved address"},
    {"64:ff9b:1::8.8.8.8", "a local NAT64 address"},
    {"64:ff9b:1:ffff::1", "a local NAT64 address"},
    {"2002:7f00:1::1", LOOPBACK},
    {"2002:a9fe:a9fe::", METADATA},
    {"2002:a00:1::5", PRIVATE},
    {"2001:0:808:808:0:0:80ff:fffe", LOOPBACK}, /* Teredo, client 127.0.0.1 */
    {"2001:0:7f00:1:0:0:f7f7:f7f7", LOOPBACK},  /* Teredo, server 127.0.0.1 */
    {"2001:0:808:808:0:0:5601:5601", METADATA},
    /* for other uses */
    {"192.0.0.1", "a reserved address"},
    {"192.0.2.1", "an address for documentation"},
    {"198.51.100.1", "an address for documentation"},
    {"203.0.113.1", "an address for documentation"},
    {"2001:db8::1", "an address for documentation"},
    {"3fff:fff::1", "an address for documentation"},
    {"198.18.0.1", "an address for benchmarks"},
    {"198.19.255.255", "an address for benchmarks"},
    {"198.20.0.0", NULL},
    {"100::1", "a reserved address"},
    {"4000::1", "a reserved address"},
    {"1fff::1", "a reserved address"},
    /* the hub itself, in every dress */
    {"198.200.1.7", OWN},
    {"198.200.1.8", NULL},
    {"::ffff:198.200.1.7", OWN},
    {"64:ff9b::198.200.1.7", OWN},
    {"2002:c6c8:107::1", OWN},
    {"2600:1f00::7", OWN},
    {"9.9.9.10", OWN},
};

static struct sockaddr_storage address_of(const char *host)
{
    struct sockaddr_storage address;
    struct fault fault = {""};
    socklen_t length;
    ck_assert_msg(address_from_literal(host, 443, &address, &length, &fault) == 0, "%s",
                  fault.text);
    return address;
}

static const char *verdict(const char *host, bool literal)
{
    struct dial_address own[OWN_COUNT];
    for (size_t i = 0; i < OWN_COUNT; i++) {
        struct sockaddr_storage address = address_of(own_hosts[i]);
        ck_assert(dial_address_from((struct sockaddr *)&address, &own[i]));
    }
    struct sockaddr_storage address = address_of(host);
    return dial_forbidden((struct sockaddr *)&address, literal, own, OWN_COUNT);
}

START_TEST(a_name_reaches_the_wide_world_alone)
{
    const char *kind = verdict(table[_i].host, false);
    ck_assert_msg((kind == NULL) == (table[_i].kind == NULL), "%s: %s", table[_i].host,
                  kind ? kind : "allowed");
    if (kind)
        ck_assert_str_eq(kind, table[_i].kind);
}
END_TEST

START_TEST(an_address_in_the_grant_is_reached_whatever_it_is)
{
    ck_assert_ptr_null(verdict(table[_i].host, true));
}
END_TEST

START_TEST(other_families_are_refused_also_when_named)
{
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    ck_assert_ptr_nonnull(dial_forbidden((struct sockaddr *)&address, false, NULL, 0));
    ck_assert_ptr_nonnull(dial_forbidden((struct sockaddr *)&address, true, NULL, 0));
}
END_TEST

/* Whatever the name's owner answers, and in whatever order. */
START_TEST(each_address_of_a_rebinding_name_is_judged_for_itself)
{
    static const char *const answers[] = {"8.8.8.8", "127.0.0.1", "8.8.8.8", "::1",
                                          "::ffff:169.254.169.254"};
    static const bool allowed[] = {true, false, true, false, false};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        ck_assert_int_eq(verdict(answers[i], false) == NULL, allowed[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dial_rules");
    TCase *tests = tcase_create("rules");
    int count = (int)(sizeof table / sizeof *table);
    tcase_add_loop_test(tests, a_name_reaches_the_wide_world_alone, 0, count);
    tcase_add_loop_test(tests, an_address_in_the_grant_is_reached_whatever_it_is, 0, count);
    tcase_add_test(tests, other_families_are_refused_also_when_named);
    tcase_add_test(tests, each_address_of_a_rebinding_name_is_judged_for_itself);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
