/* Networks: what is read, what is refused, what they hold. */
#define _GNU_SOURCE
#include "parent/cidr.h"
#include "suite.h"

static const struct {
    const char *network, *host;
    bool inside;
} table[] = {
    {"192.0.2.0/24", "192.0.2.1", true},
    {"192.0.2.0/24", "192.0.3.1", false},
    {"192.0.2.0/24", "::ffff:192.0.2.9", true},
    {"192.0.2.128/25", "192.0.2.127", false},
    {"192.0.2.128/25", "192.0.2.255", true},
    {"192.0.2.7", "192.0.2.7", true},
    {"192.0.2.7", "192.0.2.8", false},
    {"0.0.0.0/0", "203.0.113.5", true},
    {"0.0.0.0/0", "2001:db8::1", false},
    {"2001:db8::/32", "2001:db8:ffff::1", true},
    {"2001:db8::/32", "2001:db9::1", false},
    {"2001:db8::1", "2001:db8::1", true},
    {"::/0", "2001:db8::1", true},
    {"::/0", "192.0.2.1", false},
    {"::/0", "::ffff:192.0.2.1", false},
    {"::ffff:0:0/96", "192.0.2.1", true},
    {"::/80", "192.0.2.1", false},
    {"::ffff:192.0.2.0/120", "192.0.2.44", true},
    {"192.0.2.0/24", "localhost", false},
    {"192.0.2.0/24", "", false},
};

START_TEST(holds)
{
    struct cidr cidr;
    struct fault fault = {""};
    ck_assert_msg(cidr_parse(table[_i].network, &cidr, &fault) == 0, "%s", fault.text);
    ck_assert_msg(cidr_contains(&cidr, table[_i].host) == table[_i].inside, "%s in %s",
                  table[_i].host, table[_i].network);
}
END_TEST

static const char *const refused[] = {
    "",
    "/24",
    "192.0.2.0/",
    "192.0.2.0/33",
    "192.0.2.1/24",
    "192.0.2/24",
    "2001:db8::1/32",
    "2001:db8::/129",
    "192.0.2.0/-1",
    "192.0.2.0/24 ",
    "host/24",
    "192.0.2.0/08",
    "192.0.2.0/24/8",
    "1111111111111111111111111111111111111111111111111111111111111111111111111111111/8",
};

START_TEST(refuses)
{
    struct cidr cidr;
    struct fault fault = {""};
    ck_assert_msg(cidr_parse(refused[_i], &cidr, &fault) != 0, "'%s' was taken", refused[_i]);
    ck_assert_uint_gt(strlen(fault.text), 10);
}
END_TEST

static const struct {
    const char *written, *formatted;
} forms[] = {
    {"192.0.2.0/24", "192.0.2.0/24"},
    {"192.0.2.7", "192.0.2.7"},
    {"192.0.2.7/32", "192.0.2.7"},
    {"0.0.0.0/0", "0.0.0.0/0"},
    {"0.0.0.0/1", "0.0.0.0/1"},
    {"::ffff:192.0.2.0/120", "192.0.2.0/24"},
    {"::ffff:0:0/96", "0.0.0.0/0"},
    {"::/0", "::/0"},
    {"::", "::"},
    {"2001:DB8::/32", "2001:db8::/32"},
    {"2001:db8::1/128", "2001:db8::1"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"},
};

START_TEST(is_written_in_one_form)
{
    struct cidr cidr, again;
    char text[CIDR_TEXT_SIZE];
    struct fault fault = {""};
    ck_assert_int_eq(cidr_parse(forms[_i].written, &cidr, &fault), 0);
    ck_assert_str_eq(cidr_format(&cidr, text), forms[_i].formatted);
    ck_assert_int_eq(cidr_parse(text, &again, &fault), 0);
    ck_assert_mem_eq(again.bytes, cidr.bytes, sizeof cidr.bytes);
    ck_assert_uint_eq(again.prefix, cidr.prefix);
}
END_TEST

/* With host bits, the network and the address that were probably meant are named. */
static const char *const meant[][3] = {
    {"192.0.2.1/24", "write 192.0.2.0/24 for the network", "192.0.2.1 for"},
    {"192.0.2.129/25", "192.0.2.128/25", "192.0.2.129 for"},
    {"10.1.2.3/0", "0.0.0.0/0", "10.1.2.3 for"},
    {"2001:db8::1/32", "2001:db8::/32", "2001:db8::1 for"},
    {"::ffff:192.0.2.1/120", "192.0.2.0/24", "192.0.2.1 for"},
    {"::1/0", "::/0", "::1 for"},
};

START_TEST(says_what_was_meant)
{
    struct cidr cidr;
    struct fault fault = {""};
    ck_assert_int_ne(cidr_parse(meant[_i][0], &cidr, &fault), 0);
    for (size_t i = 0; i < 3; i++)
        ck_assert_msg(strstr(fault.text, meant[_i][i]) != NULL, "%s", fault.text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parent_cidr");
    TCase *cases = tcase_create("networks");
    tcase_add_loop_test(cases, holds, 0, sizeof table / sizeof *table);
    tcase_add_loop_test(cases, refuses, 0, sizeof refused / sizeof *refused);
    tcase_add_loop_test(cases, is_written_in_one_form, 0, sizeof forms / sizeof *forms);
    tcase_add_loop_test(cases, says_what_was_meant, 0, sizeof meant / sizeof *meant);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
