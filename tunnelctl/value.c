/*
 * Readers of values.  Says what is wrong with a value; does not know which command it is for,
 * and resolves no name.
 */
#define _GNU_SOURCE
#include "tunnelctl/value.h"

#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "config/agent_settings.h"

#define NUMBER_MAX ((uint64_t)INT64_MAX)
#define HUB_PORT   2222u /* where a hub listens unless it is told otherwise */

/* Stores the value; a repeatable parameter collects a list. */
static int put(const struct parameter *parameter, const char *key, json_t *args, json_t *value,
               struct fault *fault)
{
    int result = -1;
    if (!key)
        key = parameter->name;
    if (!parameter->many) {
        result = json_object_set_new(args, key, value);
    } else {
        json_t *list = json_object_get(args, key);
        if (!list && json_object_set_new(args, key, json_array()) == 0)
            list = json_object_get(args, key);
        result = json_array_append_new(list, value);
    }
    return result < 0 ? fault_set(fault, "%s is not UTF-8, or out of memory", parameter->name) : 0;
}

static int put_text(const struct parameter *parameter, json_t *args, const char *text,
                    struct fault *fault)
{
    return put(parameter, parameter->key, args, json_string(text), fault);
}

static int put_number(const struct parameter *parameter, json_t *args, uint64_t number,
                      struct fault *fault)
{
    return put(parameter, parameter->key, args, json_integer((json_int_t)number), fault);
}

int read_text(const struct parameter *parameter, const char *text, json_t *args,
              struct fault *fault)
{
    if (!*text)
        return fault_set(fault, "%s is empty", parameter->name);
    return put_text(parameter, args, text, fault);
}

int read_site(const struct parameter *parameter, const char *text, json_t *args,
              struct fault *fault)
{
    if (name_check(text, fault) < 0)
        return -1;
    return put_text(parameter, args, text, fault);
}

int read_port(const struct parameter *parameter, const char *text, json_t *args,
              struct fault *fault)
{
    uint64_t port;
    if (!text_parse_number(text, 1, UINT16_MAX, &port))
        return fault_set(fault, "'%s' is no port; a port is a number from 1 to 65535", text);
    return put_number(parameter, args, port, fault);
}

int read_listen(const struct parameter *parameter, const char *text, json_t *args,
                struct fault *fault)
{
    struct host_port listen;
    if (!strchr(text, ':'))
        return read_port(parameter, text, args, fault);
    if (listen_port_parse(text, &listen, fault) < 0)
        return -1;
    if (listen.port == 0)
        return fault_set(fault, "'%s' has no port; a grant names its port, from 1 to 65535", text);
    if (*listen.host && put(parameter, "address", args, json_string(listen.host), fault) < 0)
        return -1;
    return put_number(parameter, args, listen.port, fault);
}

int read_host_port(const struct parameter *parameter, const char *text, json_t *args,
                   struct fault *fault)
{
    struct host_port ignored;
    if (host_port_parse(text, false, &ignored, fault) < 0)
        return fault_prefix(fault, "%s", parameter->name);
    return put_text(parameter, args, text, fault);
}

int read_hub(const struct parameter *parameter, const char *text, json_t *args, struct fault *fault)
{
    struct host_port hub;
    char whole[HOST_PORT_SIZE];
    if (host_port_parse(text, false, &hub, fault) == 0)
        return put_text(parameter, args, text, fault);
    int length = snprintf(whole, sizeof(whole), "%s:%u", text, HUB_PORT);
    if (length < (int)sizeof(whole) && host_port_parse(whole, false, &hub, NULL) == 0)
        return put_text(parameter, args, whole, fault);
    return fault_prefix(fault, "%s", parameter->name);
}

int read_allow_target(const struct parameter *parameter, const char *text, json_t *args,
                      struct fault *fault)
{
    if (allow_target_check(text, fault) < 0)
        return fault_prefix(fault, "%s", parameter->name);
    return put_text(parameter, args, text, fault);
}

int read_network(const struct parameter *parameter, const char *text, json_t *args,
                 struct fault *fault)
{
    char address[HOST_SIZE];
    uint64_t bits;
    size_t length = strcspn(text, "/");
    bool fits = length < sizeof(address);
    if (fits) {
        memcpy(address, text, length);
        address[length] = '\0';
    }
    unsigned widest = strchr(text, ':') ? 128 : 32;
    if (!fits || !address_is_literal(address) ||
        (text[length] == '/' && !text_parse_number(text + length + 1, 0, widest, &bits)))
        return fault_set(fault,
                         "%s: '%s' is no network; write it like 192.0.2.0/24 or 2001:db8::/32",
                         parameter->name, text);
    return put_text(parameter, args, text, fault);
}

int read_duration(const struct parameter *parameter, const char *text, json_t *args,
                  struct fault *fault)
{
    uint64_t ms;
    if (text_parse_duration_ms(text, &ms, fault) < 0)
        return fault_prefix(fault, "%s", parameter->name);
    if (ms < 1000)
        return fault_set(fault, "%s: '%s' is less than a second", parameter->name, text);
    return put_number(parameter, args, ms / 1000, fault);
}

int read_since(const struct parameter *parameter, const char *text, json_t *args,
               struct fault *fault)
{
    int64_t then, now = clock_wall_s();
    uint64_t ms = 0;
    if (clock_parse(text, &then)) {
        if (then > now)
            return fault_set(fault, "%s: %s lies in the future", parameter->name, text);
        ms = (uint64_t)(now - then) * 1000;
    } else if (text_parse_duration_ms(text, &ms, NULL) < 0) {
        return fault_set(fault,
                         "%s: '%s' is neither a duration such as 1h nor a time such as "
                         "2026-01-31T12:00:00Z",
                         parameter->name, text);
    }
    /* To the hub 0 means from the beginning; to a person it means from now on. */
    return put_number(parameter, args, ms < 1000 ? 1 : ms / 1000, fault);
}

int read_number(const struct parameter *parameter, const char *text, json_t *args,
                struct fault *fault)
{
    uint64_t number;
    if (!text_parse_number(text, 1, NUMBER_MAX, &number))
        return fault_set(fault, "'%s' is no %s; it is a number, as the lists show it", text,
                         parameter->name);
    return put_number(parameter, args, number, fault);
}

int read_level(const struct parameter *parameter, const char *text, json_t *args,
               struct fault *fault)
{
    enum log_level level;
    if (strcmp(text, "default") != 0 && !log_level_parse(text, &level))
        return fault_set(
            fault, "'%s' is no log level; there are error, warning, info, debug and trace", text);
    return put_text(parameter, args, text, fault);
}
