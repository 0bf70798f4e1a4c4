/* host:port in all its spellings, and socket addresses. */
#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

static const struct {
    const char *text, *host;
    uint16_t port;
} good[] = {
    {"hub.example.net:2222", "hub.example.net", 2222},
    {"localhost:1", "localhost", 1},
    {"192.168.1.10:443", "192.168.1.10", 443},
    {"[2001:db8::1]:65535", "2001:db8::1", 65535},
    {"[::]:22", "::", 22},
    {"[::ffff:192.0.2.1]:22", "::ffff:192.0.2.1", 22},
    {"A-b.C9:80", "A-b.C9", 80},
    {"1und1.de:80", "1und1.de", 80},
    {"10.example:80", "10.example", 80},
    {"123456789-123456789-123456789-123456789-123456789-123456789-123:9",
     "123456789-123456789-123456789-123456789-123456789-123456789-123", 9},
};

static const struct {
    const char *text, *sentence;
} bad[] = {
    {"", "'' lacks a port; write HOST:PORT"},
    {"hub", "'hub' lacks a port; write HOST:PORT"},
    {"hub:", "'hub:' needs a port from 1 to 65535, not ''"},
    {"hub:0", "'hub:0' needs a port from 1 to 65535, not '0'"},
    {"hub:65536", "'hub:65536' needs a port from 1 to 65535, not '65536'"},
    {"hub:99999999999999999999999", NULL},
    {"hub:-1", NULL},
    {"hub:+1", NULL},
    {"hub: 1", NULL},
    {"hub:1 ", NULL},
    {"hub:01", NULL},
    {"hub:0x10", NULL},
    {":22", "':22' does not begin with a host name or an IP address"},
    {"-hub:22", NULL},
    {"hub-:22", NULL},
    {"hub..net:22", NULL},
    {".hub:22", NULL},
    {"hub.:22", NULL},
    {"my_hub:22", NULL},
    {"h ub:22", NULL},
    {"h\xc3\xbc"
     "b:22",
     NULL},
    {"192.168.1.300:22", NULL},
    {"192.168.1:22", NULL},
    {"1:2", NULL},
    {"hub.123:22", NULL},
    {"2001:db8::1:22", "'2001:db8::1:22' has several colons; write an IPv6 address as "
                       "[ADDRESS]:PORT"},
    {"[2001:db8::1", "'[2001:db8::1' is not [ADDRESS]:PORT"},
    {"[2001:db8::1]", NULL},
    {"[2001:db8::1]22", NULL},
    {"[192.0.2.1]:22", "'[192.0.2.1]:22' does not hold an IPv6 address between its brackets"},
    {"[hub]:22", NULL},
    {"[]:22", NULL},
    {"[fe80::1%eth0]:22", NULL},
    {"[::1]:0", NULL},
    {"1234567890-1234567890-1234567890-1234567890-1234567890-123456789:9", NULL},
};

START_TEST(reads_good)
{
    struct host_port out;
    struct fault fault = {""};
    ck_assert_msg(host_port_parse(good[_i].text, false, &out, &fault) == 0, "%s", fault.text);
    ck_assert_str_eq(out.host, good[_i].host);
    ck_assert_uint_eq(out.port, good[_i].port);
    char again[HOST_PORT_SIZE];
    ck_assert_str_eq(host_port_format(out.host, out.port, again), good[_i].text);
}
END_TEST

START_TEST(refuses_bad)
{
    struct host_port out = {.host = "untouched", .port = 7};
    struct fault fault = {""};
    ck_assert_int_eq(host_port_parse(bad[_i].text, false, &out, &fault), -1);
    ck_assert_str_ne(fault.text, "");
    if (bad[_i].sentence != NULL)
        ck_assert_str_eq(fault.text, bad[_i].sentence);
    ck_assert_str_eq(out.host, "untouched");
    ck_assert_uint_eq(out.port, 7);
    ck_assert_int_eq(host_port_parse(bad[_i].text, false, &out, NULL), -1);
}
END_TEST

START_TEST(long_hosts)
{
    char text[1024];
    struct host_port out;
    /* 253 characters are a host name, 254 are not; far too many are no overflow. */
    static const size_t lengths[] = {253, 254, 255, 256, 257, 900};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        memset(text, 'a', lengths[i]);
        for (size_t dot = 50; dot < lengths[i]; dot += 50)
            text[dot] = '.';
        memcpy(text + lengths[i], ":22", 4);
        ck_assert_int_eq(host_port_parse(text, false, &out, NULL), i == 0 ? 0 : -1);
        text[0] = '[';
        memcpy(text + lengths[i], "]:22", 5);
        ck_assert_int_eq(host_port_parse(text, false, &out, NULL), -1);
    }
}
END_TEST

START_TEST(zero_where_allowed)
{
    struct host_port out;
    ck_assert_int_eq(host_port_parse("127.0.0.1:0", true, &out, NULL), 0);
    ck_assert_uint_eq(out.port, 0);
    ck_assert_int_eq(host_port_parse("127.0.0.1:00", true, &out, NULL), -1);
}
END_TEST

START_TEST(listen_ports)
{
    struct host_port out;
    struct fault fault = {""};
    ck_assert_int_eq(listen_port_parse("8443", &out, NULL), 0);
    ck_assert_str_eq(out.host, "");
    ck_assert_uint_eq(out.port, 8443);
    ck_assert_int_eq(listen_port_parse("[::1]:8443", &out, NULL), 0);
    ck_assert_str_eq(out.host, "::1");
    ck_assert_int_eq(listen_port_parse("0.0.0.0:8443", &out, NULL), 0);
    ck_assert_int_eq(listen_port_parse("localhost:8443", &out, &fault), -1);
    ck_assert_str_eq(fault.text, "'localhost:8443' must begin with an IP address, not with a name");
    static const char *const refused[] = {"", "0", "x", ":8443", "*:8443", "65536", "::1:8443"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        ck_assert_int_eq(listen_port_parse(refused[i], &out, NULL), -1);
}
END_TEST

START_TEST(formats)
{
    char text[HOST_PORT_SIZE];
    ck_assert_str_eq(host_port_format("", 8443, text), "8443");
    ck_assert_str_eq(host_port_format("::", 1, text), "[::]:1");
    ck_assert_str_eq(host_port_format("h", 65535, text), "h:65535");
}
END_TEST

static const struct {
    const char *host;
    uint16_t port;
    const char *text; /* NULL: refused */
} literals[] = {
    {"", 22, "0.0.0.0:22"},
    {"192.0.2.7", 50122, "192.0.2.7:50122"},
    {"2001:db8::1", 50122, "[2001:db8::1]:50122"},
    {"::ffff:192.0.2.7", 1, "192.0.2.7:1"},
    {"localhost", 1, NULL},
    {"1.2.3", 1, NULL},
    {"[::1]", 1, NULL},
    {"fe80::1%lo", 1, NULL},
};

START_TEST(socket_addresses)
{
    struct sockaddr_storage address;
    socklen_t length = 0;
    struct fault fault = {""};
    int result =
        address_from_literal(literals[_i].host, literals[_i].port, &address, &length, &fault);
    ck_assert_int_eq(result, literals[_i].text != NULL ? 0 : -1);
    if (literals[_i].text == NULL) {
        ck_assert_ptr_nonnull(strstr(fault.text, "is not an IP address"));
        return;
    }
    char text[HOST_PORT_SIZE];
    ck_assert_str_eq(address_format((struct sockaddr *)&address, text), literals[_i].text);
    char host[HOST_SIZE];
    ck_assert_uint_eq(address_host((struct sockaddr *)&address, host), literals[_i].port);
    ck_assert(address_is_literal(host));
    ck_assert_uint_eq(length, address.ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                                           : sizeof(struct sockaddr_in6));
}
END_TEST

START_TEST(other_families)
{
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    char host[HOST_SIZE] = "x";
    ck_assert_uint_eq(address_host((struct sockaddr *)&address, host), 0);
    ck_assert_str_eq(host, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("address");
    TCase *tests = tcase_create("address");
    tcase_add_loop_test(tests, reads_good, 0, sizeof good / sizeof good[0]);
    tcase_add_loop_test(tests, refuses_bad, 0, sizeof bad / sizeof bad[0]);
    tcase_add_loop_test(tests, socket_addresses, 0, sizeof literals / sizeof literals[0]);
    tcase_add_test(tests, long_hosts);
    tcase_add_test(tests, zero_where_allowed);
    tcase_add_test(tests, listen_ports);
    tcase_add_test(tests, formats);
    tcase_add_test(tests, other_families);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
