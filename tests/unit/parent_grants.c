/* Grants: bind addresses that mean the same, choosing, clashes. */
#define _GNU_SOURCE
#include "parent/grants.h"
#include "suite.h"

static const struct grant grants[] = {
    {.port = 8080, .address = "127.0.0.1", .enabled = true},
    {.port = 8443, .address = "192.0.2.7", .enabled = true},
    {.port = 9000, .address = "127.0.0.1", .enabled = false},
    {.port = 9443, .address = "2001:db8::7", .enabled = true},
};
#define COUNT (sizeof grants / sizeof *grants)

static long choose(const char *asked, uint64_t port, unsigned taken, struct fault *fault)
{
    struct grant_offer offers[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        offers[i] = (struct grant_offer){&grants[i], (taken >> i & 1) != 0};
    return grants_choose(offers, COUNT, "hannover", asked, port, fault);
}

static const struct {
    const char *asked;
    uint64_t port;
    unsigned taken; /* bits */
    long chosen;
} table[] = {
    {"", 8080, 0, 0},
    {"localhost", 8080, 0, 0},
    {"*", 8080, 0, 0},
    {"0.0.0.0", 8443, 0, 1},
    {"::", 8443, 0, 1},
    {"127.0.0.1", 8443, 0, 1},
    {"::1", 8443, 0, 1},
    {"192.0.2.7", 8443, 0, 1},
    {"::ffff:192.0.2.7", 8443, 0, 1},
    {"192.0.2.8", 8443, 0, -1},
    {"example.net", 8443, 0, -1},
    {"2001:db8:0:0::7", 9443, 0, 3},
    {"2001:db8::8", 9443, 0, -1},
    {"", 9000, 0, -1},
    {"", 22, 0, -1},
    {"", 65536 + 8080, 0, -1},
    {"", 8080, 1, 0},
    {"", 0, 0, 0},
    {"", 0, 1, 1},
    {"", 0, 3, 3},
    {"", 0, 11, -1},
    {"192.0.2.7", 0, 0, 1},
    {"192.0.2.9", 0, 0, -1},
};

START_TEST(chooses)
{
    struct fault fault = {""};
    ck_assert_msg(choose(table[_i].asked, table[_i].port, table[_i].taken, &fault) ==
                      table[_i].chosen,
                  "'%s':%llu: %s", table[_i].asked, (unsigned long long)table[_i].port, fault.text);
    ck_assert(table[_i].chosen >= 0 || fault.text[0] != '\0');
}
END_TEST

START_TEST(refusal_names_what_is_granted)
{
    struct fault fault = {""};
    ck_assert_int_eq(choose("", 22, 0, &fault), -1);
    ck_assert_str_eq(fault.text,
                     "port 22 is not granted to site hannover; granted: 8080, 8443, 9443");
    ck_assert_int_eq(grants_choose(NULL, 0, "hannover", "", 22, &fault), -1);
    ck_assert_str_eq(fault.text, "port 22 is not granted to site hannover; granted: nothing");
}
END_TEST

START_TEST(long_list_is_cut)
{
    struct grant many[GRANTS_PER_SITE_MAX];
    struct grant_offer offers[GRANTS_PER_SITE_MAX];
    for (size_t i = 0; i < GRANTS_PER_SITE_MAX; i++) {
        many[i] =
            (struct grant){.port = (uint16_t)(65280 + i), .address = "127.0.0.1", .enabled = true};
        offers[i] = (struct grant_offer){.grant = &many[i]};
    }
    struct fault fault = {""};
    ck_assert_int_eq(grants_choose(offers, GRANTS_PER_SITE_MAX, "hannover", "", 22, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "65291, ..."));
}
END_TEST

static const struct {
    const char *a, *b;
    bool overlap;
} addresses[] = {
    {"127.0.0.1", "127.0.0.1", true},
    {"127.0.0.1", "127.0.0.2", false},
    {"0.0.0.0", "127.0.0.1", true},
    {"127.0.0.1", "0.0.0.0", true},
    {"::", "127.0.0.1", true},
    {"0.0.0.0", "::", true},
    {"0.0.0.0", "::1", false},
    {"::1", "0.0.0.0", false},
    {"::", "::1", true},
    {"::1", "2001:db8::1", false},
};

START_TEST(overlaps)
{
    ck_assert_msg(listen_addresses_overlap(addresses[_i].a, addresses[_i].b) ==
                      addresses[_i].overlap,
                  "%s and %s", addresses[_i].a, addresses[_i].b);
}
END_TEST

START_TEST(canonical)
{
    char text[LISTEN_ADDRESS_SIZE];
    struct fault fault;
    ck_assert_int_eq(listen_address_canonical("::ffff:127.0.0.1", text, &fault), 0);
    ck_assert_str_eq(text, "127.0.0.1");
    ck_assert_int_eq(listen_address_canonical("2001:DB8:0:0::1", text, &fault), 0);
    ck_assert_str_eq(text, "2001:db8::1");
    ck_assert_int_ne(listen_address_canonical("localhost", text, &fault), 0);
    ck_assert_int_ne(listen_address_canonical("", text, &fault), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parent_grants");
    TCase *cases = tcase_create("grants");
    tcase_add_loop_test(cases, chooses, 0, sizeof table / sizeof *table);
    tcase_add_test(cases, refusal_names_what_is_granted);
    tcase_add_test(cases, long_list_is_cut);
    tcase_add_loop_test(cases, overlaps, 0, sizeof addresses / sizeof *addresses);
    tcase_add_test(cases, canonical);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
