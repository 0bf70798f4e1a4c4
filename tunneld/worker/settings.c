/* The worker's settings: a table of keys.  The parent has judged the values already. */
#define _GNU_SOURCE
#include "worker/settings.h"

#include <jansson.h>
#include <string.h>

#include "base/text.h"

static const struct {
    const char *key;
    size_t offset;
} numbers[] = {
    {"keepalive_ms", offsetof(struct settings, keepalive_ms)},
    {"dead_peer_ms", offsetof(struct settings, dead_peer_ms)},
    {"login_grace_ms", offsetof(struct settings, login_grace_ms)},
    {"login_tries", offsetof(struct settings, login_tries)},
};

void settings_init(struct settings *settings)
{
    *settings = (struct settings){
        .log_level = LOG_INFO,
        .log_format = LOG_TEXT,
        .keepalive_ms = 30000,
        .dead_peer_ms = 75000,
        .login_grace_ms = 30000,
        .login_tries = 6,
        .legacy_mac = true,
    };
}

static int read_number(struct settings *settings, const json_t *value, const char *key,
                       size_t offset, struct fault *fault)
{
    uint64_t number;

    if (!json_is_integer(value) || json_integer_value(value) <= 0)
        return fault_set(fault, "%s is no positive number", key);
    number = (uint64_t)json_integer_value(value);
    memcpy((char *)settings + offset, &number, sizeof number);
    return 0;
}

static int read_log(struct settings *settings, const char *key, const json_t *value,
                    struct fault *fault)
{
    const char *name = json_string_value(value);

    if (name && strcmp(key, "log_level") == 0 && log_level_parse(name, &settings->log_level))
        return 0;
    if (name && strcmp(key, "log_format") == 0 && log_format_parse(name, &settings->log_format))
        return 0;
    return fault_set(fault, "%s is not known", key);
}

static int read_value(struct settings *settings, const char *key, const json_t *value,
                      struct fault *fault)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(key, numbers[i].key) == 0)
            return read_number(settings, value, key, numbers[i].offset, fault);
    }
    if (strcmp(key, "legacy_mac") == 0) {
        settings->legacy_mac = json_is_true(value);
        return json_is_boolean(value) ? 0
                                      : fault_set(fault, "legacy_mac is neither true nor false");
    }
    if (strcmp(key, "user") != 0)
        return read_log(settings, key, value, fault);
    if (json_is_string(value) &&
        text_copy(settings->user, sizeof settings->user, json_string_value(value)))
        return 0;
    return fault_set(fault, "user is no user's name");
}

int settings_read(struct settings *settings, const void *json, size_t length, struct fault *fault)
{
    json_error_t error;
    const char *key;
    json_t *value, *object = json_loadb(json, length, JSON_REJECT_DUPLICATES, &error);
    struct settings changed = *settings;
    int code = 0;

    if (!json_is_object(object)) {
        json_decref(object);
        return fault_set(fault, "settings are no JSON object");
    }
    json_object_foreach(object, key, value)
    {
        if (code == 0)
            code = read_value(&changed, key, value, fault);
    }
    json_decref(object);
    if (code == 0)
        *settings = changed;
    return code;
}
