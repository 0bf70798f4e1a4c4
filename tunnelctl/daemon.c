/* The hub itself: status, version, log level, host keys. */
#define _GNU_SOURCE
#include "tunnelctl/cell.h"
#include "tunnelctl/families.h"
#include "tunnelctl/hub.h"
#include "tunnelctl/output.h"
#include "tunnelctl/run.h"
#include "tunnelctl/sentence.h"
#include "tunnelctl/value.h"

static void cell_seconds(const json_t *value, char *text, size_t size)
{
    (void)snprintf(text, size, "%.1f s", json_number_value(value));
}

static void cell_percent(const json_t *value, char *text, size_t size)
{
    (void)snprintf(text, size, "%.0f", json_number_value(value));
}

static const struct column worker_columns[] = {
    {"WORKER", "number", .right = true},     {"PID", "pid", .right = true},
    {"SESSIONS", "sessions", .right = true}, {"CONNECTIONS", "connections", .right = true},
    {"CONFINEMENT", "confinement"},          {NULL},
};
static const struct listing worker_listing = {worker_columns, "no workers"};
static const struct column own_level_columns[] = {
    {"SITE", "site"},
    {"LEVEL", "level"},
    {NULL},
};
static const struct column process_columns[] = {
    {"PROCESS", "process"},
    {"PID", "pid", .right = true},
    {"CPU", "cpu_s", cell_seconds, .right = true},
    {"CPU%", "cpu_percent", cell_percent, .right = true},
    {"RSS", "rss_bytes", cell_bytes, .right = true},
    {"PSS", "pss_bytes", cell_bytes, .right = true},
    {"DESCRIPTORS", "descriptors", .right = true},
    {"LIMIT", "descriptor_limit", .right = true},
    {NULL},
};
static const struct listing process_listing = {process_columns, "no processes"};
static const struct column warning_columns[] = {
    {"SINCE", "since", cell_ago},
    {"WARNING", "detail"},
    {NULL},
};
static const struct listing warning_listing = {warning_columns, "none"};
static const struct listing own_level_listing = {own_level_columns, "none"};
static const struct section status_sections[] = {
    {"warnings", "warnings", &warning_listing},
    {"workers", "workers", &worker_listing},
    {"processes", "processes", &process_listing},
    {"sites with a log level of their own", "site_log_levels", &own_level_listing},
    {NULL},
};

/* {pid, dials, confinement} in one line. */
static void cell_dialer(const json_t *value, char *text, size_t size)
{
    char pid[CELL_SIZE], dials[CELL_SIZE], confinement[CELL_SIZE];
    cell_write(cell_text, json_object_get(value, "pid"), pid);
    cell_write(cell_text, json_object_get(value, "dials"), dials);
    cell_write(cell_text, json_object_get(value, "confinement"), confinement);
    snprintf(text, size, "process %s, dials under way: %s, %s", pid, dials, confinement);
}

static const struct column status_fields[] = {
    {"tunneld", "version"},
    {"process", "pid"},
    {"running for", "uptime_s", cell_age},
    {"state directory", "state_dir"},
    {"control socket", "control_socket"},
    {"listens on", "listen"},
    {"public addresses", "public_addresses"},
    {"metrics at", "metrics_listen"},
    {"host key", "host_key"},
    {"standby key", "standby_key"},
    {"log level", "log_level"},
    {"sites", "sites"},
    {"sites online", "sites_online"},
    {"sessions", "sessions"},
    {"logins under way", "logins"},
    {"refused logins", "refused_logins"},
    {"forwards", "forwards"},
    {"connections", "connections"},
    {"waiting visitors", "waiting"},
    {"confinement", "confinement"},
    {"dialer", "dialer", cell_dialer},
    {NULL},
};

static const struct column version_fields[] = {
    {"tunnelctl", "tunnelctl"}, {"tunneld", "version"}, {"libssh", "libssh"},
    {"SQLite", "sqlite"},       {"libuv", "libuv"},     {NULL},
};

static const struct parameter level_argument[] = {
    {"LEVEL", "level", read_level,
     .help = "error, warning, info, debug or trace; with --site also default: as all others",
     .required = true},
    {NULL},
};
static const struct parameter level_options[] = {
    {"--site", "site", read_site, "SITE", "of all that concerns this site, and nothing else"},
    {NULL},
};

static const struct column change_columns[] = {
    {"SETTING", "setting"},
    {"FROM", "from"},
    {"TO", "to"},
    {NULL},
};
static const struct listing change_listing = {change_columns, "nothing changed"};
static const struct section reload_sections[] = {
    {"not in force before tunneld is restarted", "restart", &change_listing},
    {NULL},
};

static const struct column host_key_columns[] = {
    {"KIND", "kind"},
    {"FINGERPRINT", "fingerprint"},
    {"KEY", "line"},
    {NULL},
};
static const struct listing host_key_listing = {host_key_columns, "no host keys"};

/* Ours beside the hub's: they may have been updated at different times. */
static enum outcome show_version(struct invocation *invocation, struct fault *fault)
{
    json_t *data = NULL;
    enum outcome outcome =
        hub_ask(invocation, invocation->command->verb, invocation->args, &data, fault);
    if (outcome == DONE) {
        if (!invocation->json)
            json_object_set_new(data, "tunnelctl", json_string(TUNNEL_VERSION));
        command_show(invocation, data);
    } else if (!invocation->json) {
        fprintf(invocation->out, "tunnelctl  %s\n", TUNNEL_VERSION);
    }
    json_decref(data);
    return outcome;
}

static enum outcome set_level(struct invocation *invocation, struct fault *fault)
{
    json_t *data = NULL;
    enum outcome outcome =
        hub_ask(invocation, invocation->command->verb, invocation->args, &data, fault);
    if (outcome == DONE && invocation->json) {
        output_json(invocation->out, data);
    } else if (outcome == DONE) {
        bool one = json_is_string(json_object_get(data, "site"));
        sentence_print(invocation->out,
                       one ? "the log level of site '{site}' is {level} now\n"
                           : "the hub's log level is {level} now\n",
                       invocation->typed, data);
    }
    json_decref(data);
    return outcome;
}

/* The text as it is, for a file or a scraper. */
static enum outcome show_metrics(struct invocation *invocation, struct fault *fault)
{
    json_t *data = NULL;
    enum outcome outcome =
        hub_ask(invocation, invocation->command->verb, invocation->args, &data, fault);
    const char *text = json_string_value(json_object_get(data, "text"));
    if (outcome == DONE && invocation->json)
        output_json(invocation->out, data);
    else if (outcome == DONE && text)
        fputs(text, invocation->out);
    json_decref(data);
    return outcome;
}

/* Says so, too, when nothing changed. */
static enum outcome reload(struct invocation *invocation, struct fault *fault)
{
    json_t *data = NULL;
    enum outcome outcome =
        hub_ask(invocation, invocation->command->verb, invocation->args, &data, fault);
    if (outcome == DONE && !invocation->json)
        output_table(invocation->out, &change_listing, json_object_get(data, "changed"));
    if (outcome == DONE)
        command_show(invocation, data);
    json_decref(data);
    return outcome;
}

static const struct command commands[] = {
    {
        .words = "status",
        .help = "Show the hub: addresses, keys, workers and counts",
        .verb = "status",
        .block = status_fields,
        .sections = status_sections,
    },
    {
        .words = "metrics",
        .help = "Print figures of the hub and of each site as Prometheus reads them",
        .verb = "metrics",
        .run = show_metrics,
    },
    {
        .words = "version",
        .help = "Show the versions of this program and of the hub",
        .verb = "version",
        .block = version_fields,
        .run = show_version,
    },
    {
        .words = "reload",
        .help = "Read the hub's settings file anew, and say what changed",
        .verb = "reload",
        .sections = reload_sections,
        .run = reload,
    },
    {
        .words = "log level",
        .help = "Set how much the hub logs, until it is restarted",
        .verb = "log.level",
        .arguments = level_argument,
        .options = level_options,
        .run = set_level,
    },
    {
        .words = "host-key show",
        .help = "Show the host keys that sites know this hub by",
        .verb = "host-key.show",
        .listing = &host_key_listing,
    },
    {
        .words = "host-key rotate",
        .help = "Replace the hub's host key by the standby key, and make a new standby key",
        .verb = "host-key.rotate",
        .question = "Replace host key {host_key} by the standby key {standby_key}, for good?",
        .question_verb = "status",
        .done = "the host key is {host_key} now, the standby key {standby_key}",
    },
    {NULL},
};
const struct family daemon_family = {"hub", commands};
