/* PROXY protocol headers, byte for byte (HAProxy's doc/proxy-protocol.txt, 2.1 and 2.2). */
#define _GNU_SOURCE
#include "parent/proxy_protocol.h"

#include <sys/un.h>

#include "base/address.h"
#include "suite.h"

static unsigned char header[PROXY_HEADER_MAX];

static struct sockaddr_storage at(const char *text)
{
    struct sockaddr_storage address;
    struct host_port parsed;
    struct fault fault = {""};
    socklen_t length;
    ck_assert_msg(host_port_parse(text, true, &parsed, &fault) == 0, "%s", fault.text);
    ck_assert_int_eq(address_from_literal(parsed.host, parsed.port, &address, &length, &fault), 0);
    return address;
}

static size_t make(enum proxy_protocol version, const char *visitor, const char *local)
{
    struct sockaddr_storage from = at(visitor), to = at(local);
    return proxy_header(version, (const struct sockaddr *)&from, (const struct sockaddr *)&to,
                        header);
}

static const struct {
    const char *visitor, *local, *line;
} lines[] = {
    {"192.0.2.7:50122", "198.51.100.1:8443", "PROXY TCP4 192.0.2.7 198.51.100.1 50122 8443\r\n"},
    {"255.255.255.255:65535", "255.255.255.255:65535",
     "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"},
    {"[2001:db8::7]:50122", "[2001:db8::1]:443",
     "PROXY TCP6 2001:db8::7 2001:db8::1 50122 443\r\n"},
    {"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
     "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"},
    {"[::ffff:192.0.2.7]:1", "[::ffff:198.51.100.1]:2",
     "PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n"},
    {"[::ffff:192.0.2.7]:1", "198.51.100.1:2", "PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n"},
    {"192.0.2.7:1", "[2001:db8::1]:2", "PROXY UNKNOWN\r\n"},
    {"[2001:db8::1]:2", "192.0.2.7:1", "PROXY UNKNOWN\r\n"},
};

START_TEST(version_1)
{
    size_t length = make(PROXY_PROTOCOL_V1, lines[_i].visitor, lines[_i].local);
    ck_assert_uint_eq(length, strlen(lines[_i].line));
    ck_assert_mem_eq(header, lines[_i].line, length);
}
END_TEST

#define SIGNATURE   "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"
#define BYTES(text) text, sizeof text - 1

static const struct {
    const char *visitor, *local, *bytes;
    size_t length;
} blocks[] = {
    {"192.0.2.7:50122", "198.51.100.1:8443",
     BYTES(SIGNATURE "\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\xc3\xca\x20\xfb")},
    {"[::ffff:192.0.2.7]:50122", "[::ffff:198.51.100.1]:8443",
     BYTES(SIGNATURE "\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\xc3\xca\x20\xfb")},
    {"[2001:db8::7]:50122", "[2001:db8::1]:443",
     BYTES(SIGNATURE "\x21\x21\x00\x24\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
                     "\x07\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xc3\xca"
                     "\x01\xbb")},
    {"192.0.2.7:1", "[2001:db8::1]:2", BYTES(SIGNATURE "\x20\x00\x00\x00")},
};

START_TEST(version_2)
{
    size_t length = make(PROXY_PROTOCOL_V2, blocks[_i].visitor, blocks[_i].local);
    ck_assert_uint_eq(length, blocks[_i].length);
    ck_assert_mem_eq(header, blocks[_i].bytes, length);
}
END_TEST

START_TEST(other_families_are_unknown)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    struct sockaddr_storage v4 = at("192.0.2.7:1");
    const struct sockaddr *other = (const struct sockaddr *)&path;
    const struct sockaddr *known = (const struct sockaddr *)&v4;
    ck_assert_uint_eq(proxy_header(PROXY_PROTOCOL_V1, other, known, header), 15);
    ck_assert_uint_eq(proxy_header(PROXY_PROTOCOL_V1, known, other, header), 15);
    ck_assert_uint_eq(proxy_header(PROXY_PROTOCOL_V1, other, other, header), 15);
    ck_assert_mem_eq(header, "PROXY UNKNOWN\r\n", 15);
    ck_assert_uint_eq(proxy_header(PROXY_PROTOCOL_V2, other, other, header), 16);
    ck_assert_mem_eq(header + 12, "\x20\x00\x00\x00", 4);
    ck_assert_uint_eq(proxy_header(PROXY_PROTOCOL_V2, NULL, NULL, header), 16);
}
END_TEST

START_TEST(off_is_nothing)
{
    ck_assert_uint_eq(make(PROXY_PROTOCOL_OFF, "192.0.2.7:1", "192.0.2.8:2"), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parent_proxy_protocol");
    TCase *cases = tcase_create("headers");
    tcase_add_loop_test(cases, version_1, 0, sizeof lines / sizeof *lines);
    tcase_add_loop_test(cases, version_2, 0, sizeof blocks / sizeof *blocks);
    tcase_add_test(cases, other_families_are_unknown);
    tcase_add_test(cases, off_is_nothing);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
