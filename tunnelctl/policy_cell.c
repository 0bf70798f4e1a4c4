/* A policy as people read it, in one cell of a table or item by item. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "tunnelctl/cell.h"
#include "tunnelctl/policy.h"

#define NETWORKS_SHOWN 2
#define ITEM_SIZE      160

void cell_duration(const json_t *value, char *text, size_t size)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0)
        text_format_duration_ms((uint64_t)json_integer_value(value) * 1000, text, size);
    else
        cell_text(value, text, size);
}

void cell_target_check(const json_t *value, char *text, size_t size)
{
    if (json_is_integer(value) && json_integer_value(value) == 0)
        snprintf(text, size, "off");
    else
        cell_duration(value, text, size);
}

void cell_rate(const json_t *value, char *text, size_t size)
{
    char rate[64];
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        cell_text(value, text, size);
        return;
    }
    text_format_rate((uint64_t)json_integer_value(value), rate, sizeof(rate));
    snprintf(text, size, "%s/s", rate);
}

static void cell_networks(const json_t *value, char *text, size_t size)
{
    size_t used = 0, count = json_array_size(value);
    for (size_t i = 0; i < count && i < NETWORKS_SHOWN && used < size; i++) {
        char item[CELL_SIZE];
        cell_write(cell_text, json_array_get(value, i), item);
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? " " : "", item);
    }
    if (count > NETWORKS_SHOWN && used < size)
        snprintf(text + used, size - used, " +%zu", count - NETWORKS_SHOWN);
}

static void cell_left(const json_t *value, char *text, size_t size)
{
    int64_t then;
    char age[32];
    if (!json_is_string(value) || !clock_parse(json_string_value(value), &then)) {
        cell_text(value, text, size);
        return;
    }
    int64_t left = then - clock_wall_s();
    text_format_age_s(left > 0 ? (uint64_t)left : 0, age, sizeof(age));
    if (left > 0)
        snprintf(text, size, "expires in %s", age);
    else
        snprintf(text, size, "expired");
}

static const struct {
    const char *key, *before, *after;
    cell_writer *write;
} items[] = {
    {"private", "private", "", NULL},
    {"from", "from ", "", cell_networks},
    {"max_connections", "max ", "", cell_text},
    {"max_rate", "", " new/s", cell_text},
    {"bandwidth_in", "in ", "", cell_rate},
    {"bandwidth_out", "out ", "", cell_rate},
    {"connect_timeout_s", "connect ", "", cell_duration},
    {"idle_timeout_s", "idle ", "", cell_duration},
    {"hold_s", "hold ", "", cell_duration},
    {"target_check_s", "check ", "", cell_target_check},
    {"proxy_protocol", "proxy ", "", cell_text},
    {"expires", "", "", cell_left},
};

void cell_policy(const json_t *value, char *text, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < sizeof(items) / sizeof(*items) && used < size; i++) {
        char item[ITEM_SIZE] = "";
        const json_t *found = json_object_get(value, items[i].key);
        if (!found || json_is_null(found) || json_is_false(found))
            continue;
        if (items[i].write)
            items[i].write(found, item, sizeof(item));
        used += (size_t)snprintf(text + used, size - used, "%s%s%s%s", used ? ", " : "",
                                 items[i].before, item, items[i].after);
    }
    if (used == 0)
        snprintf(text, size, "-");
}

void cell_refused(const json_t *value, char *text, size_t size)
{
    size_t used = 0;
    const char *reason;
    json_t *count;
    json_object_foreach((json_t *)(uintptr_t)value, reason, count)
    {
        if (json_integer_value(count) > 0 && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s %" JSON_INTEGER_FORMAT,
                                     used ? ", " : "", reason, json_integer_value(count));
    }
    if (used == 0)
        snprintf(text, size, "-");
}
