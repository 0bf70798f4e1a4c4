/* What `tunnel-agent check` reads off the wire, and its lookups and connection attempts. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"
#include "tunnel-agent/check_net.h"
#include "tunnel-agent/check_text.h"

static struct fault fault;

/* --- banners ---------------------------------------------------------------------------------- */

static enum banner judge(const char *text, bool last)
{
    return banner_judge(text, strlen(text), last);
}

START_TEST(a_hub_says_its_version_first)
{
    ck_assert_int_eq(judge("SSH-2.0-tunneld\r\n", false), BANNER_SSH);
    ck_assert_int_eq(judge("SSH-1.99-old\n", false), BANNER_SSH);
    ck_assert_int_eq(judge("SSH-2.0-tunneld\r\n\x01\x02", true), BANNER_SSH);
    ck_assert_int_eq(judge("SSH-1.5-older\n", false), BANNER_OTHER);
    ck_assert_int_eq(judge("SSH-2.0\n", false), BANNER_OTHER);
    ck_assert_int_eq(judge("hello\nSSH-2.0-tunneld\n", false), BANNER_OTHER);
    ck_assert_int_eq(judge("HTTP/1.1 400 Bad Request\r\n", false), BANNER_OTHER);
}
END_TEST

START_TEST(half_a_line_is_waited_for)
{
    static const char version[] = "SSH-2.0-tunneld";
    for (size_t length = 0; length < sizeof version; length++) {
        ck_assert_int_eq(banner_judge(version, length, false), BANNER_MORE);
        ck_assert_int_eq(banner_judge(version, length, true), BANNER_OTHER);
    }
    char endless[BANNER_SIZE];
    memset(endless, 'S', sizeof endless);
    ck_assert_int_eq(banner_judge(endless, sizeof endless - 1, false), BANNER_MORE);
    ck_assert_int_eq(banner_judge(endless, sizeof endless, false), BANNER_OTHER);
}
END_TEST

START_TEST(the_first_line_is_shown)
{
    char line[BANNER_SIZE], endless[2 * BANNER_SIZE];
    ck_assert_str_eq(banner_line("SSH-2.0-a b\r\nmore", 17, line), "SSH-2.0-a b");
    ck_assert_str_eq(banner_line("\x16\x03\0\x01", 4, line), "\x16\x03?\x01");
    ck_assert_str_eq(banner_line("", 0, line), "");
    memset(endless, 'x', sizeof endless);
    ck_assert_uint_eq(strlen(banner_line(endless, sizeof endless, line)), BANNER_SIZE - 1);
}
END_TEST

/* --- status ----------------------------------------------------------------------------------- */

#define HEAD                                                                                       \
    "site              hannover\n"                                                                 \
    "hub               tunneld 0.1.0\n"                                                            \
    "key               SHA256:abc (current)\n"                                                     \
    "this session      7 from [2001:db8::1]:50122 since 2026-11-20T20:45:01Z\n"                    \
    "publisher         5 from 192.0.2.7:50100 since 2026-11-20T20:40:00Z\n\n"

static struct granted *granted;
static size_t count;

static int parse(const char *text)
{
    free(granted);
    granted = NULL;
    return status_forwards(text, &granted, &count, &fault);
}

static void teardown(void)
{
    free(granted);
    granted = NULL;
}

START_TEST(status_lists_forwards)
{
    ck_assert_int_eq(parse(HEAD "forwards:\n"
                                "  127.0.0.1:8443 -> 192.168.1.10:443  published\n"
                                "  [::1]:22 -> [fd00::1]:22  refused: target is: not allowed\n"
                                "\nrefused lately:\n"
                                "  2026-11-20T20:45:01Z  no -> such:1  thing\n"),
                     0);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(granted[0].listen, "127.0.0.1:8443");
    ck_assert_str_eq(granted[0].target.host, "192.168.1.10");
    ck_assert_uint_eq(granted[0].target.port, 443);
    ck_assert_str_eq(granted[0].state, "published");
    ck_assert_str_eq(granted[0].reason, "");
    ck_assert_str_eq(granted[1].listen, "[::1]:22");
    ck_assert_str_eq(granted[1].target.host, "fd00::1");
    ck_assert_str_eq(granted[1].state, "refused");
    ck_assert_str_eq(granted[1].reason, "target is: not allowed");
}
END_TEST

START_TEST(status_lists_outbound_grants)
{
    static const char text[] = HEAD "forwards: none granted\n"
                                    "\noutbound:\n"
                                    "  127.0.0.1:5432 -> db.example:5432  listening\n"
                                    "  0.0.0.0:1 -> a:1  refused: not in allow_listen\n"
                                    "\nrefused lately:\n";
    ck_assert_int_eq(status_outbound(text, &granted, &count, &fault), 0);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(granted[0].listen, "127.0.0.1:5432");
    ck_assert_str_eq(granted[0].target.host, "db.example");
    ck_assert_str_eq(granted[0].state, "listening");
    ck_assert_str_eq(granted[1].reason, "not in allow_listen");
    free(granted);
    ck_assert_int_eq(status_outbound(HEAD "forwards: none granted\n", &granted, &count, &fault), 0);
    ck_assert_uint_eq(count, 0);
    ck_assert_ptr_null(granted);
    ck_assert_int_ne(status_outbound("outbound:\n  damaged\n", &granted, &count, &fault), 0);
}
END_TEST

START_TEST(a_list_may_be_empty_or_cut)
{
    ck_assert_int_eq(parse(HEAD "forwards: none granted\n"), 0);
    ck_assert_uint_eq(count, 0);
    ck_assert_ptr_null(granted);
    ck_assert_int_eq(parse(HEAD "forwards:"), 0);
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(parse(HEAD "forwards:\n  127.0.0.1:1 -> a:2  offline\n  ... and 7 more\n"), 0);
    ck_assert_uint_eq(count, 1);
}
END_TEST

START_TEST(anything_else_is_no_status)
{
    static const char *const lines[] = {"  words\n", "  1.2.3.4:5 => a:2  offline\n",
                                        "  1.2.3.4:5 -> a  offline\n", "  1.2.3.4:5 -> a:2\n"};
    ck_assert_int_lt(parse(""), 0);
    ck_assert_str_eq(fault.text, "the answer to 'status' is not that of a hub");
    ck_assert_int_lt(parse("sh: 1: status: not found\n"), 0);
    ck_assert_int_lt(parse(HEAD), 0);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[1024];
        snprintf(text, sizeof text, HEAD "forwards:\n%s", lines[i]);
        ck_assert_msg(parse(text) < 0, "taken: %s", lines[i]);
        ck_assert_ptr_null(granted);
    }
}
END_TEST

START_TEST(status_tells_the_hubs_time)
{
    int64_t time_s = 0;
    ck_assert(status_time(HEAD, &time_s));
    ck_assert_int_eq(time_s, 1795207501);
    ck_assert(!status_time("", &time_s));
    ck_assert(!status_time("publisher 5 from x since 2026-11-20T20:40:00Z\n", &time_s));
    ck_assert(!status_time("this session 5 from x since yesterday\n", &time_s));
    ck_assert(!status_time("this session 5\nx since 2026-11-20T20:40:00Z\n", &time_s));
}
END_TEST

/* --- lookups and attempts --------------------------------------------------------------------- */

START_TEST(literals_have_one_family)
{
    struct lookup lookups[] = {{.to = {"127.0.0.1", 7}, .family = AF_INET},
                               {.to = {"127.0.0.1", 7}, .family = AF_INET6},
                               {.to = {"::1", 7}, .family = AF_INET6},
                               {.to = {"::1", 7}, .family = AF_INET},
                               {.to = {"127.0.0.1", 7}, .family = AF_UNSPEC}};
    lookups_run(lookups, 5, 1000);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_uint_eq(lookups[i].count, i == 1 || i == 3 ? 0 : 1);
        ck_assert_int_eq(lookup_is_empty(&lookups[i]), i == 1 || i == 3);
    }
    char text[HOST_PORT_SIZE];
    address_format((struct sockaddr *)&lookups[2].addresses[0], text);
    ck_assert_str_eq(text, "[::1]:7");
}
END_TEST

START_TEST(names_get_their_port)
{
    struct lookup lookup = {.to = {"localhost", 2222}, .family = AF_INET};
    char text[HOST_PORT_SIZE];
    lookups_run(&lookup, 1, 5000);
    ck_assert_uint_ge(lookup.count, 1);
    ck_assert_str_eq(address_format((struct sockaddr *)&lookup.addresses[0], text),
                     "127.0.0.1:2222");
}
END_TEST

START_TEST(a_name_that_is_none_says_why)
{
    struct lookup lookup = {.to = {"nowhere.invalid", 1}, .family = AF_INET};
    lookups_run(&lookup, 1, 5000);
    ck_assert_uint_eq(lookup.count, 0);
    ck_assert_uint_gt(strlen(lookup_reason(&lookup)), 5);
}
END_TEST

static struct attempt to_port(uint16_t port)
{
    struct attempt attempt = {.socket = -1};
    socklen_t length;
    ck_assert_int_eq(address_from_literal("127.0.0.1", port, &attempt.address, &length, &fault), 0);
    return attempt;
}

static int listener(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* More than one batch, every third to a port that nobody listens on. */
START_TEST(many_attempts_at_once)
{
    enum { COUNT = 600 };
    static struct attempt attempts[COUNT];
    uint16_t open_port, closed_port;
    int open = listener(&open_port), closed = listener(&closed_port);
    ck_assert_int_eq(listen(open, COUNT), 0);
    for (size_t i = 0; i < COUNT; i++)
        attempts[i] = to_port(i % 3 == 0 ? closed_port : open_port);
    attempts_run(attempts, COUNT, 5000);
    for (size_t i = 0; i < COUNT; i++) {
        ck_assert_int_eq(attempts[i].error, i % 3 == 0 ? ECONNREFUSED : 0);
        ck_assert_int_eq(attempts[i].socket < 0, i % 3 == 0);
        attempt_close(&attempts[i]);
        ck_assert_int_eq(attempts[i].socket, -1);
    }
    close(open);
    close(closed);
}
END_TEST

/* A full backlog drops what comes. */
START_TEST(silence_has_an_end)
{
    struct attempt attempts[16];
    uint16_t port;
    int fd = listener(&port);
    ck_assert_int_eq(listen(fd, 0), 0);
    for (size_t i = 0; i < 16; i++)
        attempts[i] = to_port(port);
    uint64_t began_us = check_now_us();
    attempts_run(attempts, 16, 300);
    uint64_t took_us = check_now_us() - began_us;
    ck_assert_int_eq(attempts[15].error, ETIMEDOUT);
    ck_assert_int_eq(attempts[15].socket, -1);
    ck_assert_uint_ge(took_us, 299000);
    ck_assert_uint_lt(took_us, 5000000);
    for (size_t i = 0; i < 16; i++)
        attempt_close(&attempts[i]);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agent_check");
    TCase *banners = tcase_create("banners");
    tcase_add_test(banners, a_hub_says_its_version_first);
    tcase_add_test(banners, half_a_line_is_waited_for);
    tcase_add_test(banners, the_first_line_is_shown);
    suite_add_tcase(suite, banners);
    TCase *status = tcase_create("status");
    tcase_add_checked_fixture(status, NULL, teardown);
    tcase_add_test(status, status_lists_forwards);
    tcase_add_test(status, status_lists_outbound_grants);
    tcase_add_test(status, a_list_may_be_empty_or_cut);
    tcase_add_test(status, anything_else_is_no_status);
    tcase_add_test(status, status_tells_the_hubs_time);
    suite_add_tcase(suite, status);
    TCase *net = tcase_create("net");
    tcase_set_timeout(net, 60);
    tcase_add_test(net, literals_have_one_family);
    tcase_add_test(net, names_get_their_port);
    tcase_add_test(net, a_name_that_is_none_says_why);
    tcase_add_test(net, many_attempts_at_once);
    tcase_add_test(net, silence_has_an_end);
    suite_add_tcase(suite, net);
    return suite_run(suite);
}
