/*
 * Numbers, durations, sizes and names as people write and read them, and the word that somebody
 * most likely meant.  Encodings (hexadecimal, base64, UTF-8) are in encoding.c.
 */
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t ms;
};

static const struct unit units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};
#define UNIT_COUNT (sizeof units / sizeof units[0])

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c);
}

bool text_copy(char *to, size_t size, const char *from)
{
    size_t length = strlen(from);
    if (length >= size) {
        if (size > 0)
            to[0] = '\0';
        return false;
    }
    memcpy(to, from, length + 1);
    return true;
}

/* Reads the digits at *text and moves behind them; false when there are none or too many. */
static bool read_digits(const char **text, uint64_t *value)
{
    const char *next = *text;
    uint64_t sum = 0;
    if (!is_digit(*next))
        return false;
    for (; is_digit(*next); next++) {
        uint64_t digit = (uint64_t)(*next - '0');
        if (sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *text = next;
    *value = sum;
    return true;
}

bool text_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    uint64_t number;
    const char *next = text;
    if (!read_digits(&next, &number) || *next != '\0')
        return false;
    if (text[0] == '0' && text[1] != '\0')
        return false;
    if (number < min || number > max)
        return false;
    *value = number;
    return true;
}

/* The unit at *text, which must be smaller than the one before it; NULL when there is none. */
static const struct unit *read_unit(const char **text, size_t *first)
{
    size_t length = strspn(*text, "abcdefghijklmnopqrstuvwxyz");
    for (size_t i = *first; i < UNIT_COUNT; i++) {
        if (strlen(units[i].name) != length || strncmp(*text, units[i].name, length) != 0)
            continue;
        *text += length;
        *first = i + 1;
        return &units[i];
    }
    return NULL;
}

int text_parse_duration_ms(const char *text, uint64_t *ms, struct fault *fault)
{
    if (strcmp(text, "0") == 0) {
        *ms = 0;
        return 0;
    }
    uint64_t sum = 0;
    size_t unit_first = 0;
    const char *next = text;
    do {
        uint64_t number;
        if (!read_digits(&next, &number))
            return fault_set(fault, "'%s' is not a duration; write it as 30s, 5m, 72h or 1h30m",
                             text);
        if (*next == '\0')
            return fault_set(fault, "'%s' lacks a unit; add ms, s, m, h or d, as in 30s", text);
        const struct unit *unit = read_unit(&next, &unit_first);
        if (unit == NULL)
            return fault_set(fault,
                             "'%s' is not a duration; the units are d, h, m, s and ms, the "
                             "largest first, as in 1h30m",
                             text);
        if (number > (UINT64_MAX - sum) / unit->ms)
            return fault_set(fault, "'%s' is too long a duration", text);
        sum += number * unit->ms;
    } while (*next != '\0');
    *ms = sum;
    return 0;
}

void text_format_duration_ms(uint64_t ms, char *text, size_t size)
{
    char sum[64];
    size_t used = 0;
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (ms < units[i].ms)
            continue;
        int wrote = snprintf(sum + used, sizeof sum - used, "%" PRIu64 "%s", ms / units[i].ms,
                             units[i].name);
        used += (size_t)wrote;
        ms %= units[i].ms;
    }
    snprintf(text, size, "%s", used > 0 ? sum : "0s");
}

void text_format_age_s(uint64_t seconds, char *text, size_t size)
{
    if (seconds < 60)
        snprintf(text, size, "%" PRIu64 "s", seconds);
    else if (seconds < 3600)
        snprintf(text, size, "%" PRIu64 "m", seconds / 60);
    else if (seconds < 86400)
        snprintf(text, size, "%" PRIu64 "h%" PRIu64 "m", seconds / 3600, seconds % 3600 / 60);
    else
        snprintf(text, size, "%" PRIu64 "d", seconds / 86400);
}

void text_format_bytes(uint64_t bytes, char *text, size_t size)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        snprintf(text, size, "%" PRIu64 " B", bytes);
        return;
    }
    unsigned power = 1;
    while (power < 6 && bytes >> (10 * power) >= 1024)
        power++;
    /* Cut, not rounded, so that 1023.99 KiB does not become "1024.0 KiB". */
    uint64_t unit = UINT64_C(1) << (10 * power);
    uint64_t tenths = bytes % unit * 10 / unit;
    snprintf(text, size, "%" PRIu64 ".%" PRIu64 " %s", bytes / unit, tenths, names[power]);
}

#define WORD_MAX 64

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Changes (a letter more, less, other, or two swapped) that turn `a` into `b`. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][WORD_MAX + 1] = {{0}};
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t other = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(other, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

const char *text_nearest(const char *word, const char *const *words, size_t count)
{
    const char *nearest = NULL;
    size_t nearest_distance = SIZE_MAX;
    size_t length = strlen(word);
    if (length > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t candidate = strlen(words[i]);
        if (candidate > WORD_MAX)
            continue;
        size_t changes = distance(word, length, words[i], candidate);
        bool near = changes * 3 <= (length > candidate ? length : candidate);
        if (!near || changes >= nearest_distance)
            continue;
        nearest = words[i];
        nearest_distance = changes;
    }
    return nearest;
}

int name_check(const char *name, struct fault *fault)
{
    size_t length = strlen(name);
    if (length == 0)
        return fault_set(fault, "a name is empty; use a lowercase host name such as 'hannover'");
    if (length >= NAME_SIZE)
        return fault_set(fault, "the name '%.80s' has %zu characters; at most %d are allowed", name,
                         length, NAME_SIZE - 1);
    for (size_t i = 0; i < length; i++) {
        if (is_lower_or_digit(name[i]) || name[i] == '-' || name[i] == '.')
            continue;
        return fault_set(fault,
                         "the name '%s' holds a character other than a-z, 0-9, '-' and '.' at "
                         "position %zu",
                         name, i + 1);
    }
    for (size_t i = 0; i < length; i++) {
        bool first = i == 0 || name[i - 1] == '.';
        bool last = i + 1 == length || name[i + 1] == '.';
        if ((first || last) && !is_lower_or_digit(name[i]))
            return fault_set(fault,
                             "the name '%s' must begin and end with a letter or digit, and so "
                             "must each part between dots",
                             name);
    }
    if (strcmp(name, "enrol") == 0)
        return fault_set(fault, "the name 'enrol' is reserved; choose another");
    return 0;
}
