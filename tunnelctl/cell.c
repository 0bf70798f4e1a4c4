/*
 * Single values as people read them.  A value of an unexpected type is shown as it is: a newer
 * hub must not break the tables.
 */
#define _GNU_SOURCE
#include "tunnelctl/cell.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/text.h"

static void join_list(const json_t *list, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < json_array_size(list) && used < size; i++) {
        char item[CELL_SIZE];
        const json_t *value = json_array_get(list, i);
        if (json_is_array(value))
            snprintf(item, sizeof(item), "...");
        else
            cell_write(cell_text, value, item);
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", item);
    }
    if (json_array_size(list) == 0)
        snprintf(text, size, "-");
}

void cell_text(const json_t *value, char *text, size_t size)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        snprintf(text, size, "%s", *json_string_value(value) ? json_string_value(value) : "-");
        break;
    case JSON_INTEGER:
        snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        snprintf(text, size, "%.3g", json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        snprintf(text, size, "%s", json_is_true(value) ? "yes" : "no");
        break;
    case JSON_ARRAY:
        join_list(value, text, size);
        break;
    default:
        snprintf(text, size, "...");
    }
}

static bool count_of(const json_t *value, uint64_t *count)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *count = (uint64_t)json_integer_value(value);
    return true;
}

void cell_bytes(const json_t *value, char *text, size_t size)
{
    uint64_t bytes;
    if (count_of(value, &bytes))
        text_format_bytes(bytes, text, size);
    else
        cell_text(value, text, size);
}

void cell_age(const json_t *value, char *text, size_t size)
{
    uint64_t seconds;
    if (count_of(value, &seconds))
        text_format_age_s(seconds, text, size);
    else
        cell_text(value, text, size);
}

void cell_ms(const json_t *value, char *text, size_t size)
{
    cell_text(value, text, size);
    if (json_is_number(value)) {
        char number[64];
        cell_text(value, number, sizeof(number));
        snprintf(text, size, "%s ms", number);
    }
}

/* Seconds from now to the time, negative for the past. */
static bool distance_of(const json_t *value, int64_t *distance_s)
{
    int64_t then;
    if (!json_is_string(value) || !clock_parse(json_string_value(value), &then))
        return false;
    *distance_s = then - clock_wall_s();
    return true;
}

void cell_ago(const json_t *value, char *text, size_t size)
{
    int64_t distance_s;
    char age[32];
    if (!distance_of(value, &distance_s)) {
        cell_text(value, text, size);
        return;
    }
    text_format_age_s(distance_s < 0 ? (uint64_t)-distance_s : 0, age, sizeof(age));
    snprintf(text, size, "%s ago", age);
}

void cell_until(const json_t *value, char *text, size_t size)
{
    int64_t distance_s;
    char age[32];
    if (!distance_of(value, &distance_s)) {
        cell_text(value, text, size);
        return;
    }
    text_format_age_s((uint64_t)(distance_s < 0 ? -distance_s : distance_s), age, sizeof(age));
    if (distance_s > 0)
        snprintf(text, size, "%s (in %s)", json_string_value(value), age);
    else
        snprintf(text, size, "%s (%s ago)", json_string_value(value), age);
}

void cell_write(cell_writer *write, const json_t *value, char text[CELL_SIZE])
{
    if (!value || json_is_null(value))
        snprintf(text, CELL_SIZE, "-");
    else
        write(value, text, CELL_SIZE);
}
