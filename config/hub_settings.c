/*
 * tunneld's settings: the table, and the few checks that concern two of them at once.
 */
#define _GNU_SOURCE
#include "config/hub_settings.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

#define SECOND 1000u
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

static const char *const log_levels[] = {"error", "warning", "info", "debug", "trace", NULL};
static const char *const log_formats[] = {"text", "json", NULL};

#define AT(field) offsetof(struct hub_settings, field)

static const struct setting schema[] = {
    {"listen", SETTING_LISTEN_LIST, AT(listen), "[\"[::]:2222\"]",
     "Where SSH sessions are accepted: addresses and ports; port 0 takes a free one", 1, 64, NULL,
     true},
    {"public_addresses", SETTING_HUB_LIST, AT(public_addresses), "[]",
     "What keyfiles tell the sites to dial: HOST:PORT", 0, 64, NULL, true},
    {"state_dir", SETTING_TEXT, AT(state_dir), "\"\"",
     "Directory of the database and the keys; empty: where the system keeps such", 0, 0, NULL},
    {"control_socket", SETTING_TEXT, AT(control_socket), "\"\"",
     "Path of the control socket; empty: where tunnelctl looks first", 0, 0, NULL},
    {"control_group", SETTING_TEXT, AT(control_group), "\"\"",
     "Group that may use the control socket beside its owner; empty: none", 0, 0, NULL, true},
    {"workers", SETTING_NUMBER, AT(workers), "0", "Worker processes; 0: one for each core", 0, 256,
     NULL},
    {"user", SETTING_TEXT, AT(user), "_tunneld",
     "User that the workers become when the hub was started as root", 0, 0, NULL},
    {"forward_address", SETTING_ADDRESS, AT(forward_address), "127.0.0.1",
     "Address of grants that were given without one", 0, 0, NULL, true},
    {"log_level", SETTING_CHOICE, AT(log_level), "info", "error, warning, info, debug or trace", 0,
     0, log_levels, true},
    {"log_format", SETTING_CHOICE, AT(log_format), "text", "text or json", 0, 0, log_formats, true},
    {"keepalive", SETTING_DURATION, AT(keepalive_ms), "30s",
     "A session that was silent for this long is probed", SECOND, HOUR, NULL, true},
    {"dead_peer", SETTING_DURATION, AT(dead_peer_ms), "75s",
     "A session that was silent for this long is ended; longer than keepalive", 2 * SECOND,
     4 * HOUR, NULL, true},
    {"login_grace", SETTING_DURATION, AT(login_grace_ms), "20s",
     "Time from connecting to being logged in", SECOND, 10 * MINUTE, NULL, true},
    {"login_tries", SETTING_NUMBER, AT(login_tries), "6",
     "Authentication requests that one connection may make", 1, 100, NULL, true},
    {"login_failures", SETTING_NUMBER, AT(login_failures), "60",
     "Failed logins that an address may have at once; then one each login_penalty", 1, 100000, NULL,
     true},
    {"login_penalty", SETTING_DURATION, AT(login_penalty_ms), "1s",
     "How long a failed login counts against its address, unless sites log in from there; 0s: "
     "never",
     0, HOUR, NULL, true},
    {"legacy_mac", SETTING_BOOL, AT(legacy_mac), "true",
     "Offer hmac-sha2-256, last, to clients that have no better (libssh2 1.10, Dropbear)", 0, 0,
     NULL, true},
    {"max_logins", SETTING_NUMBER, AT(max_logins), "1024",
     "Connections at once that are not logged in yet", 1, 65536, NULL, true},
    {"max_sessions", SETTING_NUMBER, AT(max_sessions), "20000", "Sessions at once", 1, 1000000,
     NULL, true},
    {"max_connections", SETTING_NUMBER, AT(max_connections), "65536",
     "Connections of visitors at once", 1, 1000000, NULL, true},
    {"max_waiting", SETTING_NUMBER, AT(max_waiting), "64",
     "Visitors that may wait for one forward while its site is away", 0, 65536, NULL, true},
    {"hold", SETTING_DURATION, AT(hold_ms), "30s",
     "How long a listening port is kept, and visitors wait, while the site is away", 0, HOUR, NULL,
     true},
    {"metrics_listen", SETTING_LISTEN_LIST, AT(metrics_listen), "[]",
     "Where Prometheus may scrape: addresses and ports; empty: nowhere", 0, 16, NULL},
    {"target_check", SETTING_DURATION, AT(target_check_ms), "0",
     "Each target is tried through its tunnel once in this time; 0: never, else from 1s", 0,
     24 * HOUR, NULL, true},
};
#define SCHEMA_COUNT (sizeof schema / sizeof schema[0])

/* 0 is off; what lies between would be a flood. */
static int check_target_check(const struct hub_settings *settings, const struct yaml_node *map,
                              const char *where, struct fault *fault)
{
    if (settings->target_check_ms == 0 || settings->target_check_ms >= SECOND)
        return 0;
    return schema_fault(where, yaml_get(map, "target_check"), fault,
                        "'target_check' must be 0 or at least 1s");
}

/* What no single setting can be blamed for. */
static int check_together(const struct hub_settings *settings, const struct yaml_node *map,
                          const char *where, struct fault *fault)
{
    if (settings->dead_peer_ms > settings->keepalive_ms)
        return 0;
    char dead_peer[32];
    char keepalive[32];
    text_format_duration_ms(settings->dead_peer_ms, dead_peer, sizeof dead_peer);
    text_format_duration_ms(settings->keepalive_ms, keepalive, sizeof keepalive);
    const struct yaml_node *node = yaml_get(map, "dead_peer");
    if (node == NULL)
        node = yaml_get(map, "keepalive");
    return schema_fault(where, node != NULL ? node : map, fault,
                        "'dead_peer' (%s) must be longer than 'keepalive' (%s)", dead_peer,
                        keepalive);
}

static int read_map(const struct yaml_node *map, const char *where, struct hub_settings *out,
                    struct fault *fault)
{
    struct hub_settings settings = {.workers = 0};
    if (schema_read(schema, SCHEMA_COUNT, map, where, &settings, fault) != 0)
        return -1;
    if (map != NULL && (check_together(&settings, map, where, fault) != 0 ||
                        check_target_check(&settings, map, where, fault) != 0)) {
        hub_settings_release(&settings);
        return -1;
    }
    *out = settings;
    return 0;
}

int hub_settings_parse(const char *text, size_t length, const char *where, struct hub_settings *out,
                       struct fault *fault)
{
    struct yaml_node *map;
    if (yaml_parse(text, length, where, &map, fault) != 0)
        return -1;
    int result = read_map(map, where, out, fault);
    yaml_tree_free(map);
    return result;
}

int hub_settings_load(const char *path, struct hub_settings *out, struct fault *fault)
{
    if (path == NULL)
        return read_map(NULL, "defaults", out, fault);
    char *text;
    size_t length;
    if (file_read(path, SETTINGS_FILE_MAX, &text, &length, fault) != 0)
        return -1;
    int result = hub_settings_parse(text, length, path, out, fault);
    free(text);
    return result;
}

void hub_settings_release(struct hub_settings *settings)
{
    schema_release(schema, SCHEMA_COUNT, settings);
}

void hub_settings_dump(const struct hub_settings *settings, FILE *out)
{
    schema_dump(schema, SCHEMA_COUNT, settings, out);
}

int hub_settings_compare(const struct hub_settings *running, const struct hub_settings *fresh,
                         hub_setting_differs *differs, void *owner, struct fault *fault)
{
    for (size_t i = 0; i < SCHEMA_COUNT; i++) {
        char *from = schema_value_text(&schema[i], running);
        char *to = schema_value_text(&schema[i], fresh);
        bool known = from != NULL && to != NULL;
        if (known && strcmp(from, to) != 0)
            differs(owner, schema[i].name, schema[i].live, from, to);
        free(from);
        free(to);
        if (!known)
            return fault_set(fault, "out of memory");
    }
    return 0;
}

void hub_settings_adopt_live(struct hub_settings *running, struct hub_settings *fresh)
{
    for (size_t i = 0; i < SCHEMA_COUNT; i++) {
        if (schema[i].live)
            schema_swap(&schema[i], running, fresh);
    }
}

int default_state_dir(const char *name, char *path, size_t size, struct fault *fault)
{
    if (geteuid() == 0)
        return file_join("/var/lib", name, path, size, fault);
    const char *state = getenv("XDG_STATE_HOME");
    /* The XDG base directory specification: a relative path is to be ignored. */
    if (state != NULL && state[0] == '/')
        return file_join(state, name, path, size, fault);
    const char *home = getenv("HOME");
    if (home == NULL || home[0] != '/')
        return fault_set(fault,
                         "there is no $HOME to keep the state of %s in; name a directory "
                         "for it",
                         name);
    char below[64];
    if (snprintf(below, sizeof below, ".local/state/%s", name) >= (int)sizeof below)
        return fault_set(fault, "the name '%s' is too long for a state directory", name);
    return file_join(home, below, path, size, fault);
}
