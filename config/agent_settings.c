/*
 * The agent's settings, and which targets it may dial.  Host keys are lines of text here; whether
 * they are keys is for `keys` to say.
 */
#define _GNU_SOURCE
#include "config/agent_settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"

#define AGENT_FILE_MAX (1u << 20)
#define SECOND         1000u
#define MINUTE         (60 * SECOND)
#define HOUR           (60ull * MINUTE)

static const char *const log_levels[] = {"error", "warning", "info", "debug", "trace", NULL};
static const char *const log_formats[] = {"text", "json", NULL};

#define AT(field) offsetof(struct agent_settings, field)

#define FILE_VERSION 1

static const struct setting schema[] = {
    {"version", SETTING_NUMBER, AT(version), "1", "Form of this file", 1, FILE_VERSION, NULL},
    {"site", SETTING_TEXT, AT(site), NULL, "This site's name at the hub", 0, 0, NULL},
    {"hub", SETTING_HUB_LIST, AT(hubs), NULL, "Where the hub is: HOST:PORT, tried in turn", 1, 64,
     NULL},
    {"host_keys", SETTING_TEXT_LIST, AT(host_keys), NULL,
     "The hub's host keys; any other is refused", 1, 64, NULL},
    {"allow_targets", SETTING_TEXT_LIST, AT(allow_targets), "[]",
     "What may be dialled at this site: HOST:PORT; * is any host or any port", 0, 4096, NULL},
    {"allow_listen", SETTING_TEXT_LIST, AT(allow_listen), "['127.0.0.1:*', '[::1]:*']",
     "Where outbound grants may listen at this site: ADDRESS:PORT; * is any address or any port", 0,
     4096, NULL},
    {"log_level", SETTING_CHOICE, AT(log_level), "info", "error, warning, info, debug or trace", 0,
     0, log_levels},
    {"log_format", SETTING_CHOICE, AT(log_format), "text", "text or json", 0, 0, log_formats},
    {"proxy", SETTING_TEXT, AT(proxy), "''",
     "On the way to the hub: http://[USER:PASSWORD@]HOST:PORT, socks5://..., none; empty: as the "
     "environment says",
     0, 0, NULL},
    {"keepalive", SETTING_DURATION, AT(keepalive_ms), "30s",
     "A hub that was silent for this long is probed", SECOND, HOUR, NULL},
    {"dead_peer", SETTING_DURATION, AT(dead_peer_ms), "75s",
     "A hub that was silent for this long is dialled anew; longer than keepalive", 2 * SECOND,
     4 * HOUR, NULL},
    {"connect_timeout", SETTING_DURATION, AT(connect_timeout_ms), "10s",
     "Longest wait for one address of the hub", SECOND, 10 * MINUTE, NULL},
    {"target_timeout", SETTING_DURATION, AT(target_timeout_ms), "10s", "Longest wait for a target",
     100, 10 * MINUTE, NULL},
    {"max_connections", SETTING_NUMBER, AT(max_connections), "8192",
     "Connections to targets at once", 1, 1000000, NULL},
    {"key_max_age", SETTING_DURATION, AT(key_max_age_ms), "0",
     "The site's key is replaced when it is older than this; 0: never, at least 1h", 0,
     3650 * 24 * HOUR, NULL},
};
#define SCHEMA_COUNT (sizeof schema / sizeof schema[0])

/* One entry of allow_targets or allow_listen, taken apart. */
struct pattern {
    bool any_host, any_port;
    struct host_port target;
};

static int parse_pattern(const char *text, struct pattern *out, struct fault *fault)
{
    struct pattern pattern = {.any_host = strncmp(text, "*:", 2) == 0};
    const char *rest = pattern.any_host ? text + 1 : text;
    size_t rest_length = strlen(rest);
    pattern.any_port = rest_length >= 2 && strcmp(rest + rest_length - 2, ":*") == 0;
    if (pattern.any_port)
        rest_length--;
    /* With a word for each star, it is checked as any other host and port is. */
    char plain[HOST_PORT_SIZE];
    int length = rest_length < sizeof plain
                     ? snprintf(plain, sizeof plain, "%s%.*s%s", pattern.any_host ? "any" : "",
                                (int)rest_length, rest, pattern.any_port ? "1" : "")
                     : -1;
    if (length < 0 || (size_t)length >= sizeof plain ||
        host_port_parse(plain, false, &pattern.target, fault) != 0)
        return fault_set(fault, "'%.300s' is not HOST:PORT (either may be *; IPv6 in brackets)",
                         text);
    *out = pattern;
    return 0;
}

int allow_target_check(const char *text, struct fault *fault)
{
    struct pattern pattern;
    return parse_pattern(text, &pattern, fault);
}

static int listen_pattern_check(const char *text, struct fault *fault)
{
    struct pattern pattern = {.any_host = false};
    if (parse_pattern(text, &pattern, NULL) == 0 &&
        (pattern.any_host || address_is_literal(pattern.target.host)))
        return 0;
    return fault_set(fault, "'%.300s' is not ADDRESS:PORT (either may be *; IPv6 in brackets)",
                     text);
}

static bool matches(const struct text_list *patterns, const struct host_port *target)
{
    for (size_t i = 0; i < patterns->count; i++) {
        struct pattern pattern = {.any_host = false};
        if (parse_pattern(patterns->items[i], &pattern, NULL) != 0)
            continue;
        bool host = pattern.any_host || host_same(pattern.target.host, target->host);
        bool port = pattern.any_port || pattern.target.port == target->port;
        if (host && port)
            return true;
    }
    return false;
}

bool agent_target_allowed(const struct text_list *allow_targets, const struct host_port *target)
{
    return matches(allow_targets, target);
}

bool agent_listen_allowed(const struct text_list *allow_listen, const struct host_port *listen)
{
    return matches(allow_listen, listen);
}

static int check(const struct agent_settings *settings, const struct yaml_node *map,
                 const char *where, struct fault *fault)
{
    struct fault why = {""};
    if (name_check(settings->site, &why) != 0)
        return schema_fault(where, yaml_get(map, "site"), fault, "'site': %s", why.text);
    for (size_t i = 0; i < settings->allow_targets.count; i++)
        if (allow_target_check(settings->allow_targets.items[i], &why) != 0)
            return schema_fault(where, yaml_get(map, "allow_targets")->entries[i], fault,
                                "'allow_targets': %s", why.text);
    for (size_t i = 0; i < settings->allow_listen.count; i++)
        if (listen_pattern_check(settings->allow_listen.items[i], &why) != 0)
            return schema_fault(where, yaml_get(map, "allow_listen")->entries[i], fault,
                                "'allow_listen': %s", why.text);
    if (settings->dead_peer_ms <= settings->keepalive_ms)
        return schema_fault(where, map, fault, "'dead_peer' must be longer than 'keepalive'");
    if (settings->key_max_age_ms > 0 && settings->key_max_age_ms < HOUR)
        return schema_fault(where, yaml_get(map, "key_max_age"), fault,
                            "'key_max_age' must be 0 or at least 1h");
    return 0;
}

/* Before anything else: a newer form may hold settings that are unknown here. */
static int check_version(const struct yaml_node *map, const char *where, struct fault *fault)
{
    const struct yaml_node *node = yaml_get(map, "version");
    uint64_t version = 0;
    if (node == NULL || node->kind != YAML_SCALAR ||
        !text_parse_number(node->text, 0, UINT32_MAX, &version) || version <= FILE_VERSION)
        return 0;
    return schema_fault(where, node, fault,
                        "written by a newer tunnel-agent (version %llu of the file, this one knows "
                        "%d): update tunnel-agent",
                        (unsigned long long)version, FILE_VERSION);
}

int agent_settings_parse(const char *text, size_t length, const char *where,
                         struct agent_settings *out, struct fault *fault)
{
    struct agent_settings settings = {.site = NULL};
    struct yaml_node *map;
    if (yaml_parse(text, length, where, &map, fault) != 0)
        return -1;
    int result = check_version(map, where, fault);
    if (result == 0)
        result = schema_read(schema, SCHEMA_COUNT, map, where, &settings, fault);
    if (result == 0)
        result = check(&settings, map, where, fault);
    yaml_tree_free(map);
    if (result != 0) {
        agent_settings_release(&settings);
        return -1;
    }
    *out = settings;
    return 0;
}

int agent_settings_load(const char *path, struct agent_settings *out, struct fault *fault)
{
    char *text;
    size_t length;
    if (file_read(path, AGENT_FILE_MAX, &text, &length, fault) != 0)
        return -1;
    int result = agent_settings_parse(text, length, path, out, fault);
    free(text);
    return result;
}

int agent_settings_save(const char *path, const struct agent_settings *settings,
                        struct fault *fault)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL)
        return fault_set(fault, "cannot write %s: out of memory", path);
    fputs("# Settings of tunnel-agent: see agent.yaml(5).\n", out);
    schema_dump(schema, SCHEMA_COUNT, settings, out);
    int result = fclose(out) == 0 ? file_write(path, text, length, 0600, fault)
                                  : fault_set(fault, "cannot write %s: out of memory", path);
    free(text);
    return result;
}

void agent_settings_release(struct agent_settings *settings)
{
    schema_release(schema, SCHEMA_COUNT, settings);
}
