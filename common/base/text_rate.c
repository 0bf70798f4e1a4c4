/* Rates of bytes as people write them.  Powers of ten, as networks count; Ki, Mi, Gi for the
 * others. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const struct unit {
    const char *name;
    uint64_t bytes;
} units[] = {
    {"Ki", 1u << 10}, {"Mi", 1u << 20}, {"Gi", 1u << 30},
    {"k", 1000},      {"M", 1000000},   {"G", 1000000000},
};
#define UNIT_COUNT   (sizeof units / sizeof *units)
#define FRACTION_MAX 9 /* digits */

static int no_rate(const char *text, struct fault *fault)
{
    return fault_set(
        fault,
        "'%.64s' is no rate: write bytes a second as 500k, 10M or 1.5G (k = 1000, Ki = 1024)",
        text);
}

/* The unit that `text` is, whole, with B, /s or B/s behind it or not; 0: none. */
static uint64_t read_unit(const char *text)
{
    static const char *const tails[] = {"", "B", "/s", "B/s"};
    uint64_t bytes = 1;
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        size_t length = strlen(units[i].name);
        if (strncmp(text, units[i].name, length) != 0)
            continue;
        bytes = units[i].bytes;
        text += length;
        break;
    }
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        if (strcmp(text, tails[i]) == 0)
            return bytes;
    }
    return 0;
}

int text_parse_rate(const char *text, uint64_t *bytes, struct fault *fault)
{
    char whole[24], fraction[FRACTION_MAX + 1] = "";
    uint64_t number, parts = 0, scale = 1;
    size_t length = strspn(text, "0123456789");
    const char *unit = text + length;
    if (length >= sizeof whole)
        return no_rate(text, fault);
    memcpy(whole, text, length);
    whole[length] = '\0';
    if (*unit == '.') {
        size_t digits = strspn(++unit, "0123456789");
        if (digits == 0 || digits > FRACTION_MAX)
            return no_rate(text, fault);
        memcpy(fraction, unit, digits);
        unit += digits;
        for (size_t i = 0; i < digits; i++) {
            parts = parts * 10 + (uint64_t)(fraction[i] - '0');
            scale *= 10;
        }
    }
    uint64_t factor = read_unit(unit);
    if (factor == 0 || !text_parse_number(whole, 0, INT64_MAX / factor - 1, &number))
        return no_rate(text, fault);
    *bytes = number * factor + parts * factor / scale;
    return *bytes > 0 ? 0 : fault_set(fault, "'%.64s' lets nothing through", text);
}

void text_format_rate(uint64_t bytes, char *text, size_t size)
{
    for (size_t i = UNIT_COUNT; i > 0; i--) {
        const struct unit *unit = &units[i - 1];
        if (bytes >= unit->bytes && bytes % unit->bytes == 0) {
            (void)snprintf(text, size, "%" PRIu64 "%s", bytes / unit->bytes, unit->name);
            return;
        }
    }
    (void)snprintf(text, size, "%" PRIu64, bytes);
}
