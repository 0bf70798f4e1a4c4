/* Proxies: URLs and no_proxy lists, and the talk with either kind.  The first byte chooses. */
#undef NDEBUG /* the checks are the point */
#include "net/proxy.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxy_talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct host_port hub = {.host = "hub.example.net", .port = 2222};

/* What was read is written and read again; no fault repeats the text. */
static void check_url(const char *text)
{
    struct proxy proxy, again;
    struct fault fault = {""};
    char shown[PROXY_TEXT_SIZE];
    if (proxy_parse(text, &proxy, &fault) != 0) {
        assert(fault.text[0] != '\0');
        return;
    }
    if (proxy.kind == PROXY_NONE)
        return;
    int rc = proxy_parse(proxy_format(&proxy, shown), &again, &fault);
    assert(rc == 0 && again.kind == proxy.kind && again.at.port == proxy.at.port);
    assert(strcmp(again.at.host, proxy.at.host) == 0 && !again.has_login);
    assert(!proxy.has_login || (proxy.user[0] != '\0' && proxy.password[0] != '\0'));
}

struct end {
    enum proxy_result result;
    size_t taken;
};

/* The whole talk, in pieces of this size; what is to be sent is sent at once. */
static struct end talk_in(const struct proxy *proxy, const uint8_t *data, size_t size, size_t piece)
{
    struct proxy_talk talk;
    struct fault fault = {""};
    struct end end = {PROXY_WAIT, 0};
    proxy_talk_begin(&talk, proxy, &hub);
    while (end.taken < size && end.result == PROXY_WAIT) {
        size_t length = 0, taken = 0;
        size_t now = size - end.taken < piece ? size - end.taken : piece;
        (void)proxy_talk_output(&talk, &length);
        assert(length <= PROXY_OUTPUT_MAX);
        proxy_talk_sent(&talk, length);
        end.result = proxy_talk_feed(&talk, data + end.taken, now, &taken, &fault);
        assert(taken <= now && (end.result != PROXY_WAIT || taken == now));
        assert(end.result != PROXY_REFUSED || fault.text[0] != '\0');
        end.taken += taken;
    }
    proxy_talk_wipe(&talk);
    return end;
}

static void check_talk(enum proxy_kind kind, bool has_login, const uint8_t *data, size_t size)
{
    const struct proxy proxy = {.kind = kind,
                                .at = {.host = "proxy", .port = 3128},
                                .has_login = has_login,
                                .user = "user",
                                .password = "password"};
    struct end whole = talk_in(&proxy, data, size, size);
    struct end bytes = talk_in(&proxy, data, size, 1);
    assert(whole.result == bytes.result);
    assert(whole.result == PROXY_REFUSED || whole.taken == bytes.taken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = malloc(size);
    if (text == NULL)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] % 4) {
    case 0:
        check_url(text);
        break;
    case 1:
        (void)proxy_is_bypassed(text, &hub);
        break;
    case 2:
        check_talk(PROXY_HTTP, (data[0] & 4) != 0, data + 1, size - 1);
        break;
    default:
        check_talk(PROXY_SOCKS5, (data[0] & 4) != 0, data + 1, size - 1);
        break;
    }
    free(text);
    return 0;
}
