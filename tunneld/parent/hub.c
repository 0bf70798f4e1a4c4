/*
 * The hub's start and end.  Everything is opened in the order in which a failure is cheapest to
 * explain, and nothing is served before all of it stands; the end goes the other way round.
 */
#define _GNU_SOURCE
#include "parent/hub.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/log_output.h"
#include "base/notify.h"
#include "base/secret.h"
#include "confine/confine.h"
#include "confine/filter.h"
#include "control/client.h"
#include "parent/dialer.h"
#include "parent/doors.h"
#include "parent/enforce.h"
#include "parent/forwards.h"
#include "parent/heartbeat.h"
#include "parent/hub_health.h"
#include "parent/operators.h"
#include "parent/reload.h"
#include "parent/scrape.h"
#include "parent/sites.h"
#include "parent/strangers.h"
#include "parent/supervised.h"
#include "parent/tcp_listener.h"
#include "parent/verbs.h"
#include "parent/workers.h"

#define MINUTE_MS 60000
#define END_MS    5000

static enum log_level level_of(int settings_level, int verbosity)
{
    int raised = verbosity <= 0 ? LOG_ERROR : verbosity == 1 ? LOG_DEBUG : LOG_TRACE;
    return (enum log_level)(settings_level > raised ? settings_level : raised);
}

void hub_apply_log_settings(const struct hub *hub)
{
    log_open("tunneld", level_of(hub->settings.log_level, hub->verbosity),
             (enum log_format)hub->settings.log_format);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_state(struct hub *hub, struct fault *fault)
{
    char path[HUB_PATH_SIZE];
    if (hub->settings.state_dir[0] == '\0') {
        if (default_state_dir("tunneld", hub->state_dir, sizeof hub->state_dir, fault) != 0)
            return -1;
    } else if (!text_copy(hub->state_dir, sizeof hub->state_dir, hub->settings.state_dir)) {
        return fault_set(fault, "setting 'state_dir' is too long");
    }
    if (file_directory(hub->state_dir, 0700, fault) != 0 ||
        file_join(hub->state_dir, "lock", path, sizeof path, fault) != 0 ||
        file_lock(path, &hub->lock, fault) != 0 ||
        host_keys_load(hub->state_dir, &hub->keys, fault) != 0 ||
        file_join(hub->state_dir, "hub.db", path, sizeof path, fault) != 0 ||
        store_open(path, &hub->store, fault) != 0)
        return -1;
    if (sites_load(hub, fault) != 0)
        return -1;
    return operators_load(hub, fault);
}

/* May we make a socket at the default place?  A user without $XDG_RUNTIME_DIR may not. */
static bool directory_is_usable(const char *socket_path)
{
    char directory[HUB_PATH_SIZE];
    if (!text_copy(directory, sizeof directory, socket_path))
        return false;
    for (char *slash = strrchr(directory, '/'); slash && slash != directory;
         slash = strrchr(directory, '/')) {
        *slash = '\0';
        if (access(directory, F_OK) == 0)
            return access(directory, W_OK) == 0;
    }
    return access("/", W_OK) == 0;
}

static int choose_control_path(struct hub *hub, struct fault *fault)
{
    if (hub->settings.control_socket[0] != '\0') {
        if (text_copy(hub->control_path, sizeof hub->control_path, hub->settings.control_socket))
            return 0;
        return fault_set(fault, "setting 'control_socket' is too long");
    }
    if (control_default_path(hub->control_path, sizeof hub->control_path, fault) != 0)
        return -1;
    if (directory_is_usable(hub->control_path))
        return 0;
    if (file_join(hub->state_dir, "control.sock", hub->control_path, sizeof hub->control_path,
                  fault) != 0)
        return -1;
    log_warning(SAY("the control socket is not where tunnelctl looks for it: call it with "
                    "--socket PATH, or set TUNNELD_SOCKET"),
                KV("path", hub->control_path));
    return 0;
}

static int open_control(struct hub *hub, struct fault *fault)
{
    if (choose_control_path(hub, fault) != 0)
        return -1;
    return control_server_open(hub->loop, hub->control_path, hub->settings.control_group,
                               verbs_serve, hub, &hub->control, fault);
}

static void on_minute(void *owner)
{
    struct hub *hub = owner;
    if (hub->refused_lately > 0)
        log_warning(SAY("logins refused"), KV("count", hub->refused_lately),
                    KV("in_all", hub->refused_logins));
    hub->refused_lately = 0;
    if (timeout_set(hub->loop, &hub->minute, MINUTE_MS, on_minute, hub) != 0)
        log_error(SAY("refused logins are not reported any more: out of memory"));
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct hub *hub = signal->data;
    if (number == SIGHUP)
        reload_on_signal(hub);
    else
        hub_stop(hub);
}

static void watch_signals(struct hub *hub)
{
    static const int watched[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++) {
        uv_signal_t *signal = &hub->signals[hub->signal_count++];
        (void)uv_signal_init(hub->loop, signal);
        signal->data = hub;
        (void)uv_signal_start(signal, on_signal, watched[i]);
    }
}

static void say_listening(const struct hub *hub)
{
    char fingerprint[FINGERPRINT_SIZE], addresses[512];
    size_t used = 0;
    public_key_fingerprint(&hub->keys.keys[HOST_KEY_CURRENT], fingerprint);
    for (size_t i = 0; i < hub->door_count && used < sizeof addresses; i++)
        used += (size_t)snprintf(addresses + used, sizeof addresses - used, "%s%s",
                                 i > 0 ? ", " : "", tcp_listener_text(hub->doors[i].listener));
    log_info(SAY("listening"), KV("address", addresses), KV("host_key", fingerprint),
             KV("control", hub->control_path), KV("state_dir", hub->state_dir),
             KV("confinement", hub->confinement));
}

static int start(struct hub *hub, struct fault *fault)
{
    if (hub_settings_load(hub->settings_path, &hub->settings, fault) != 0)
        return -1;
    hub_apply_log_settings(hub);
    raise_descriptor_limit();
    (void)umask(077);
    secret_forbid_dumps(); /* the host keys */
    (void)signal(SIGPIPE, SIG_IGN);
    if (open_state(hub, fault) != 0 || doors_open(hub, fault) != 0 ||
        scrape_open(hub, fault) != 0 || open_control(hub, fault) != 0)
        return -1;
    confine_parent(hub->state_dir, hub->confinement, sizeof hub->confinement);
    if (workers_start(hub, fault) != 0 || hub_health_start(hub, fault) != 0)
        return -1;
    watch_signals(hub);
    on_minute(hub);
    heartbeats_begin(hub);
    forwards_mind_expiry(hub);
    target_checks_start(hub);
    say_listening(hub);
    supervised_begin(hub);
    return 0;
}

static void on_end_overdue(void *owner)
{
    struct hub *hub = owner;
    log_warning(SAY("workers did not end in time: killed"), KV("count", hub->workers_alive));
    workers_kill(hub);
}

void hub_stop(struct hub *hub)
{
    if (hub->stopping) {
        workers_kill(hub);
        return;
    }
    hub->stopping = true;
    notify_stopping();
    log_info(SAY("stopping"), KV("sessions", hub->session_count),
             KV("connections", hub->connections.count));
    doors_close(hub);
    struct site *site;
    TAILQ_FOREACH(site, &hub->sites, entry)
    {
        for (size_t i = 0; i < site->forward_count; i++)
            forward_withdraw(site->forwards[i], "the hub is stopping");
    }
    dialer_stop(hub);
    workers_drain(hub, "the hub is stopping", spread_s(hub->session_count, strangers_per_s(hub)));
    if (hub->workers_alive == 0)
        hub_stopped(hub);
    else if (timeout_set(hub->loop, &hub->deadline, END_MS, on_end_overdue, hub) != 0)
        on_end_overdue(hub);
}

/* Closes what keeps the loop alive; also after half a start. */
void hub_stopped(struct hub *hub)
{
    if (hub->store)
        events_flush(hub);
    timeout_clear(&hub->events.flush);
    timeout_clear(&hub->minute);
    supervised_end(hub);
    timeout_clear(&hub->heartbeat);
    timeout_clear(&hub->operator_tick);
    timeout_clear(&hub->expiry);
    timeout_clear(&hub->deadline);
    hub_health_stop(hub);
    target_checks_stop(hub);
    scrape_close(hub);
    for (size_t i = 0; i < hub->signal_count; i++)
        uv_close((uv_handle_t *)&hub->signals[i], NULL);
    hub->signal_count = 0;
    doors_close(hub);
    if (hub->control)
        control_server_close(hub->control);
    hub->control = NULL;
}

static void release(struct hub *hub)
{
    sites_release(hub);
    operators_release(hub);
    store_close(hub->store);
    host_keys_release(&hub->keys);
    hub_settings_release(&hub->settings);
    free(hub->workers);
    free(hub->forwards_by_port);
    free(hub->dialer);
    free(hub->health);
    strangers_release(hub);
    if (hub->lock >= 0)
        (void)close(hub->lock);
    free(hub);
}

int hub_run(const struct hub_options *options, struct fault *fault)
{
    struct hub *hub = calloc(1, sizeof *hub);
    struct forward_list *by_port = calloc(UINT16_MAX + 1, sizeof *by_port);
    struct sources *sources = sources_new();
    if (!hub || !by_port || !sources) {
        free(hub);
        free(by_port);
        sources_free(sources);
        return fault_set(fault, "out of memory");
    }
    hub->forwards_by_port = by_port;
    hub->sources = sources;
    filter_refuse_io_uring();
    log_never_wait(false);
    hub->loop = uv_default_loop();
    notify_open();
    hub->settings_path = options->settings_path;
    hub->verbosity = options->verbosity;
    hub->lock = -1;
    hub->started_s = clock_wall_s();
    hub->started_ms = clock_monotonic_ms();
    TAILQ_INIT(&hub->sites);
    TAILQ_INIT(&hub->operators);
    TAILQ_INIT(&hub->connection_list);
    events_init(&hub->events);
    target_checks_init(&hub->target_checks);
    int rc = start(hub, fault);
    if (rc != 0) {
        hub->stopping = true;
        workers_kill(hub);
        if (hub->workers_alive == 0)
            hub_stopped(hub);
    }
    (void)uv_run(hub->loop, UV_RUN_DEFAULT);
    if (rc == 0)
        log_info(SAY("stopped"));
    release(hub);
    (void)uv_loop_close(uv_default_loop());
    return rc;
}
