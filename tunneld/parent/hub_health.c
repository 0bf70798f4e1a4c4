/*
 * Samples the hub's processes and says when something comes near its limit.  Which share of which
 * limit is near, health_rules.c knows; nothing is ended or refused here.
 */
#define _GNU_SOURCE
#include "parent/hub_health.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "parent/dialer.h"
#include "parent/exposition.h"
#include "parent/process_figures.h"
#include "parent/rows.h"
#include "parent/workers.h"

#define SAMPLE_MS 5000
#define FRESH_MS  1000 /* who asks gets figures no older than this */
#define LATELY_MS 60000
#define TRIM_MS   60000
#define NAME_TEXT 32

struct warning {
    bool raised;
    int64_t since_s;
    struct health_measure measure;
};

struct watched {
    char name[NAME_TEXT]; /* "parent", "worker 1", "dialer" */
    int pid;              /* 0: it does not run */
    struct process_figures figures;
    int64_t base_cpu_ms; /* where cpu_percent counts from, at base_ms */
    uint64_t base_ms;
    double cpu_percent; /* lately; negative: not known */
    struct warning warnings[HEALTH_RULES];
};

struct hub_health {
    struct timeout *timeout;
    uint64_t sampled_ms;
    uint64_t trimmed_ms;
    size_t trimmed_sessions;      /* how many there were then */
    uint64_t dropped, dropped_ms; /* events: as last seen, and when it grew */
    struct warning warnings[HEALTH_RULES];
    size_t count; /* the parent, the workers, the dialer */
    struct watched watched[];
};

/* --- warnings --- */

static void judge(struct hub *hub, struct warning *warning, enum health_rule rule,
                  const char *subject, struct health_measure measure)
{
    char text[256];
    enum health_change change = health_judge(rule, warning->raised, &measure);
    if (change == HEALTH_OVER && measure.limit == 0)
        measure = (struct health_measure){.limit = warning->measure.limit};
    warning->measure = measure;
    if (change == HEALTH_SAME)
        return;
    warning->raised = change == HEALTH_RAISED;
    warning->since_s = clock_wall_s();
    health_describe(rule, subject, &measure, text, sizeof text);
    if (!warning->raised)
        text[strcspn(text, ";")] = '\0'; /* no advice when it is over */
    event_say(hub, warning->raised ? "hub.warning" : "hub.recovered", NULL, NULL, NULL, "%s", text);
}

/* Where the kernel does not let us count a worker's descriptors, what we gave it must do. */
static struct health_measure measure_descriptors(const struct process_figures *figures,
                                                 const struct worker *worker)
{
    struct health_measure measure = {0};
    if (figures->descriptor_limit <= 0)
        return measure;
    measure.limit = (uint64_t)figures->descriptor_limit;
    if (figures->descriptors >= 0)
        measure.used = (uint64_t)figures->descriptors;
    else if (worker)
        measure.used = worker->session_count + worker->connection_count + worker->lent_count;
    return measure;
}

static struct health_measure measure_worker_memory(const struct process_figures *figures,
                                                   const struct worker *worker)
{
    if (!worker || figures->rss_bytes < 0)
        return (struct health_measure){0};
    return (struct health_measure){
        (uint64_t)figures->rss_bytes,
        health_worker_memory_limit(worker->session_count, worker->connection_count)};
}

static void judge_process(struct hub *hub, struct watched *process, const struct worker *worker)
{
    judge(hub, &process->warnings[HEALTH_DESCRIPTORS], HEALTH_DESCRIPTORS, process->name,
          measure_descriptors(&process->figures, worker));
    judge(hub, &process->warnings[HEALTH_WORKER_MEMORY], HEALTH_WORKER_MEMORY, process->name,
          measure_worker_memory(&process->figures, worker));
}

static struct health_measure measure_memory(const struct hub_health *health)
{
    struct health_measure measure = {.limit = uv_get_total_memory()};
    uint64_t group = uv_get_constrained_memory();
    if (group > 0 && group < measure.limit)
        measure.limit = group;
    for (size_t i = 0; i < health->count; i++) {
        if (health->watched[i].figures.rss_bytes > 0)
            measure.used += (uint64_t)health->watched[i].figures.rss_bytes;
    }
    return measure;
}

static struct health_measure measure_disk(const struct hub *hub)
{
    struct statvfs disk;
    if (statvfs(hub->state_dir, &disk) != 0)
        return (struct health_measure){0};
    return health_disk((uint64_t)disk.f_bavail * disk.f_frsize,
                       (uint64_t)disk.f_blocks * disk.f_frsize);
}

static struct health_measure measure_events(const struct hub *hub, struct hub_health *health)
{
    uint64_t now_ms = clock_monotonic_ms();
    if (hub->events.dropped != health->dropped)
        health->dropped_ms = now_ms;
    health->dropped = hub->events.dropped;
    bool lately = health->dropped > 0 && now_ms - health->dropped_ms < LATELY_MS;
    return (struct health_measure){.used = lately, .limit = 1};
}

static void judge_hub(struct hub *hub, struct hub_health *health)
{
    const struct hub_settings *settings = &hub->settings;
    const struct health_measure measures[HEALTH_RULES] = {
        [HEALTH_MEMORY] = measure_memory(health),
        [HEALTH_SESSIONS] = {hub->session_count, settings->max_sessions},
        [HEALTH_CONNECTIONS] = {hub->connections.count + hub->waiting_count,
                                settings->max_connections},
        [HEALTH_LOGINS] = {hub->login_count, settings->max_logins},
        [HEALTH_DISK] = measure_disk(hub),
        [HEALTH_EVENTS] = measure_events(hub, health),
    };
    for (int rule = HEALTH_MEMORY; rule < HEALTH_RULES; rule++)
        judge(hub, &health->warnings[rule], (enum health_rule)rule, "", measures[rule]);
}

/* --- samples --- */

static const struct worker *worker_of(const struct hub *hub, size_t index)
{
    return index > 0 && index <= hub->worker_count ? &hub->workers[index - 1] : NULL;
}

static int pid_of(const struct hub *hub, size_t index)
{
    const struct worker *worker = worker_of(hub, index);
    if (index == 0)
        return (int)getpid();
    if (worker)
        return worker->running ? worker->process.pid : 0;
    return dialer_pid(hub);
}

/* Its share of a core since the base, which moves when it is old enough to divide by. */
static void sample_share(struct watched *process, bool same)
{
    uint64_t now_ms = clock_monotonic_ms(), passed_ms = now_ms - process->base_ms;
    int64_t cpu_ms = process->figures.cpu_ms;
    if (same && passed_ms < FRESH_MS)
        return;
    process->cpu_percent = -1;
    if (same && process->base_cpu_ms >= 0 && cpu_ms >= process->base_cpu_ms)
        process->cpu_percent = (double)(cpu_ms - process->base_cpu_ms) * 100 / (double)passed_ms;
    process->base_cpu_ms = cpu_ms;
    process->base_ms = now_ms;
}

static void sample_process(struct watched *process, int pid, bool thorough)
{
    static const struct process_figures unknown = {FIGURE_UNKNOWN, FIGURE_UNKNOWN, FIGURE_UNKNOWN,
                                                   FIGURE_UNKNOWN, FIGURE_UNKNOWN};
    bool same = process->pid == pid && pid != 0;
    process->figures = pid != 0 ? process_figures_read(pid, thorough) : unknown;
    process->pid = pid;
    sample_share(process, same);
}

static void sample(struct hub *hub, bool thorough)
{
    struct hub_health *health = hub->health;
    for (size_t i = 0; i < health->count; i++) {
        sample_process(&health->watched[i], pid_of(hub, i), thorough);
        judge_process(hub, &health->watched[i], worker_of(hub, i));
    }
    judge_hub(hub, health);
    health->sampled_ms = clock_monotonic_ms();
}

/* What sessions have left that came or went: the allocator keeps it by itself. */
static void give_memory_back(const struct hub *hub, struct hub_health *health)
{
    uint64_t now_ms = clock_monotonic_ms();
    if (hub->session_count == health->trimmed_sessions || now_ms - health->trimmed_ms < TRIM_MS)
        return;
    health->trimmed_ms = now_ms;
    health->trimmed_sessions = hub->session_count;
    (void)malloc_trim(0);
}

static void on_sample(void *owner)
{
    struct hub *hub = owner;
    sample(hub, false);
    give_memory_back(hub, hub->health);
    if (timeout_set(hub->loop, &hub->health->timeout, SAMPLE_MS, on_sample, hub) != 0)
        log_error(SAY("the hub's health is not watched any more: out of memory"));
}

/* Somebody asks: as fresh as may be, but nobody makes us walk /proc without pause. */
static void refresh(struct hub *hub)
{
    const struct watched *parent = &hub->health->watched[0];
    bool thorough = parent->figures.pss_bytes >= 0;
    if (!thorough || clock_monotonic_ms() - hub->health->sampled_ms >= FRESH_MS)
        sample(hub, true);
}

int hub_health_start(struct hub *hub, struct fault *fault)
{
    size_t count = hub->worker_count + 2;
    hub->health = calloc(1, sizeof *hub->health + count * sizeof *hub->health->watched);
    if (!hub->health)
        return fault_set(fault, "out of memory");
    hub->health->count = count;
    for (size_t i = 0; i < count; i++) {
        const struct worker *worker = worker_of(hub, i);
        struct watched *process = &hub->health->watched[i];
        (void)snprintf(process->name, sizeof process->name, "%s", i == 0 ? "parent" : "dialer");
        if (worker)
            (void)snprintf(process->name, sizeof process->name, "worker %u", worker->number);
    }
    on_sample(hub);
    return 0;
}

void hub_health_stop(struct hub *hub)
{
    if (hub->health)
        timeout_clear(&hub->health->timeout);
}

/* --- told --- */

static json_t *figure(int64_t value)
{
    return value >= 0 ? json_integer((json_int_t)value) : json_null();
}

static json_t *row(const struct watched *process, const struct worker *worker)
{
    const struct process_figures *figures = &process->figures;
    return json_pack(
        "{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "process", process->name, "pid",
        process->pid, "cpu_s",
        figures->cpu_ms >= 0 ? json_real((double)figures->cpu_ms / 1000) : json_null(),
        "cpu_percent", process->cpu_percent >= 0 ? json_real(process->cpu_percent) : json_null(),
        "rss_bytes", figure(figures->rss_bytes), "pss_bytes", figure(figures->pss_bytes),
        "descriptors", figure(figures->descriptors), "descriptor_limit",
        figure(figures->descriptor_limit), "sessions",
        worker ? json_integer((json_int_t)worker->session_count) : json_null(), "connections",
        worker ? json_integer((json_int_t)worker->connection_count) : json_null());
}

json_t *hub_health_processes(struct hub *hub)
{
    json_t *list = json_array();
    refresh(hub);
    for (size_t i = 0; i < hub->health->count; i++) {
        if (hub->health->watched[i].pid != 0)
            (void)json_array_append_new(list, row(&hub->health->watched[i], worker_of(hub, i)));
    }
    return list;
}

static void list_raised(json_t *list, const struct warning *warnings, const char *subject)
{
    char text[256];
    for (int rule = 0; rule < HEALTH_RULES; rule++) {
        if (!warnings[rule].raised)
            continue;
        health_describe((enum health_rule)rule, subject, &warnings[rule].measure, text,
                        sizeof text);
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:o}", "rule", health_rule_name((enum health_rule)rule),
                            "detail", text, "since", json_time(warnings[rule].since_s)));
    }
}

json_t *hub_health_warnings(struct hub *hub)
{
    json_t *list = json_array();
    refresh(hub);
    list_raised(list, hub->health->warnings, "");
    for (size_t i = 0; i < hub->health->count; i++)
        list_raised(list, hub->health->watched[i].warnings, hub->health->watched[i].name);
    return list;
}

static const struct figure_metric {
    const char *name, *type, *help;
    size_t offset; /* of an int64_t in struct process_figures */
    double unit;
} figure_metrics[] = {
    {"tunneld_process_cpu_seconds_total", "counter", "Processor time of each process of the hub.",
     offsetof(struct process_figures, cpu_ms), 1000},
    {"tunneld_process_resident_memory_bytes", "gauge", "Resident memory of each process.",
     offsetof(struct process_figures, rss_bytes), 1},
    {"tunneld_process_proportional_memory_bytes", "gauge",
     "Resident memory of each process, what is shared divided among those who share it.",
     offsetof(struct process_figures, pss_bytes), 1},
    {"tunneld_process_open_descriptors", "gauge", "Open descriptors of each process.",
     offsetof(struct process_figures, descriptors), 1},
    {"tunneld_process_max_descriptors", "gauge", "Descriptors that each process may open.",
     offsetof(struct process_figures, descriptor_limit), 1},
};

static void expose_figure(const struct hub_health *health, const struct figure_metric *metric,
                          FILE *out)
{
    exposition_family(out, metric->name, metric->type, metric->help);
    for (size_t i = 0; i < health->count; i++) {
        const struct watched *process = &health->watched[i];
        const struct exposition_label labels[] = {{"process", process->name}, {NULL}};
        int64_t value;
        memcpy(&value, (const char *)&process->figures + metric->offset, sizeof value);
        if (process->pid != 0 && value >= 0)
            exposition_sample(out, metric->name, labels, (double)value / metric->unit);
    }
}

static void expose_warnings(const struct hub_health *health, FILE *out)
{
    static const char name[] = "tunneld_warnings";
    exposition_family(out, name, "gauge", "Warnings at the moment, by rule.");
    for (int rule = 0; rule < HEALTH_RULES; rule++) {
        size_t count = health->warnings[rule].raised;
        for (size_t i = 0; i < health->count; i++)
            count += health->watched[i].warnings[rule].raised;
        const struct exposition_label labels[] = {
            {"rule", health_rule_name((enum health_rule)rule)}, {NULL}};
        exposition_sample(out, name, labels, (double)count);
    }
}

void hub_health_expose(struct hub *hub, FILE *out)
{
    refresh(hub);
    for (size_t i = 0; i < sizeof figure_metrics / sizeof *figure_metrics; i++)
        expose_figure(hub->health, &figure_metrics[i], out);
    expose_warnings(hub->health, out);
}
