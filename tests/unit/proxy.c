/* Proxies: URLs, no_proxy, the environment; and the talk with each kind, in pieces of every size.
 */
#define _GNU_SOURCE
#include "net/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxy_talk.h"
#include "suite.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static struct fault fault;

/* --- URLs ------------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    enum proxy_kind kind;
    const char *host;
    uint16_t port;
    const char *user, *password;
} good[] = {
    {"none", PROXY_NONE, "", 0, "", ""},
    {"http://proxy.example.net:3128", PROXY_HTTP, "proxy.example.net", 3128, "", ""},
    {"HTTP://proxy:3128/", PROXY_HTTP, "proxy", 3128, "", ""},
    {"proxy:3128", PROXY_HTTP, "proxy", 3128, "", ""},
    {"http://proxy", PROXY_HTTP, "proxy", 80, "", ""},
    {"http://[2001:db8::1]", PROXY_HTTP, "2001:db8::1", 80, "", ""},
    {"http://a:b@[2001:db8::1]:8080", PROXY_HTTP, "2001:db8::1", 8080, "a", "b"},
    {"socks5://10.0.0.1:1081", PROXY_SOCKS5, "10.0.0.1", 1081, "", ""},
    {"socks5h://u:p@10.0.0.1", PROXY_SOCKS5, "10.0.0.1", 1080, "u", "p"},
    {"socks5://u%3Av:p%40s%2f%25@h:1", PROXY_SOCKS5, "h", 1, "u:v", "p@s/%"},
    {"http://u:p:q@h:1", PROXY_HTTP, "h", 1, "u", "p:q"},
};

START_TEST(urls)
{
    struct proxy proxy;
    int rc = proxy_parse(good[_i].text, &proxy, &fault);
    ck_assert_msg(rc == 0, "%s: %s", good[_i].text, fault.text);
    ck_assert_int_eq(proxy.kind, good[_i].kind);
    ck_assert_str_eq(proxy.at.host, good[_i].host);
    ck_assert_uint_eq(proxy.at.port, good[_i].port);
    ck_assert_str_eq(proxy.user, good[_i].user);
    ck_assert_str_eq(proxy.password, good[_i].password);
    ck_assert_int_eq(proxy.has_login, good[_i].user[0] != '\0');
}
END_TEST

static const char *const bad[] = {
    "",
    "http://",
    "http://:3128",
    "http://proxy:0",
    "http://proxy:x",
    "http://proxy:3128/path",
    "https://proxy:3128",
    "socks4://proxy:1080",
    "ftp://geheim:geheim@proxy:1",
    "http://geheim@proxy:1",
    "http://:geheim@proxy:1",
    "http://geheim:@proxy:1",
    "http://a%3Ageheim:b@proxy:1",
    "http://geheim:ge/heim@proxy:1",
    "http://geheim:%zz@proxy:1",
    "http://geheim:%0a@proxy:1",
    "http://geheim:%4",
    "http://a b:3128",
    "geheim",
};

/* What is refused may hold a password: no fault says any of it. */
START_TEST(wrong_urls)
{
    struct proxy proxy = {.at = {.port = 99}};
    int rc = proxy_parse(bad[_i], &proxy, &fault);
    if (strcmp(bad[_i], "geheim") == 0) { /* the bare name of a proxy */
        ck_assert_int_eq(rc, 0);
        return;
    }
    ck_assert_msg(rc == -1, "%s", bad[_i]);
    ck_assert_ptr_null(strstr(fault.text, "geheim"));
    ck_assert_uint_eq(proxy.at.port, 99);
}
END_TEST

START_TEST(login_is_bounded)
{
    struct proxy proxy;
    char text[1024], part[300];
    for (size_t length = 254; length < 258; length++) {
        memset(part, 'x', length);
        part[length] = '\0';
        snprintf(text, sizeof text, "socks5://%s:%s@h:1", part, part);
        ck_assert_int_eq(proxy_parse(text, &proxy, &fault), length < 256 ? 0 : -1);
    }
}
END_TEST

START_TEST(shown_without_login)
{
    struct proxy proxy;
    char text[PROXY_TEXT_SIZE];
    ck_assert_int_eq(proxy_parse("socks5h://user:secret@[::1]:1", &proxy, &fault), 0);
    ck_assert_str_eq(proxy_format(&proxy, text), "socks5://[::1]:1");
    ck_assert_int_eq(proxy_parse("none", &proxy, &fault), 0);
    ck_assert_str_eq(proxy_format(&proxy, text), "");
}
END_TEST

/* --- which ------------------------------------------------------------------------------------ */

static const struct {
    const char *list, *host;
    bool bypassed;
} exceptions[] = {
    {"", "hub.example.net", false},
    {"*", "hub.example.net", true},
    {"example.net", "hub.example.net", true},
    {".example.net", "hub.example.net", true},
    {"*.example.net", "hub.example.net", true},
    {"EXAMPLE.net", "hub.example.NET", true},
    {"ample.net", "hub.example.net", false},
    {"hub.example.net", "hub.example.net", true},
    {"b.hub.example.net", "hub.example.net", false},
    {"localhost, example.net", "hub.example.net", true},
    {"localhost example.net", "hub.example.net", true},
    {"hub.example.net:2222", "hub.example.net", true},
    {"hub.example.net:443", "hub.example.net", false},
    {"192.0.2.7", "192.0.2.7", true},
    {"192.0.2.7:2222", "192.0.2.7", true},
    {"2.7", "192.0.2.7", false},
    {"192.0.2.0/24", "192.0.2.7", true},
    {"192.0.2.0/30", "192.0.2.7", false},
    {"192.0.2.0/29", "192.0.2.7", true},
    {"0.0.0.0/0", "192.0.2.7", true},
    {"0.0.0.0/33", "192.0.2.7", false},
    {"::/0", "192.0.2.7", false},
    {"192.0.2.0/24", "hub.example.net", false},
    {"2001:db8::/32", "2001:db8::1", true},
    {"2001:db8::/128", "2001:db8::1", false},
    {"2001:DB8:0::1", "2001:db8::1", true},
    {"[2001:db8::1]:2222", "2001:db8::1", true},
    {"[2001:db8::1]:22", "2001:db8::1", false},
    {",,, ,", "hub.example.net", false},
    {".", "hub.example.net", false},
    {"/", "192.0.2.7", false},
};

START_TEST(no_proxy)
{
    struct host_port to = {.port = 2222};
    snprintf(to.host, sizeof to.host, "%s", exceptions[_i].host);
    ck_assert_msg(proxy_is_bypassed(exceptions[_i].list, &to) == exceptions[_i].bypassed,
                  "'%s' and %s", exceptions[_i].list, to.host);
}
END_TEST

static void choose(const char *setting, const char *expected)
{
    static const struct host_port hub = {.host = "hub.example.net", .port = 2222};
    char text[PROXY_TEXT_SIZE];
    struct proxy proxy;
    int rc = proxy_choose(setting, &hub, &proxy, &fault);
    ck_assert_msg(rc == 0, "%s", fault.text);
    ck_assert_str_eq(proxy_format(&proxy, text), expected);
}

START_TEST(chosen)
{
    static const struct host_port hub = {.host = "hub.example.net", .port = 2222};
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY",   "no_proxy",    "NO_PROXY"};
    struct proxy proxy;
    for (size_t i = 0; i < COUNT(names); i++)
        unsetenv(names[i]);
    choose("", "");
    choose("http://s:1", "http://s:1");
    setenv("ALL_PROXY", "socks5://a:1", 1);
    choose("", "socks5://a:1");
    setenv("HTTPS_PROXY", "http://b:2", 1);
    choose("", "http://b:2");
    setenv("https_proxy", "", 1);
    choose("", "http://b:2");
    setenv("https_proxy", "http://c:3", 1);
    choose("", "http://c:3");
    choose("none", "");
    choose("http://s:1", "http://s:1");
    setenv("NO_PROXY", "example.net", 1);
    choose("", "");
    choose("http://s:1", "http://s:1");
    setenv("no_proxy", "example.org", 1);
    setenv("https_proxy", "https://secret:secret@c", 1);
    ck_assert_int_eq(proxy_choose("", &hub, &proxy, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "https_proxy"));
    ck_assert_ptr_null(strstr(fault.text, "secret"));
}
END_TEST

/* --- talks ------------------------------------------------------------------------------------ */

#define HTTP_ASK "CONNECT hub:2222 HTTP/1.1\r\nHost: hub:2222\r\n\r\n"
#define HTTP_LOGIN                                                                                 \
    "CONNECT hub:2222 HTTP/1.1\r\nHost: hub:2222\r\n"                                              \
    "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n" /* RFC 7617, 2 */
#define BEHIND  "SSH-2.0-x\r\n"
#define B(text) text, sizeof(text) - 1

/* Steps alternate: what the agent says, then what the proxy answers. */
static const struct talk {
    const char *name, *url;
    struct {
        const char *said;
        size_t said_length;
        const char *answer;
        size_t answer_length;
    } steps[3];
    enum proxy_result result;
    const char *sentence; /* of a refusal, a part */
} talks[] = {
    {"http", "http://p:1", {{B(HTTP_ASK), B("HTTP/1.1 200 OK\r\n\r\n" BEHIND)}}, PROXY_OPEN, NULL},
    {"http 1.0, headers, any 2xx",
     "http://p:1",
     {{B(HTTP_ASK), B("HTTP/1.0 299\r\nA: b\r\nContent-Length: 5\r\n\r\n" BEHIND)}},
     PROXY_OPEN,
     NULL},
    {"bare line feeds",
     "http://p:1",
     {{B(HTTP_ASK), B("HTTP/1.1 200 OK\nA: b\n\n" BEHIND)}},
     PROXY_OPEN,
     NULL},
    {"interim answer",
     "http://p:1",
     {{B(HTTP_ASK), B("HTTP/1.1 103 Hm\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" BEHIND)}},
     PROXY_OPEN,
     NULL},
    {"basic login",
     "http://Aladdin:open%20sesame@p:1",
     {{B(HTTP_LOGIN), B("HTTP/1.1 200 OK\r\n\r\n" BEHIND)}},
     PROXY_OPEN,
     NULL},
    {"407 without login",
     "http://p:1",
     {{B(HTTP_ASK), B("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n<html>")}},
     PROXY_REFUSED,
     "proxy http://p:1 does not connect to hub:2222: it wants a user and password (407)"},
    {"407 with login",
     "http://Aladdin:open%20sesame@p:1",
     {{B(HTTP_LOGIN), B("HTTP/1.1 407 No\r\n\r\n")}},
     PROXY_REFUSED,
     "it refuses the user and password (407)"},
    {"403",
     "http://p:1",
     {{B(HTTP_ASK), B("HTTP/1.1 403 Filtered\r\n\r\n")}},
     PROXY_REFUSED,
     "it says \"403 Filtered\"; have the proxy allow CONNECT"},
    {"502",
     "http://p:1",
     {{B(HTTP_ASK), B("HTTP/1.1 502 Bad\r\n\r\n")}},
     PROXY_REFUSED,
     "could not reach the hub"},
    {"no http", "http://p:1", {{B(HTTP_ASK), B("\5\0")}}, PROXY_REFUSED, "which is no HTTP"},
    {"an SSH server",
     "http://p:1",
     {{B(HTTP_ASK), B(BEHIND)}},
     PROXY_REFUSED,
     "it answers \"SSH-2.0-x"},
    {"no status",
     "http://p:1",
     {{B(HTTP_ASK), B("HTTP/1.1 2x\r\n\r\n")}},
     PROXY_REFUSED,
     "which is no HTTP"},
    {"socks",
     "socks5://p:1",
     {{B("\5\1\0"), B("\5\0")}, {B("\5\1\0\3\3hub\x08\xae"), B("\5\0\0\1\0\0\0\0\0\0" BEHIND)}},
     PROXY_OPEN,
     NULL},
    {"socks, bound to a name",
     "socks5h://p:1",
     {{B("\5\1\0"), B("\5\0")}, {B("\5\1\0\3\3hub\x08\xae"), B("\5\0\0\3\4abcd\0\1" BEHIND)}},
     PROXY_OPEN,
     NULL},
    {"socks, bound to IPv6, login",
     "socks5://ab:cde@p:1",
     {{B("\5\2\0\2"), B("\5\2")},
      {B("\1\2ab\3cde"), B("\1\0")},
      {B("\5\1\0\3\3hub\x08\xae"), B("\5\0\0\4\0\1\2\3\4\5\6\7\0\1\2\3\4\5\6\7\0\1" BEHIND)}},
     PROXY_OPEN,
     NULL},
    {"socks needs no login after all",
     "socks5://ab:cde@p:1",
     {{B("\5\2\0\2"), B("\5\0")}, {B("\5\1\0\3\3hub\x08\xae"), B("\5\0\0\1\0\0\0\0\0\0" BEHIND)}},
     PROXY_OPEN,
     NULL},
    {"socks wants a login",
     "socks5://p:1",
     {{B("\5\1\0"), B("\5\xff")}},
     PROXY_REFUSED,
     "it wants a user and password"},
    {"socks refuses the login",
     "socks5://ab:cde@p:1",
     {{B("\5\2\0\2"), B("\5\2")}, {B("\1\2ab\3cde"), B("\1\1")}},
     PROXY_REFUSED,
     "it refuses the user and password"},
    {"socks, a method that was not offered",
     "socks5://p:1",
     {{B("\5\1\0"), B("\5\2")}},
     PROXY_REFUSED,
     "does not answer as a SOCKS5 proxy"},
    {"socks, forbidden",
     "socks5://p:1",
     {{B("\5\1\0"), B("\5\0")}, {B("\5\1\0\3\3hub\x08\xae"), B("\5\2\0\0")}},
     PROXY_REFUSED,
     "its rules forbid it"},
    {"socks, refused there",
     "socks5://p:1",
     {{B("\5\1\0"), B("\5\0")}, {B("\5\1\0\3\3hub\x08\xae"), B("\5\5")}},
     PROXY_REFUSED,
     "the connection was refused there"},
    {"socks, a code of its own",
     "socks5://p:1",
     {{B("\5\1\0"), B("\5\0")}, {B("\5\1\0\3\3hub\x08\xae"), B("\5\x99")}},
     PROXY_REFUSED,
     "for a reason that has no name"},
    {"socks, a kind of address that is none",
     "socks5://p:1",
     {{B("\5\1\0"), B("\5\0")}, {B("\5\1\0\3\3hub\x08\xae"), B("\5\0\0\7\0\0\0\0\0\0")}},
     PROXY_REFUSED,
     "does not answer as a SOCKS5 proxy"},
    {"an HTTP proxy in place of socks",
     "socks5://p:1",
     {{B("\5\1\0"), B("HTTP/1.1 400 Bad Request\r\n\r\n")}},
     PROXY_REFUSED,
     "is it an HTTP proxy"},
};

static enum proxy_result run_talk(const struct talk *script, size_t piece, size_t *left)
{
    static const struct host_port hub = {.host = "hub", .port = 2222};
    struct proxy proxy;
    struct proxy_talk talk;
    enum proxy_result result = PROXY_WAIT;
    ck_assert_int_eq(proxy_parse(script->url, &proxy, &fault), 0);
    proxy_talk_begin(&talk, &proxy, &hub);
    for (size_t i = 0; i < COUNT(script->steps) && script->steps[i].said != NULL; i++) {
        size_t length = 0, taken = 0;
        const uint8_t *output = proxy_talk_output(&talk, &length);
        ck_assert_uint_eq(length, script->steps[i].said_length);
        ck_assert_mem_eq(output, script->steps[i].said, length);
        proxy_talk_sent(&talk, 1);
        proxy_talk_sent(&talk, length - 1);
        const uint8_t *answer = (const uint8_t *)script->steps[i].answer;
        size_t rest = script->steps[i].answer_length;
        while (rest > 0 && result == PROXY_WAIT) {
            size_t now = piece < rest ? piece : rest;
            result = proxy_talk_feed(&talk, answer, now, &taken, &fault);
            ck_assert(result != PROXY_WAIT || taken == now);
            answer += taken;
            rest -= taken;
        }
        *left = rest;
    }
    return result;
}

START_TEST(in_pieces)
{
    const struct talk *script = &talks[_i];
    for (size_t piece = 1; piece < 200; piece++) {
        size_t left = 0;
        fault.text[0] = '\0';
        ck_assert_msg(run_talk(script, piece, &left) == script->result, "%s: %s", script->name,
                      fault.text);
        if (script->result == PROXY_OPEN)
            ck_assert_uint_eq(left, sizeof BEHIND - 1);
        else if (piece > 100)
            ck_assert_msg(strstr(fault.text, script->sentence) != NULL, "%s: %s", script->name,
                          fault.text);
        ck_assert_ptr_null(strstr(fault.text, "sesame"));
        ck_assert_ptr_null(strstr(fault.text, "cde"));
    }
}
END_TEST

START_TEST(literals_go_as_addresses)
{
    static const struct host_port four = {.host = "192.0.2.7", .port = 22};
    static const struct host_port six = {.host = "2001:db8::1", .port = 22};
    static const struct proxy proxy = {.kind = PROXY_SOCKS5, .at = {.host = "p", .port = 1}};
    struct proxy_talk talk;
    size_t length, taken;
    proxy_talk_begin(&talk, &proxy, &four);
    proxy_talk_sent(&talk, 3);
    ck_assert_int_eq(proxy_talk_feed(&talk, (const uint8_t *)"\5", 2, &taken, &fault), PROXY_WAIT);
    ck_assert_mem_eq(proxy_talk_output(&talk, &length), "\5\1\0\1\xc0\0\2\7\0\x16", 10);
    ck_assert_uint_eq(length, 10);
    proxy_talk_begin(&talk, &proxy, &six);
    proxy_talk_sent(&talk, 3);
    ck_assert_int_eq(proxy_talk_feed(&talk, (const uint8_t *)"\5", 2, &taken, &fault), PROXY_WAIT);
    ck_assert_mem_eq(proxy_talk_output(&talk, &length), "\5\1\0\4\x20\1\xd\xb8", 8);
    ck_assert_uint_eq(length, 22);
}
END_TEST

START_TEST(answers_are_bounded)
{
    static const struct host_port hub = {.host = "hub", .port = 2222};
    static const struct proxy proxy = {.kind = PROXY_HTTP, .at = {.host = "p", .port = 1}};
    static uint8_t line[] = "HTTP/1.1 200 OK ", noise[1000];
    struct proxy_talk talk;
    size_t taken, fed = 0;
    memset(noise, 'x', sizeof noise);
    proxy_talk_begin(&talk, &proxy, &hub);
    enum proxy_result result = proxy_talk_feed(&talk, line, sizeof line - 1, &taken, &fault);
    while (result == PROXY_WAIT) {
        result = proxy_talk_feed(&talk, noise, sizeof noise, &taken, &fault);
        fed += taken;
        ck_assert_uint_le(fed, 2 * PROXY_ANSWER_MAX);
    }
    ck_assert_int_eq(result, PROXY_REFUSED);
    ck_assert_ptr_nonnull(strstr(fault.text, "too long"));
}
END_TEST

/* The longest login and the longest host fit. */
START_TEST(everything_at_its_longest)
{
    struct proxy proxy = {.kind = PROXY_HTTP, .at = {.host = "p", .port = 1}, .has_login = true};
    struct host_port hub = {.port = 65535};
    struct proxy_talk talk;
    size_t length;
    memset(proxy.user, 'u', sizeof proxy.user - 1);
    memset(proxy.password, 'p', sizeof proxy.password - 1);
    memset(hub.host, 'h', sizeof hub.host - 1);
    proxy_talk_begin(&talk, &proxy, &hub);
    const uint8_t *output = proxy_talk_output(&talk, &length);
    ck_assert_mem_eq(output + length - 4, "\r\n\r\n", 4);
    proxy_talk_wipe(&talk);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("proxy");
    TCase *tests = tcase_create("proxy");
    tcase_add_loop_test(tests, urls, 0, COUNT(good));
    tcase_add_loop_test(tests, wrong_urls, 0, COUNT(bad));
    tcase_add_test(tests, login_is_bounded);
    tcase_add_test(tests, shown_without_login);
    tcase_add_loop_test(tests, no_proxy, 0, COUNT(exceptions));
    tcase_add_test(tests, chosen);
    tcase_add_loop_test(tests, in_pieces, 0, COUNT(talks));
    tcase_add_test(tests, literals_go_as_addresses);
    tcase_add_test(tests, answers_are_bounded);
    tcase_add_test(tests, everything_at_its_longest);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
