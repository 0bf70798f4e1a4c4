/*
 * The client's side of HTTP CONNECT and of SOCKS5, as two small machines over one buffer.  Neither
 * reads on behind its answer; bodies of refusals are left unread, because the connection ends with
 * them.
 */
#define _GNU_SOURCE
#include "net/proxy_talk.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/text.h"

#define SOCKS_VERSION       5
#define SOCKS_LOGIN_VERSION 1
#define SOCKS_CONNECT       1
#define SOCKS_NO_LOGIN      0
#define SOCKS_LOGIN         2
#define SOCKS_NO_METHOD     0xff
enum { SOCKS_IPV4 = 1, SOCKS_NAME = 3, SOCKS_IPV6 = 4 };

static const char LOGIN_ADVICE[] =
    "set the right one in agent.yaml: 'proxy: http://USER:PASSWORD@HOST:PORT', or socks5://";

/* --- refusals --------------------------------------------------------------------------------- */

/* "proxy http://p:3128 does not connect to hub:2222: WHY; ADVICE" */
static enum proxy_result refuse(struct proxy_talk *talk, struct fault *fault, const char *why,
                                const char *advice)
{
    char proxy[PROXY_TEXT_SIZE], to[HOST_PORT_SIZE];
    talk->phase = PROXY_PHASE_OVER;
    (void)fault_set(fault, "proxy %s does not connect to %s: %s%s%s",
                    proxy_format(talk->proxy, proxy),
                    host_port_format(talk->to->host, talk->to->port, to), why,
                    advice != NULL ? "; " : "", advice != NULL ? advice : "");
    return PROXY_REFUSED;
}

void proxy_talk_broken(const struct proxy_talk *talk, const char *why, struct fault *fault)
{
    struct proxy_talk over = *talk;
    (void)refuse(&over, fault, why, NULL);
    proxy_talk_wipe(&over);
}

/* Trying again soon would only lock somebody's account. */
static enum proxy_result refuse_login(struct proxy_talk *talk, struct fault *fault, const char *why)
{
    talk->login_refused = true;
    return refuse(talk, fault, why, LOGIN_ADVICE);
}

/* --- output ----------------------------------------------------------------------------------- */

static void put(struct proxy_talk *talk, const void *bytes, size_t length)
{
    if (length > sizeof talk->output - talk->output_length)
        return; /* every text has a bound, and all of them fit */
    memcpy(talk->output + talk->output_length, bytes, length);
    talk->output_length += length;
}

static void put_text(struct proxy_talk *talk, const char *text)
{
    put(talk, text, strlen(text));
}

static void put_byte(struct proxy_talk *talk, unsigned byte)
{
    uint8_t one = (uint8_t)byte;
    put(talk, &one, 1);
}

/* With its length before it. */
static void put_counted(struct proxy_talk *talk, const char *text)
{
    put_byte(talk, (unsigned)strlen(text));
    put_text(talk, text);
}

const uint8_t *proxy_talk_output(const struct proxy_talk *talk, size_t *length)
{
    *length = talk->output_length - talk->output_sent;
    return talk->output + talk->output_sent;
}

void proxy_talk_sent(struct proxy_talk *talk, size_t length)
{
    talk->output_sent += length;
    if (talk->output_sent < talk->output_length)
        return;
    secret_wipe(talk->output, talk->output_length);
    talk->output_length = talk->output_sent = 0;
}

void proxy_talk_wipe(struct proxy_talk *talk)
{
    secret_wipe(talk, sizeof *talk);
}

/* --- HTTP ------------------------------------------------------------------------------------- */

static void put_basic(struct proxy_talk *talk)
{
    char login[2 * PROXY_LOGIN_SIZE + 1], encoded[4 * ((sizeof login + 2) / 3) + 1];
    int length = snprintf(login, sizeof login, "%s:%s", talk->proxy->user, talk->proxy->password);
    text_base64_encode((const uint8_t *)login, (size_t)length, encoded);
    put_text(talk, "Proxy-Authorization: Basic ");
    put_text(talk, encoded);
    put_text(talk, "\r\n");
    secret_wipe(login, sizeof login);
    secret_wipe(encoded, sizeof encoded);
}

static void begin_http(struct proxy_talk *talk)
{
    char to[HOST_PORT_SIZE];
    host_port_format(talk->to->host, talk->to->port, to);
    put_text(talk, "CONNECT ");
    put_text(talk, to);
    put_text(talk, " HTTP/1.1\r\nHost: ");
    put_text(talk, to);
    put_text(talk, "\r\n");
    if (talk->proxy->has_login)
        put_basic(talk);
    put_text(talk, "\r\n");
    talk->phase = PROXY_PHASE_HEAD;
}

static const struct {
    long status;
    const char *advice;
} STATUS_ADVICE[] = {
    {400, "it may not allow this port; have the proxy allow CONNECT to it, or use a hub on 443"},
    {403, "have the proxy allow CONNECT to this host and port, or use a hub on 443"},
    {404, "this is a web server, or a proxy without CONNECT"},
    {405, "this is a web server, or a proxy without CONNECT"},
    {501, "this is a web server, or a proxy without CONNECT"},
    {500, "the proxy could not reach the hub: is its name right, and does it run?"},
    {502, "the proxy could not reach the hub: is its name right, and does it run?"},
    {503, "the proxy could not reach the hub: is its name right, and does it run?"},
    {504, "the proxy could not reach the hub: is its name right, and does it run?"},
};

static const char *advice_for(long status)
{
    for (size_t i = 0; i < sizeof STATUS_ADVICE / sizeof STATUS_ADVICE[0]; i++) {
        if (STATUS_ADVICE[i].status == status)
            return STATUS_ADVICE[i].advice;
    }
    return NULL;
}

/* "HTTP/1.1 200 Connection established"; the status, or -1. */
static long status_of(const char *line)
{
    if (strncmp(line, "HTTP/1.", 7) != 0 || line[7] < '0' || line[7] > '9' || line[8] != ' ')
        return -1;
    char *end = NULL;
    long status = line[9] >= '1' && line[9] <= '9' ? strtol(line + 9, &end, 10) : -1;
    return status >= 100 && status <= 999 && (*end == ' ' || *end == '\0') ? status : -1;
}

static enum proxy_result judge_head(struct proxy_talk *talk, struct fault *fault)
{
    char line[PROXY_LINE_SIZE] = "", why[PROXY_LINE_SIZE + 64];
    memcpy(line, talk->answer, talk->answer_length);
    line[talk->answer_length] = '\0';
    long status = status_of(line);
    if (status >= 200 && status < 300) {
        talk->phase = PROXY_PHASE_OVER;
        return PROXY_OPEN;
    }
    if (status >= 100 && status < 200) { /* the final one follows (RFC 9110, 15.2) */
        talk->answer_length = 0;
        talk->line_done = false;
        return PROXY_WAIT;
    }
    if (status == 407 || status == 401) { /* tinyproxy says 401 to a wrong password */
        snprintf(why, sizeof why, "it %s (%ld)",
                 talk->proxy->has_login ? "refuses the user and password"
                                        : "wants a user and password",
                 status);
        return refuse_login(talk, fault, why);
    }
    if (status < 0) {
        snprintf(why, sizeof why, "it answers \"%s\", which is no HTTP", line);
        return refuse(talk, fault, why, "is it a SOCKS proxy, or another service?");
    }
    snprintf(why, sizeof why, "it says \"%s\"", line + 9);
    return refuse(talk, fault, why, advice_for(status));
}

/* True: the head has ended with this byte. */
static bool head_ends(struct proxy_talk *talk, uint8_t byte)
{
    if (byte == '\n') {
        bool blank = talk->line_length == 0;
        talk->line_length = 0;
        if (blank)
            return true;
        talk->line_done = true;
    } else if (byte != '\r') {
        talk->line_length++;
        if (!talk->line_done && talk->answer_length < PROXY_LINE_SIZE - 1)
            talk->answer[talk->answer_length++] = byte;
    }
    return false;
}

static bool is_no_http(const struct proxy_talk *talk)
{
    static const char http[] = "HTTP/";
    size_t known = talk->answer_length < sizeof http - 1 ? talk->answer_length : sizeof http - 1;
    return memcmp(talk->answer, http, known) != 0;
}

static enum proxy_result feed_head(struct proxy_talk *talk, const uint8_t *bytes, size_t length,
                                   size_t *taken, struct fault *fault)
{
    while (*taken < length) {
        bool over = head_ends(talk, bytes[(*taken)++]);
        if (over || (is_no_http(talk) && (talk->line_done || *taken == length))) {
            enum proxy_result result = judge_head(talk, fault);
            if (result != PROXY_WAIT)
                return result;
        }
        if (++talk->head_length > PROXY_ANSWER_MAX)
            return refuse(talk, fault, "its answer is too long", NULL);
    }
    return PROXY_WAIT;
}

/* --- SOCKS5 ----------------------------------------------------------------------------------- */

static void begin_socks(struct proxy_talk *talk)
{
    put_byte(talk, SOCKS_VERSION);
    put_byte(talk, talk->proxy->has_login ? 2 : 1);
    put_byte(talk, SOCKS_NO_LOGIN);
    if (talk->proxy->has_login)
        put_byte(talk, SOCKS_LOGIN);
    talk->phase = PROXY_PHASE_METHOD;
}

static void ask_socks(struct proxy_talk *talk)
{
    uint8_t address[16];
    put_byte(talk, SOCKS_VERSION);
    put_byte(talk, SOCKS_CONNECT);
    put_byte(talk, 0);
    if (inet_pton(AF_INET, talk->to->host, address) == 1) {
        put_byte(talk, SOCKS_IPV4);
        put(talk, address, 4);
    } else if (inet_pton(AF_INET6, talk->to->host, address) == 1) {
        put_byte(talk, SOCKS_IPV6);
        put(talk, address, 16);
    } else {
        put_byte(talk, SOCKS_NAME);
        put_counted(talk, talk->to->host);
    }
    put_byte(talk, talk->to->port >> 8);
    put_byte(talk, talk->to->port & 0xff);
    talk->phase = PROXY_PHASE_REPLY;
}

static enum proxy_result no_socks(struct proxy_talk *talk, struct fault *fault)
{
    return refuse(talk, fault, "it does not answer as a SOCKS5 proxy",
                  "is it an HTTP proxy, or another service?");
}

static enum proxy_result judge_method(struct proxy_talk *talk, struct fault *fault)
{
    uint8_t method = talk->answer[1];
    if (method == SOCKS_NO_LOGIN) {
        ask_socks(talk);
        return PROXY_WAIT;
    }
    if (method == SOCKS_LOGIN && talk->proxy->has_login) {
        put_byte(talk, SOCKS_LOGIN_VERSION);
        put_counted(talk, talk->proxy->user);
        put_counted(talk, talk->proxy->password);
        talk->phase = PROXY_PHASE_LOGIN;
        return PROXY_WAIT;
    }
    if (method != SOCKS_NO_METHOD)
        return no_socks(talk, fault);
    return refuse_login(talk, fault,
                        talk->proxy->has_login ? "it takes no user and password of this kind"
                                               : "it wants a user and password");
}

static enum proxy_result judge_login(struct proxy_talk *talk, struct fault *fault)
{
    if (talk->answer[1] != 0)
        return refuse_login(talk, fault, "it refuses the user and password");
    ask_socks(talk);
    return PROXY_WAIT;
}

static enum proxy_result judge_reply(struct proxy_talk *talk, struct fault *fault)
{
    static const char *const reasons[] = {
        [1] = "it failed, and says no more",
        [2] = "its rules forbid it; have the proxy allow this host and port, or use a hub on 443",
        [3] = "it has no route to that network",
        [4] = "it cannot reach the host, or does not know its name",
        [5] = "the connection was refused there; is the port right, and does the hub run?",
        [6] = "it cannot reach the host (TTL expired)",
        [7] = "it does not know CONNECT",
        [8] = "it does not know this kind of address",
    };
    unsigned code = talk->answer[1];
    if (code == 0) {
        talk->phase = PROXY_PHASE_OVER;
        return PROXY_OPEN;
    }
    return refuse(talk, fault,
                  code < sizeof reasons / sizeof reasons[0] ? reasons[code]
                                                            : "for a reason that has no name",
                  NULL);
}

/* How long the present answer is, as far as it is known; 0: it makes no sense. */
static size_t socks_wanted(const struct proxy_talk *talk)
{
    if (talk->phase != PROXY_PHASE_REPLY || (talk->answer_length >= 2 && talk->answer[1] != 0))
        return 2; /* of a refusal no more is looked at */
    if (talk->answer_length < 5)
        return 5;
    switch (talk->answer[3]) {
    case SOCKS_IPV4:
        return 4 + 4 + 2;
    case SOCKS_IPV6:
        return 4 + 16 + 2;
    case SOCKS_NAME:
        return 4 + 1 + (size_t)talk->answer[4] + 2;
    default:
        return 0;
    }
}

static enum proxy_result judge_socks(struct proxy_talk *talk, struct fault *fault)
{
    enum proxy_phase phase = talk->phase;
    talk->answer_length = 0;
    if (phase == PROXY_PHASE_METHOD)
        return judge_method(talk, fault);
    return phase == PROXY_PHASE_LOGIN ? judge_login(talk, fault) : judge_reply(talk, fault);
}

static enum proxy_result feed_socks(struct proxy_talk *talk, const uint8_t *bytes, size_t length,
                                    size_t *taken, struct fault *fault)
{
    while (*taken < length) {
        unsigned version = talk->phase == PROXY_PHASE_LOGIN ? SOCKS_LOGIN_VERSION : SOCKS_VERSION;
        talk->answer[talk->answer_length++] = bytes[(*taken)++];
        size_t wanted = socks_wanted(talk);
        if (talk->answer[0] != version || wanted == 0)
            return no_socks(talk, fault);
        if (talk->answer_length < wanted)
            continue;
        enum proxy_result result = judge_socks(talk, fault);
        if (result != PROXY_WAIT)
            return result;
    }
    return PROXY_WAIT;
}

/* --- both ------------------------------------------------------------------------------------- */

void proxy_talk_begin(struct proxy_talk *talk, const struct proxy *proxy,
                      const struct host_port *to)
{
    *talk = (struct proxy_talk){.proxy = proxy, .to = to};
    if (proxy->kind == PROXY_HTTP)
        begin_http(talk);
    else
        begin_socks(talk);
}

enum proxy_result proxy_talk_feed(struct proxy_talk *talk, const uint8_t *bytes, size_t length,
                                  size_t *taken, struct fault *fault)
{
    *taken = 0;
    if (talk->phase == PROXY_PHASE_OVER)
        return refuse(talk, fault, "it was over before", NULL);
    if (talk->phase == PROXY_PHASE_HEAD)
        return feed_head(talk, bytes, length, taken, fault);
    return feed_socks(talk, bytes, length, taken, fault);
}
