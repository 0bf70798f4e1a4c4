/*
 * A table of the policy's items: what each is called, how it is read and written.  What an item
 * does is not known here.
 */
#define _GNU_SOURCE
#include "parent/policy_json.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define DAY_S 86400

struct item {
    const char *name;
    int (*read)(const struct item *item, struct policy *policy, const json_t *value,
                struct fault *fault);
    /* null or false: at its default; NULL: out of memory */
    json_t *(*write)(const struct item *item, const struct policy *policy);
    size_t offset;     /* of a number in struct policy */
    uint64_t min, max; /* as written */
    uint64_t unit;     /* what the number is multiplied with */
};

static uint64_t *number_of(const struct item *item, struct policy *policy)
{
    return (uint64_t *)(void *)((char *)policy + item->offset);
}

static int check_number(const struct item *item, const json_t *value, struct fault *fault)
{
    json_int_t number = json_integer_value(value);
    if (json_is_integer(value) && number >= 0 && (uint64_t)number >= item->min &&
        (uint64_t)number <= item->max)
        return 0;
    return fault_set(fault, "%s must be a whole number, %llu to %llu, or null for the default",
                     item->name, (unsigned long long)item->min, (unsigned long long)item->max);
}

static int read_number(const struct item *item, struct policy *policy, const json_t *value,
                       struct fault *fault)
{
    uint64_t *number = number_of(item, policy);
    *number = 0;
    if (json_is_null(value))
        return 0;
    if (check_number(item, value, fault) != 0)
        return -1;
    *number = (uint64_t)json_integer_value(value) * item->unit;
    return 0;
}

static json_t *write_number(const struct item *item, const struct policy *policy)
{
    uint64_t number;
    memcpy(&number, (const char *)policy + item->offset, sizeof number);
    return number == 0 ? json_null() : json_integer((json_int_t)(number / item->unit));
}

/* Zero is a value of its own here: no visitor waits. */
static int read_hold(const struct item *item, struct policy *policy, const json_t *value,
                     struct fault *fault)
{
    policy->own_hold = !json_is_null(value);
    return read_number(item, policy, value, fault);
}

static json_t *write_hold(const struct item *item, const struct policy *policy)
{
    return policy->own_hold ? json_integer((json_int_t)(policy->hold_ms / item->unit))
                            : json_null();
}

/* And here: the target is not tried. */
static int read_check(const struct item *item, struct policy *policy, const json_t *value,
                      struct fault *fault)
{
    policy->own_target_check = !json_is_null(value);
    return read_number(item, policy, value, fault);
}

static json_t *write_check(const struct item *item, const struct policy *policy)
{
    return policy->own_target_check
               ? json_integer((json_int_t)(policy->target_check_ms / item->unit))
               : json_null();
}

static int read_network(struct policy *policy, const json_t *value, struct fault *fault)
{
    if (!json_is_string(value))
        return fault_set(fault, "from must be a list of networks, such as [\"192.0.2.0/24\"]");
    if (cidr_parse(json_string_value(value), &policy->networks[policy->network_count], fault) != 0)
        return fault_prefix(fault, "from");
    policy->network_count++;
    return 0;
}

/* An empty list is refused: one reader takes it for "nobody", the next for "everybody". */
static int read_from(const struct item *item, struct policy *policy, const json_t *value,
                     struct fault *fault)
{
    memset(policy->networks, 0, sizeof policy->networks);
    policy->network_count = 0;
    if (json_is_null(value))
        return 0;
    size_t count = json_array_size(value);
    if (count == 0)
        return fault_set(fault,
                         "%s must be a list of networks, such as [\"192.0.2.0/24\"], or null for "
                         "visitors from anywhere",
                         item->name);
    if (count > POLICY_NETWORKS_MAX)
        return fault_set(fault, "%s holds %zu networks; at most %d are allowed", item->name, count,
                         POLICY_NETWORKS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (read_network(policy, json_array_get(value, i), fault) != 0)
            return -1;
    }
    return 0;
}

static json_t *write_from(const struct item *item, const struct policy *policy)
{
    (void)item;
    json_t *list = policy->network_count > 0 ? json_array() : json_null();
    for (size_t i = 0; list && i < policy->network_count; i++) {
        char text[CIDR_TEXT_SIZE];
        json_t *network = json_string(cidr_format(&policy->networks[i], text));
        if (json_array_append_new(list, network) == 0)
            continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

static int read_expires(const struct item *item, struct policy *policy, const json_t *value,
                        struct fault *fault)
{
    policy->expires_s = 0;
    if (json_is_null(value))
        return 0;
    if (json_is_string(value) && clock_parse(json_string_value(value), &policy->expires_s) &&
        policy->expires_s > 0)
        return 0;
    return fault_set(fault, "%s must be a time such as \"2027-01-01T00:00:00Z\", or null for never",
                     item->name);
}

static json_t *write_expires(const struct item *item, const struct policy *policy)
{
    (void)item;
    char text[CLOCK_TEXT_SIZE];
    return policy->expires_s == 0 ? json_null()
                                  : json_string(clock_format(policy->expires_s, text));
}

static const char *const protocols[] = {
    [PROXY_PROTOCOL_OFF] = "off", [PROXY_PROTOCOL_V1] = "v1", [PROXY_PROTOCOL_V2] = "v2"};

static int read_protocol(const struct item *item, struct policy *policy, const json_t *value,
                         struct fault *fault)
{
    const char *text = json_is_null(value) ? "off" : json_string_value(value);
    for (size_t i = 0; text && i < sizeof protocols / sizeof *protocols; i++) {
        if (strcmp(text, protocols[i]) != 0)
            continue;
        policy->proxy_protocol = (enum proxy_protocol)i;
        return 0;
    }
    return fault_set(fault, "%s must be \"v1\", \"v2\" or \"off\"", item->name);
}

static json_t *write_protocol(const struct item *item, const struct policy *policy)
{
    (void)item;
    return policy->proxy_protocol == PROXY_PROTOCOL_OFF
               ? json_null()
               : json_string(protocols[policy->proxy_protocol]);
}

static int read_private(const struct item *item, struct policy *policy, const json_t *value,
                        struct fault *fault)
{
    policy->private = json_is_true(value);
    if (json_is_boolean(value) || json_is_null(value))
        return 0;
    return fault_set(fault, "%s must be true or false", item->name);
}

static json_t *write_private(const struct item *item, const struct policy *policy)
{
    (void)item;
    return json_boolean(policy->private);
}

#define NUMBER(field, least, most, factor)                                                         \
    read_number, write_number, offsetof(struct policy, field), least, most, factor

static const struct item items[] = {
    {"from", read_from, write_from, .unit = 0},
    {"max_connections", NUMBER(max_connections, 1, 1000000, 1)},
    {"max_rate", NUMBER(max_rate, 1, 1000000, 1)},
    {"bandwidth_in", NUMBER(bandwidth_in, 1000, 1000000000000, 1)},
    {"bandwidth_out", NUMBER(bandwidth_out, 1000, 1000000000000, 1)},
    {"connect_timeout_s", NUMBER(connect_timeout_ms, 1, 600, 1000)},
    {"idle_timeout_s", NUMBER(idle_timeout_ms, 1, UINT64_C(365) * DAY_S, 1000)},
    {"expires", read_expires, write_expires, .unit = 0},
    {"hold_s", read_hold, write_hold, offsetof(struct policy, hold_ms), 0, DAY_S, 1000},
    {"target_check_s", read_check, write_check, offsetof(struct policy, target_check_ms), 0, DAY_S,
     1000},
    {"proxy_protocol", read_protocol, write_protocol, .unit = 0},
    {"private", read_private, write_private, .unit = 0},
};
#define ITEM_COUNT (sizeof items / sizeof *items)

static const struct item *find_item(const char *name, struct fault *fault)
{
    const char *names[ITEM_COUNT];
    for (size_t i = 0; i < ITEM_COUNT; i++) {
        if (strcmp(items[i].name, name) == 0)
            return &items[i];
        names[i] = items[i].name;
    }
    const char *nearest = text_nearest(name, names, ITEM_COUNT);
    (void)fault_set(fault, "a policy has no item '%.64s'%s%s%s", name,
                    nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return NULL;
}

int policy_from_json(struct policy *policy, const json_t *json, struct fault *fault)
{
    struct policy changed = *policy;
    if (!json_is_object(json))
        return fault_set(fault, "a policy must be an object of its items");
    json_t *object = (json_t *)(uintptr_t)json; /* jansson's iterators are not const */
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        const struct item *item = find_item(json_object_iter_key(at), fault);
        if (!item || item->read(item, &changed, json_object_iter_value(at), fault) != 0)
            return -1;
    }
    *policy = changed;
    return 0;
}

static json_t *write_items(const struct policy *policy, bool all)
{
    json_t *object = json_object();
    for (size_t i = 0; object && i < ITEM_COUNT; i++) {
        json_t *value = items[i].write(&items[i], policy);
        bool left_out = !all && (json_is_null(value) || json_is_false(value));
        if (left_out || json_object_set_new(object, items[i].name, value) == 0)
            continue;
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *policy_to_json(const struct policy *policy)
{
    return write_items(policy, false);
}

json_t *policy_show(const struct policy *policy)
{
    return write_items(policy, true);
}
