/* The small readers of common/base: host:port, durations, names, base64, faults. */
#undef NDEBUG /* the checks are the point */
#include "base/address.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_addresses(const char *text)
{
    struct host_port out;
    struct host_port again;
    struct fault fault = {""};
    char formatted[HOST_PORT_SIZE];
    if (host_port_parse(text, true, &out, &fault) == 0) {
        int result =
            host_port_parse(host_port_format(out.host, out.port, formatted), true, &again, &fault);
        assert(result == 0 && out.port == again.port && strcmp(out.host, again.host) == 0);
    }
    if (listen_port_parse(text, &out, &fault) == 0) {
        struct sockaddr_storage address;
        socklen_t length;
        int result = address_from_literal(out.host, out.port, &address, &length, &fault);
        assert(result == 0);
        address_format((const struct sockaddr *)&address, formatted);
        result = listen_port_parse(formatted, &again, &fault);
        assert(result == 0 && again.port == out.port);
    }
}

static void check_texts(const char *text)
{
    struct fault fault = {""};
    uint64_t ms;
    uint64_t ms_again;
    int64_t wall_s;
    char formatted[64];
    char date[CLOCK_TEXT_SIZE];
    if (text_parse_duration_ms(text, &ms, &fault) == 0) {
        text_format_duration_ms(ms, formatted, sizeof formatted);
        int result = text_parse_duration_ms(formatted, &ms_again, &fault);
        assert(result == 0 && ms == ms_again);
    }
    if (clock_parse(text, &wall_s))
        assert(strcmp(clock_format(wall_s, date), text) == 0);
    if (name_check(text, &fault) == 0)
        assert(strlen(text) < NAME_SIZE && strcmp(text, "enrol") != 0);
    static const char *const words[] = {"listen", "hub", "site"};
    (void)text_nearest(text, words, 3);
    (void)fault_set(&fault, "%s", text);
    for (const char *c = fault.text; *c != '\0'; c++)
        assert((unsigned char)*c >= ' ');
}

static void check_base64(const char *text, size_t length)
{
    uint8_t *bytes = malloc(length + 1);
    char *again = malloc(length + 5);
    assert(bytes != NULL && again != NULL);
    long count = text_base64_decode(text, length, bytes, length + 1);
    if (count >= 0) {
        text_base64_encode(bytes, (size_t)count, again);
        assert(strlen(again) == length && memcmp(again, text, length) == 0);
    }
    free(bytes);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    check_addresses(text);
    check_texts(text);
    check_base64(text, size);
    free(text);
    return 0;
}
