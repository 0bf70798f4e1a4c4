/* Reading a policy's options. */
#define _GNU_SOURCE
#include "tunnelctl/policy.h"

#include <inttypes.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/text.h"

#define COUNT_MAX ((uint64_t)INT64_MAX)

/* Steals the value. */
static int put_item(const struct parameter *parameter, json_t *args, json_t *value,
                    struct fault *fault)
{
    json_t *policy = json_object_get(args, "policy");
    if (!policy && json_object_set_new(args, "policy", json_object()) == 0)
        policy = json_object_get(args, "policy");
    if (json_object_set_new(policy, parameter->key, value) == 0)
        return 0;
    return fault_set(fault, "%s: out of memory", parameter->name);
}

static bool clears(const struct parameter *parameter, const char *text)
{
    const char *word = strrchr(parameter->placeholder, '|');
    return word && strcmp(word + 1, text) == 0;
}

static int malformed(const struct parameter *parameter, const char *text, const char *example,
                     struct fault *fault)
{
    (void)fault_set(fault, "%s: '%s' is not %s%s", parameter->name, text, parameter->placeholder,
                    example);
    return VALUE_MALFORMED;
}

static bool is_network(const char *text)
{
    char address[HOST_SIZE];
    uint64_t bits;
    size_t length = strcspn(text, "/");
    if (length >= sizeof(address))
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    unsigned widest = strchr(text, ':') ? 128 : 32;
    return address_is_literal(address) &&
           (text[length] == '\0' || text_parse_number(text + length + 1, 0, widest, &bits));
}

int read_policy_network(const struct parameter *parameter, const char *text, json_t *args,
                        struct fault *fault)
{
    json_t *known = json_object_get(json_object_get(args, "policy"), parameter->key);
    bool any = clears(parameter, text);
    if (!any && !is_network(text))
        return malformed(parameter, text, ", such as 192.0.2.0/24 or 2001:db8::/32", fault);
    if (known && (any || json_is_null(known))) {
        (void)fault_set(fault, "%s any stands alone", parameter->name);
        return VALUE_MALFORMED;
    }
    if (any)
        return put_item(parameter, args, json_null(), fault);
    if (!known && put_item(parameter, args, json_array(), fault) < 0)
        return -1;
    known = json_object_get(json_object_get(args, "policy"), parameter->key);
    return json_array_append_new(known, json_string(text)) == 0
               ? 0
               : fault_set(fault, "%s: out of memory", parameter->name);
}

int read_policy_count(const struct parameter *parameter, const char *text, json_t *args,
                      struct fault *fault)
{
    uint64_t count;
    if (clears(parameter, text))
        return put_item(parameter, args, json_null(), fault);
    if (!text_parse_number(text, 0, COUNT_MAX, &count))
        return malformed(parameter, text, "", fault);
    return put_item(parameter, args, json_integer((json_int_t)count), fault);
}

int read_policy_rate(const struct parameter *parameter, const char *text, json_t *args,
                     struct fault *fault)
{
    uint64_t bytes;
    if (clears(parameter, text))
        return put_item(parameter, args, json_null(), fault);
    if (text_parse_rate(text, &bytes, NULL) < 0 || bytes > COUNT_MAX)
        return malformed(parameter, text,
                         "; bytes a second are written as 500k, 10M or 64Ki (k = 1000, Ki = 1024)",
                         fault);
    return put_item(parameter, args, json_integer((json_int_t)bytes), fault);
}

/* Whole seconds. */
static bool parse_seconds(const char *text, uint64_t *seconds)
{
    uint64_t ms;
    if (text_parse_duration_ms(text, &ms, NULL) < 0 || ms % 1000 != 0)
        return false;
    *seconds = ms / 1000;
    return true;
}

int read_policy_duration(const struct parameter *parameter, const char *text, json_t *args,
                         struct fault *fault)
{
    uint64_t seconds;
    if (clears(parameter, text))
        return put_item(parameter, args, json_null(), fault);
    if (!parse_seconds(text, &seconds))
        return malformed(parameter, text, "; whole seconds are written as 5s, 10m or 1h30m", fault);
    return put_item(parameter, args, json_integer((json_int_t)seconds), fault);
}

int read_policy_check(const struct parameter *parameter, const char *text, json_t *args,
                      struct fault *fault)
{
    if (strcmp(text, "off") == 0)
        return put_item(parameter, args, json_integer(0), fault);
    return read_policy_duration(parameter, text, args, fault);
}

/* The hub wants a time, so that the same command said twice means what it meant the first time. */
int read_policy_expires(const struct parameter *parameter, const char *text, json_t *args,
                        struct fault *fault)
{
    int64_t then;
    uint64_t seconds = 0;
    char time[CLOCK_TEXT_SIZE];
    if (clears(parameter, text))
        return put_item(parameter, args, json_null(), fault);
    bool is_time = clock_parse(text, &then);
    if (!is_time && (!parse_seconds(text, &seconds) || seconds == 0 || seconds > UINT32_MAX))
        return malformed(parameter, text, ", such as 12h, 30d or 2027-01-31T12:00:00Z", fault);
    if (!is_time)
        then = clock_wall_s() + (int64_t)seconds;
    return put_item(parameter, args, json_string(clock_format(then, time)), fault);
}

int read_policy_protocol(const struct parameter *parameter, const char *text, json_t *args,
                         struct fault *fault)
{
    if (clears(parameter, text))
        return put_item(parameter, args, json_null(), fault);
    if (strcmp(text, "v1") != 0 && strcmp(text, "v2") != 0)
        return malformed(parameter, text, "", fault);
    return put_item(parameter, args, json_string(text), fault);
}

int read_policy_private(const struct parameter *parameter, const char *text, json_t *args,
                        struct fault *fault)
{
    bool yes = strcmp(text, "yes") == 0;
    if (!yes && strcmp(text, "no") != 0)
        return malformed(parameter, text, "", fault);
    return put_item(parameter, args, json_boolean(yes), fault);
}
