/* Control verbs about the hub itself. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "parent/dialer.h"
#include "parent/doors.h"
#include "parent/hub_health.h"
#include "parent/metrics.h"
#include "parent/reload.h"
#include "parent/rows.h"
#include "parent/scrape.h"
#include "parent/sites.h"
#include "parent/tcp_listener.h"
#include "parent/tracing.h"
#include "parent/verbs.h"
#include "parent/workers.h"

#define EVENTS_MAX    1000
#define DEFAULT_LEVEL "default"

void verb_version(struct hub *hub, struct control_request *request, const json_t *args)
{
    (void)hub;
    (void)args;
    control_reply(request, json_pack("{s:s, s:s, s:s, s:s}", "version", TUNNEL_VERSION, "libssh",
                                     TUNNEL_LIBSSH_VERSION, "sqlite", store_library_version(),
                                     "libuv", uv_version_string()));
}

static json_t *list_doors(const struct hub *hub)
{
    json_t *list = json_array();
    for (size_t i = 0; i < hub->door_count; i++)
        (void)json_array_append_new(list, json_string(tcp_listener_text(hub->doors[i].listener)));
    return list;
}

static json_t *list_public_addresses(const struct hub *hub)
{
    json_t *list = json_array();
    for (size_t i = 0; i < hub->settings.public_addresses.count; i++) {
        const struct host_port *address = &hub->settings.public_addresses.items[i];
        char text[HOST_PORT_SIZE];
        host_port_format(address->host, address->port, text);
        (void)json_array_append_new(list, json_string(text));
    }
    return list;
}

static json_t *list_workers(const struct hub *hub)
{
    json_t *list = json_array();
    for (size_t i = 0; i < hub->worker_count; i++) {
        const struct worker *worker = &hub->workers[i];
        const char *confinement =
            worker->state == WORKER_READY ? worker->confinement : worker_state_name(worker->state);
        (void)json_array_append_new(
            list, json_pack("{s:i, s:o, s:I, s:I, s:s}", "number", (int)worker->number, "pid",
                            worker->running ? json_integer(worker->process.pid) : json_null(),
                            "sessions", (json_int_t)worker->session_count, "connections",
                            (json_int_t)worker->connection_count, "confinement", confinement));
    }
    return list;
}

static json_t *identity(const struct hub *hub)
{
    char current[FINGERPRINT_SIZE], standby[FINGERPRINT_SIZE];
    public_key_fingerprint(&hub->keys.keys[HOST_KEY_CURRENT], current);
    public_key_fingerprint(&hub->keys.keys[HOST_KEY_STANDBY], standby);
    return json_pack("{s:s, s:i, s:o, s:I, s:s, s:s, s:o, s:o, s:s, s:s, s:o, s:o}", "version",
                     TUNNEL_VERSION, "pid", (int)getpid(), "started", json_time(hub->started_s),
                     "uptime_s", (json_int_t)((clock_monotonic_ms() - hub->started_ms) / 1000),
                     "state_dir", hub->state_dir, "control_socket", hub->control_path, "listen",
                     list_doors(hub), "public_addresses", list_public_addresses(hub), "host_key",
                     current, "standby_key", standby, "workers", list_workers(hub), "dialer",
                     dialer_row(hub));
}

void verb_status(struct hub *hub, struct control_request *request, const json_t *args)
{
    (void)args;
    json_t *data = identity(hub);
    json_t *counts = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "sites", (json_int_t)hub->site_count,
        "sites_online", (json_int_t)hub->sites_online, "sessions", (json_int_t)hub->session_count,
        "logins", (json_int_t)hub->login_count, "forwards", (json_int_t)hub->published_count,
        "connections", (json_int_t)hub->connections.count, "waiting",
        (json_int_t)hub->waiting_count, "refused_logins", (json_int_t)hub->refused_logins,
        "log_level", log_level_name(log_get_level()));
    (void)json_object_set_new(counts, "confinement", json_string(hub->confinement));
    (void)json_object_set_new(counts, "site_log_levels", tracing_list(hub));
    (void)json_object_set_new(counts, "processes", hub_health_processes(hub));
    (void)json_object_set_new(counts, "warnings", hub_health_warnings(hub));
    (void)json_object_set_new(counts, "metrics_listen", scrape_addresses(hub));
    if (data && counts)
        (void)json_object_update(data, counts);
    json_decref(counts);
    control_reply(request, data);
}

void verb_metrics(struct hub *hub, struct control_request *request, const json_t *args)
{
    size_t length = 0;
    (void)args;
    char *text = metrics_text(hub, &length);
    if (text)
        control_reply(request, json_pack("{s:s%}", "text", text, length));
    else
        control_refuse(request, "the hub is out of memory");
    free(text);
}

static void set_hub_level(struct hub *hub, enum log_level level)
{
    log_set_level(level);
    hub->settings.log_level = (int)level; /* so that a reload finds what the file changes */
    workers_tell_settings(hub);
    dialer_tell_settings(hub);
}

/* A level's name, or for a site `default` as LOG_DEFAULT. */
static int read_level(const char *name, bool for_site, int *level, struct fault *fault)
{
    enum log_level named;
    bool is_default = strcmp(name, DEFAULT_LEVEL) == 0;
    if (is_default && !for_site)
        return fault_set(fault, "'" DEFAULT_LEVEL "' sets back the level of one site: name it "
                                "with --site");
    if (!is_default && !log_level_parse(name, &named))
        return fault_set(fault, "'%.64s' is no log level: error, warning, info, debug or trace",
                         name);
    *level = is_default ? LOG_DEFAULT : (int)named;
    return 0;
}

void verb_log_level(struct hub *hub, struct control_request *request, const json_t *args)
{
    int level = LOG_DEFAULT;
    struct fault fault = {""};
    const char *name = arg_text(args, "level"), *site_name = arg_text(args, "site");
    struct site *site = site_name[0] != '\0' ? arg_site(hub, request, args, "site") : NULL;
    if (site_name[0] != '\0' && !site)
        return;
    if (read_level(name, site != NULL, &level, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    if (site)
        tracing_set(site, level);
    else
        set_hub_level(hub, (enum log_level)level);
    verb_done(hub, request, site ? site->row.name : NULL, "%s", name);
    control_reply(request, json_pack("{s:s, s:o}", "level", name, "site", json_words(site_name)));
}

void verb_reload(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    json_t *report = NULL;
    (void)args;
    if (reload(hub, control_request_actor(request), &report, &fault) == 0)
        control_reply(request, report);
    else
        control_refuse(request, "%s", fault.text);
}

void verb_host_key_show(struct hub *hub, struct control_request *request, const json_t *args)
{
    static const char *const kinds[HOST_KEY_KINDS] = {"current", "standby"};
    (void)args;
    json_t *list = json_array();
    for (int kind = 0; kind < HOST_KEY_KINDS; kind++) {
        char fingerprint[FINGERPRINT_SIZE], line[PUBLIC_KEY_LINE_SIZE];
        public_key_fingerprint(&hub->keys.keys[kind], fingerprint);
        public_key_line(&hub->keys.keys[kind], line);
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "kind", kinds[kind],
                                                    "fingerprint", fingerprint, "line", line));
    }
    control_reply(request, list);
}

void verb_host_key_rotate(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    char current[FINGERPRINT_SIZE], standby[FINGERPRINT_SIZE];
    struct site *site;
    (void)args;
    if (host_keys_rotate(hub->state_dir, &hub->keys, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    CRASH_POINT("parent.host_key_rotated");
    workers_tell_host_key(hub);
    TAILQ_FOREACH(site, &hub->sites, entry)
    site_forwards_changed(site);
    public_key_fingerprint(&hub->keys.keys[HOST_KEY_CURRENT], current);
    public_key_fingerprint(&hub->keys.keys[HOST_KEY_STANDBY], standby);
    verb_done(hub, request, NULL, "host key %s, standby %s", current, standby);
    control_reply(request, json_pack("{s:s, s:s}", "host_key", current, "standby_key", standby));
}

static void on_audit(void *owner, const struct audit_row *row)
{
    (void)json_array_append_new(owner, event_json(row));
}

void verb_events(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    int64_t since_s = arg_number(args, "since_s"), since = 0;
    if (since_s < 0) {
        control_refuse(request, "since_s must not be negative");
        return;
    }
    if (since_s > 0)
        since = clock_wall_s() - since_s;
    events_flush(hub);
    json_t *list = json_array();
    if (store_audit(hub->store, since, EVENTS_MAX, on_audit, list, &fault) != 0) {
        json_decref(list);
        control_refuse(request, "%s", fault.text);
        return;
    }
    if (arg_flag(args, "follow"))
        control_follow(request, list);
    else
        control_reply(request, list);
}
