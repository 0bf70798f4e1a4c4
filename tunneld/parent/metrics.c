/*
 * Which figures are metrics, under which names.  A family's samples stand together, as the format
 * wants it, so that the sites are walked once for each.
 */
#define _GNU_SOURCE
#include "parent/metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "parent/exposition.h"
#include "parent/forwards.h"
#include "parent/hub_health.h"
#include "parent/sessions.h"
#include "parent/sites.h"
#include "parent/workers.h"

/* --- the hub --- */

static double workers_ready(const struct hub *hub)
{
    double ready = 0;
    for (size_t i = 0; i < hub->worker_count; i++)
        ready += hub->workers[i].state == WORKER_READY;
    return ready;
}

static void expose_hub(const struct hub *hub, FILE *out)
{
    const struct hub_settings *settings = &hub->settings;
    const struct {
        const char *name, *type, *help;
        double value;
    } figures[] = {
        {"tunneld_start_time_seconds", "gauge", "When the hub was started, in Unix time.",
         (double)hub->started_s},
        {"tunneld_workers", "gauge", "Worker processes that there should be.",
         (double)hub->worker_count},
        {"tunneld_workers_ready", "gauge", "Worker processes that serve.", workers_ready(hub)},
        {"tunneld_sites", "gauge", "Sites known.", (double)hub->site_count},
        {"tunneld_sites_online", "gauge", "Sites with a session.", (double)hub->sites_online},
        {"tunneld_sessions", "gauge", "Authenticated sessions.", (double)hub->session_count},
        {"tunneld_sessions_limit", "gauge", "Setting max_sessions.",
         (double)settings->max_sessions},
        {"tunneld_logins", "gauge", "Connections that are not logged in yet.",
         (double)hub->login_count},
        {"tunneld_logins_limit", "gauge", "Setting max_logins.", (double)settings->max_logins},
        {"tunneld_logins_refused_total", "counter", "Connections that ended without a login.",
         (double)hub->refused_logins},
        {"tunneld_forwards_published", "gauge", "Forwards that a session publishes.",
         (double)hub->published_count},
        {"tunneld_connections", "gauge", "Connections of visitors, operators and outbound grants.",
         (double)hub->connections.count},
        {"tunneld_connections_limit", "gauge", "Setting max_connections.",
         (double)settings->max_connections},
        {"tunneld_waiting_visitors", "gauge", "Visitors that wait for a site to come back.",
         (double)hub->waiting_count},
        {"tunneld_events_dropped_total", "counter", "Events that could not be kept.",
         (double)hub->events.dropped},
        {"tunneld_target_checks_running", "gauge", "Checks of targets under way.",
         (double)hub->target_checks.running.count},
        {"tunneld_target_checks_total", "counter", "Checks of targets that gave a verdict.",
         (double)hub->target_checks.judged_total},
    };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        exposition_family(out, figures[i].name, figures[i].type, figures[i].help);
        exposition_sample(out, figures[i].name, NULL, figures[i].value);
    }
}

static void expose_build(FILE *out)
{
    static const char name[] = "tunneld_build_info";
    const struct exposition_label labels[] = {
        {"version", TUNNEL_VERSION},
        {"libssh", TUNNEL_LIBSSH_VERSION},
        {"sqlite", store_library_version()},
        {"libuv", uv_version_string()},
        {NULL},
    };
    exposition_family(out, name, "gauge", "Versions of the hub and of what it is built with.");
    exposition_sample(out, name, labels, 1);
}

static double worker_sessions(const struct worker *worker)
{
    return (double)worker->session_count;
}

static double worker_connections(const struct worker *worker)
{
    return (double)worker->connection_count;
}

static void expose_workers(const struct hub *hub, const char *name, const char *help,
                           double (*value)(const struct worker *worker), FILE *out)
{
    exposition_family(out, name, "gauge", help);
    for (size_t i = 0; i < hub->worker_count; i++) {
        char number[16];
        (void)snprintf(number, sizeof number, "%u", hub->workers[i].number);
        const struct exposition_label labels[] = {{"worker", number}, {NULL}};
        exposition_sample(out, name, labels, value(&hub->workers[i]));
    }
}

/* --- sites --- */

/* Each false when it is not known. */
static bool site_up(const struct site *site, double *value)
{
    *value = site->serving_count > 0;
    return true;
}

static bool site_last_seen(const struct site *site, double *value)
{
    *value = (double)(site->serving_count > 0 ? clock_wall_s() : site->row.last_seen_s);
    return *value > 0;
}

static bool site_round_trip(const struct site *site, double *value)
{
    const struct session *session = site_main_session(site);
    if (!session || session->rtt_us == 0)
        return false;
    *value = (double)session->rtt_us / 1e6;
    return true;
}

static bool site_reconnects(const struct site *site, double *value)
{
    *value = (double)site->row.reconnects;
    return true;
}

static bool site_takeovers(const struct site *site, double *value)
{
    *value = (double)site->figures.takeovers;
    return true;
}

static bool site_open_connections(const struct site *site, double *value)
{
    *value = 0;
    for (size_t i = 0; i < site->forward_count; i++)
        *value += (double)site->forwards[i]->connection_count;
    return true;
}

static bool site_connections(const struct site *site, double *value)
{
    *value = (double)site->figures.connections;
    return true;
}

static bool site_errors(const struct site *site, double *value)
{
    *value = (double)site->figures.errors;
    return true;
}

static bool site_requests_refused(const struct site *site, double *value)
{
    *value = (double)site->refusals.count;
    return true;
}

static const struct site_metric {
    const char *name, *type, *help;
    bool (*value)(const struct site *site, double *value);
} site_metrics[] = {
    {"tunneld_site_up", "gauge", "Is the site online?", site_up},
    {"tunneld_site_last_seen_timestamp_seconds", "gauge",
     "When the site was online last, in Unix time; absent when never.", site_last_seen},
    {"tunneld_site_round_trip_seconds", "gauge",
     "Round trip to the site over SSH, as last measured.", site_round_trip},
    {"tunneld_site_reconnects_total", "counter", "Times that the site came back.", site_reconnects},
    {"tunneld_site_takeovers_total", "counter",
     "Times that a new session took the place of one that had gone silent.", site_takeovers},
    {"tunneld_site_open_connections", "gauge", "Connections through the site's forwards.",
     site_open_connections},
    {"tunneld_site_connections_total", "counter", "Connections that the site's targets answered.",
     site_connections},
    {"tunneld_site_connection_errors_total", "counter", "Connections that failed.", site_errors},
    {"tunneld_site_requests_refused_total", "counter",
     "Requests of the site itself that were refused.", site_requests_refused},
};

static void expose_site_metric(const struct hub *hub, const struct site_metric *metric, FILE *out)
{
    const struct site *site;
    exposition_family(out, metric->name, metric->type, metric->help);
    TAILQ_FOREACH(site, &hub->sites, entry)
    {
        const struct exposition_label labels[] = {{"site", site->row.name}, {NULL}};
        double value;
        if (metric->value(site, &value))
            exposition_sample(out, metric->name, labels, value);
    }
}

static void expose_bytes(const struct hub *hub, FILE *out)
{
    static const char name[] = "tunneld_site_bytes_total";
    const struct site *site;
    exposition_family(out, name, "counter",
                      "Bytes through the site's forwards; in is from visitors to targets.");
    TAILQ_FOREACH(site, &hub->sites, entry)
    {
        const struct exposition_label in[] = {
            {"site", site->row.name}, {"direction", "in"}, {NULL}};
        const struct exposition_label back[] = {
            {"site", site->row.name}, {"direction", "out"}, {NULL}};
        exposition_sample(out, name, in, (double)site->figures.bytes_in);
        exposition_sample(out, name, back, (double)site->figures.bytes_out);
    }
}

static void expose_refused(const struct hub *hub, FILE *out)
{
    static const char name[] = "tunneld_site_visitors_refused_total";
    const struct site *site;
    exposition_family(out, name, "counter", "Visitors that were refused, by reason.");
    TAILQ_FOREACH(site, &hub->sites, entry)
    {
        for (int i = POLICY_ADMITS + 1; i < POLICY_VERDICT_END; i++) {
            const struct exposition_label labels[] = {
                {"site", site->row.name},
                {"reason", policy_verdict_name((enum policy_verdict)i)},
                {NULL},
            };
            exposition_sample(out, name, labels, (double)site->figures.refused[i]);
        }
    }
}

/* --- forwards --- */

static bool forward_published(const struct forward *forward, double *value)
{
    *value = forward->session != NULL;
    return true;
}

static bool target_up(const struct forward *forward, double *value)
{
    *value = forward->health.state == TARGET_ANSWERS;
    return forward->health.state != TARGET_UNTRIED;
}

static bool target_last_ok(const struct forward *forward, double *value)
{
    *value = (double)forward->health.ok_s;
    return forward->health.ok_s != 0;
}

static const struct forward_metric {
    const char *name, *help;
    bool (*value)(const struct forward *forward, double *value);
} forward_metrics[] = {
    {"tunneld_forward_published", "Does a session publish the forward?", forward_published},
    {"tunneld_target_up", "Did the target answer when it was tried last?", target_up},
    {"tunneld_target_last_success_timestamp_seconds",
     "When the target answered last, in Unix time.", target_last_ok},
};

static void expose_forward_metric(const struct hub *hub, const struct forward_metric *metric,
                                  FILE *out)
{
    const struct site *site;
    exposition_family(out, metric->name, "gauge", metric->help);
    TAILQ_FOREACH(site, &hub->sites, entry)
    {
        for (size_t i = 0; i < site->forward_count; i++) {
            const struct exposition_label labels[] = {
                {"site", site->row.name}, {"listen", site->forwards[i]->listen}, {NULL}};
            double value;
            if (metric->value(site->forwards[i], &value))
                exposition_sample(out, metric->name, labels, value);
        }
    }
}

static void expose_all(struct hub *hub, FILE *out)
{
    expose_build(out);
    expose_hub(hub, out);
    expose_workers(hub, "tunneld_worker_sessions", "Sessions of each worker.", worker_sessions,
                   out);
    expose_workers(hub, "tunneld_worker_connections", "Connections of each worker.",
                   worker_connections, out);
    hub_health_expose(hub, out);
    for (size_t i = 0; i < sizeof site_metrics / sizeof *site_metrics; i++)
        expose_site_metric(hub, &site_metrics[i], out);
    expose_bytes(hub, out);
    expose_refused(hub, out);
    for (size_t i = 0; i < sizeof forward_metrics / sizeof *forward_metrics; i++)
        expose_forward_metric(hub, &forward_metrics[i], out);
}

char *metrics_text(struct hub *hub, size_t *length)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, length);
    if (!out)
        return NULL;
    expose_all(hub, out);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}
