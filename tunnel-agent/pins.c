/*
 * A hub that shows a pinned host key may name the keys to pin from now on.  At least one of them
 * must be pinned already: a hub rotates one key at a time, and whatever else it may say, the key
 * that would let the agent back in must not be lost by it.
 */
#define _GNU_SOURCE
#include "pins.h"

#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "base/log.h"
#include "config/agent_settings.h"
#include "keys/public_key.h"

#define PINS_MAX 8

void pins_release(struct text_list *pins)
{
    for (size_t i = 0; i < pins->count; i++)
        free(pins->items[i]);
    free(pins->items);
    *pins = (struct text_list){0};
}

/* "TYPE BASE64", whatever stood behind. */
static int read_pin(const json_t *value, char **out, struct fault *fault)
{
    struct public_key key;
    char line[PUBLIC_KEY_LINE_SIZE];
    const char *text = json_string_value(value);
    if (text == NULL)
        return fault_set(fault, "an entry that is no text");
    if (public_key_from_line(text, &key, fault) != 0)
        return -1;
    *out = strdup(public_key_line(&key, line));
    return *out != NULL ? 0 : fault_set(fault, "out of memory");
}

int pins_read(const json_t *host_keys, struct text_list *out, struct fault *fault)
{
    size_t count = json_array_size(host_keys);
    if (count < 1 || count > PINS_MAX)
        return fault_set(fault, "no list of 1 to %d keys", PINS_MAX);
    struct text_list pins = {.items = calloc(count, sizeof *pins.items)};
    if (pins.items == NULL)
        return fault_set(fault, "out of memory");
    while (pins.count < count) {
        if (read_pin(json_array_get(host_keys, pins.count), &pins.items[pins.count], fault) != 0) {
            pins_release(&pins);
            return -1;
        }
        pins.count++;
    }
    *out = pins;
    return 0;
}

static bool is_same_key(const char *line, const char *other)
{
    struct public_key a = {0}, b = {0};
    return public_key_from_line(line, &a, NULL) == 0 &&
           public_key_from_line(other, &b, NULL) == 0 && a.length == b.length &&
           memcmp(a.blob, b.blob, a.length) == 0;
}

/* How many of `pins` are among `others`. */
static size_t count_common(const struct text_list *pins, const struct text_list *others)
{
    size_t count = 0;
    for (size_t i = 0; i < pins->count; i++) {
        bool found = false;
        for (size_t j = 0; j < others->count && !found; j++)
            found = is_same_key(pins->items[i], others->items[j]);
        count += found;
    }
    return count;
}

static bool say_the_same(const struct text_list *pins, const struct text_list *others)
{
    return pins->count == others->count && count_common(pins, others) == pins->count;
}

int pins_save(const struct state *state, const struct text_list *pins, struct fault *fault)
{
    char path[STATE_PATH_SIZE];
    struct agent_settings settings = {0};
    if (state_path(state, "agent.yaml", path, fault) != 0 ||
        agent_settings_load(path, &settings, fault) != 0)
        return -1;
    int rc = 0;
    if (!say_the_same(pins, &settings.host_keys) && count_common(pins, &settings.host_keys) > 0) {
        struct agent_settings changed = settings; /* borrows from both */
        changed.host_keys = *pins;
        rc = agent_settings_save(path, &changed, fault) == 0 ? 1 : -1;
    }
    agent_settings_release(&settings);
    return rc;
}

static void log_pins(const struct agent *agent, const struct text_list *pins)
{
    for (size_t i = 0; i < pins->count; i++) {
        struct public_key key = {0};
        char fingerprint[FINGERPRINT_SIZE];
        if (public_key_from_line(pins->items[i], &key, NULL) == 0)
            log_info(KV("site", agent->settings.site), SAY("the hub's host keys are pinned anew"),
                     KV("host_key", public_key_fingerprint(&key, fingerprint)));
    }
}

static void keep(struct agent *agent, struct text_list *pins)
{
    struct fault fault = {0};
    int saved = pins_save(&agent->state, pins, &fault);
    if (saved < 0)
        log_error(KV("site", agent->settings.site),
                  SAY("agent.yaml keeps the former host keys of the hub"),
                  KV("reason", fault.text));
    else if (saved == 1)
        log_pins(agent, pins);
    if (say_the_same(pins, &agent->settings.host_keys))
        return;
    struct text_list former = agent->settings.host_keys;
    agent->settings.host_keys = *pins;
    *pins = former;
}

void pins_take(struct agent *agent, const json_t *host_keys)
{
    struct fault fault = {0};
    struct text_list pins = {0};
    if (host_keys == NULL)
        return;
    if (pins_read(host_keys, &pins, &fault) == 0 &&
        count_common(&pins, &agent->settings.host_keys) == 0)
        fault_set(&fault, "none of them is pinned");
    if (fault.text[0] == '\0')
        keep(agent, &pins);
    else
        log_warning(KV("site", agent->settings.site), SAY("the hub's list of host keys is ignored"),
                    KV("reason", fault.text));
    pins_release(&pins);
}
