/*
 * The running agent: brings the state directory to a stage from which it can connect, starts
 * uplink, forwards and local socket, and passes events between them until a signal ends it.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/log.h"
#include "base/log_output.h"
#include "base/notify.h"
#include "confine/confine.h"
#include "forwards.h"
#include "local.h"
#include "pins.h"
#include "site_key.h"
#include "uplink.h"

#define LAST_CALL_MS    2000
#define DESCRIPTORS_MAX 65536 /* libssh keeps 16 bits of a descriptor's number (SSH_OPTIONS_FD) */

/* --- before the loop -------------------------------------------------------------------------- */

static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* A keyfile beside an existing enrolment: only worth a word if it belongs to another site. */
static void look_aside(const char *path, const char *site)
{
    struct keyfile keyfile = {0};
    if (path == NULL || keyfile_read(path, &keyfile, NULL) != 0)
        return;
    if (strcmp(keyfile.site, site) != 0)
        log_warning(KV("site", site), SAY("the keyfile is for another site and is ignored"),
                    KV("keyfile", path), KV("keyfile_site", keyfile.site));
    keyfile_release(&keyfile);
}

static int begin_enrolment(const struct state *state, const char *path, const char *pending_site,
                           struct fault *fault)
{
    struct keyfile keyfile = {0};
    if (keyfile_read(path, &keyfile, fault) != 0) {
        if (pending_site[0] == '\0')
            return -1;
        log_warning(KV("site", pending_site), SAY("going on with the enrolment that was begun"),
                    KV("reason", fault->text));
        return state_complete(state, fault);
    }
    int rc;
    if (pending_site[0] == '\0' || strcmp(pending_site, keyfile.site) == 0) {
        rc = state_prepare(state, &keyfile, fault);
    } else {
        look_aside(path, pending_site);
        rc = state_complete(state, fault);
    }
    keyfile_release(&keyfile);
    return rc;
}

static int settle_enrolment(const struct state *state, const struct options *options,
                            struct fault *fault)
{
    enum state_stage stage;
    char site[NAME_SIZE];
    if (state_look(state, &stage, site, fault) != 0)
        return -1;
    if (stage == STATE_ENROLLED) {
        look_aside(options->keyfile, site);
        return 0;
    }
    if (options->keyfile != NULL)
        return begin_enrolment(state, options->keyfile, site, fault);
    if (stage == STATE_PENDING)
        return state_complete(state, fault);
    return fault_set(fault,
                     "not enrolled: %s holds no site; run 'tunnel-agent enrol KEYFILE' with a "
                     "keyfile from the hub's operator",
                     state->dir);
}

static void set_log_level(const struct agent *agent)
{
    unsigned level = (unsigned)agent->settings.log_level + agent->verbose;
    log_set_level(level < LOG_TRACE ? (enum log_level)level : LOG_TRACE);
}

static int open_state(struct agent *agent, const struct options *options, struct fault *fault)
{
    char path[STATE_PATH_SIZE];
    if (state_locate(&agent->state, options->state, fault) != 0 ||
        (options->keyfile == NULL && state_become_owner(&agent->state, fault) != 0) ||
        state_socket_path(&agent->state, path, fault) != 0 ||
        state_create(&agent->state, fault) != 0 || state_lock(&agent->state, fault) != 0 ||
        settle_enrolment(&agent->state, options, fault) != 0 ||
        state_settings(&agent->state, &agent->settings, fault) != 0)
        return -1;
    log_open("tunnel-agent", LOG_INFO, (enum log_format)agent->settings.log_format);
    set_log_level(agent);
    if (state_path(&agent->state, "key", path, fault) != 0)
        return -1;
    return site_key_load(path, &agent->key, &agent->public_key, fault);
}

/* --- an offered keyfile ----------------------------------------------------------------------- */

/* The offer's hub and host keys change places with those of the settings. */
static void swap_hub(struct agent *agent)
{
    struct host_port_list hubs = agent->settings.hubs;
    struct text_list host_keys = agent->settings.host_keys;
    agent->settings.hubs = agent->offer.hub;
    agent->settings.host_keys = agent->offer.host_keys;
    agent->offer.hub = hubs;
    agent->offer.host_keys = host_keys;
}

static void drop_offer(struct agent *agent)
{
    keyfile_release(&agent->offer);
    agent->offer = (struct keyfile){0};
    agent->has_offer = false;
}

void agent_reenrol(struct agent *agent, struct keyfile *offer)
{
    agent->offer = *offer;
    agent->has_offer = true;
    *offer = (struct keyfile){0};
    swap_hub(agent);
    uplink_stop(agent->uplink); /* on_stopped connects anew */
}

static void reload(struct agent *agent);

/* Online with the offer in force: what it says becomes agent.yaml's. */
static void keep_offer(struct agent *agent)
{
    struct fault fault = {0};
    swap_hub(agent);
    int rc = state_adopt(&agent->state, &agent->offer, &fault);
    swap_hub(agent);
    drop_offer(agent);
    if (rc == 0)
        reload(agent);
    else
        log_error(KV("site", agent->settings.site), SAY("agent.yaml keeps the former hub"),
                  KV("reason", fault.text));
}

/* --- the uplink's events ---------------------------------------------------------------------- */

static void on_online(void *owner, bool redeemed)
{
    struct agent *agent = owner;
    struct fault fault = {0};
    if (agent->has_offer && redeemed)
        keep_offer(agent);
    else if (agent->has_offer)
        drop_offer(agent); /* its hub serves until the next start */
    if (state_activated(&agent->state, &fault) != 0)
        log_warning(KV("site", agent->settings.site), SAY("the spent keyfile could not be removed"),
                    KV("reason", fault.text));
    if (state_remember_hub(&agent->state, uplink_hub(agent->uplink), &fault) != 0)
        log_warning(KV("site", agent->settings.site), SAY("the hub that works is not remembered"),
                    KV("reason", fault.text));
    uplink_forget_token(agent->uplink);
    supervision_soon(&agent->supervision);
    local_online(agent->local, redeemed);
    rotation_on_online(&agent->rotation);
}

static void on_line(void *owner, const json_t *line)
{
    struct agent *agent = owner;
    pins_take(agent, json_object_get(line, "host_keys"));
    rotation_on_line(&agent->rotation, line);
    supervision_soon(&agent->supervision);
}

static void on_detached(void *owner)
{
    struct agent *agent = owner;
    rotation_on_detached(&agent->rotation);
    supervision_soon(&agent->supervision);
}

static const struct forwards_listener FORWARDS_LISTENER = {
    .on_line = on_line,
    .on_detached = on_detached,
};

static void on_round_failed(void *owner, const char *reasons)
{
    struct agent *agent = owner;
    local_round_failed(agent->local, reasons);
    if (!agent->has_offer)
        return;
    swap_hub(agent);
    drop_offer(agent);
    uplink_stop(agent->uplink);
}

static int start_uplink(struct agent *agent, struct fault *fault);

static void on_stopped(void *owner)
{
    struct agent *agent = owner;
    struct fault fault = {0};
    uplink_close(agent->uplink);
    agent->uplink = NULL;
    if (agent->ending) {
        forwards_close(agent->forwards);
        return;
    }
    if (start_uplink(agent, &fault) == 0)
        return;
    log_error(KV("site", agent->settings.site), SAY("cannot connect any more"),
              KV("reason", fault.text));
    local_round_failed(agent->local, fault.text);
}

static const struct uplink_handlers UPLINK_HANDLERS = {
    .on_online = on_online,
    .on_round_failed = on_round_failed,
    .on_stopped = on_stopped,
};

/* The token that is worth trying: 1, or 0 when there is none. */
static int find_token(const struct agent *agent, struct token *token, struct fault *fault)
{
    if (!agent->has_offer)
        return state_token(&agent->state, token, fault);
    *token = agent->offer.token;
    return 1;
}

/* Which hub address worked last; the first when that is not known, or not one of them. */
static size_t last_hub(const struct agent *agent)
{
    char last[HOST_PORT_SIZE], text[HOST_PORT_SIZE];
    const struct host_port_list *hubs = &agent->settings.hubs;
    state_last_hub(&agent->state, last);
    for (size_t i = 0; i < hubs->count; i++) {
        if (strcmp(host_port_format(hubs->items[i].host, hubs->items[i].port, text), last) == 0)
            return i;
    }
    return 0;
}

static int start_uplink(struct agent *agent, struct fault *fault)
{
    struct token token = {0};
    int has_token = find_token(agent, &token, fault);
    if (has_token < 0)
        return -1;
    agent->uplink =
        uplink_new(&agent->loop, &agent->settings, agent->key, has_token == 1 ? &token : NULL,
                   agent->forwards, &UPLINK_HANDLERS, agent);
    token_wipe(&token);
    if (agent->uplink == NULL)
        return fault_set(fault, "out of memory");
    uplink_set_keys(agent->uplink, agent->key, agent->rotation.next);
    uplink_prefer(agent->uplink, last_hub(agent));
    uplink_start(agent->uplink);
    return 0;
}

/* --- signals ---------------------------------------------------------------------------------- */

static void on_last_call(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

static void end(struct agent *agent)
{
    if (agent->ending)
        return;
    agent->ending = true;
    for (size_t i = 0; i < sizeof agent->signals / sizeof agent->signals[0]; i++)
        uv_close((uv_handle_t *)&agent->signals[i], NULL);
    local_close(agent->local);
    agent->local = NULL;
    rotation_close(&agent->rotation);
    supervision_close(&agent->supervision);
    uv_timer_start(&agent->last_call, on_last_call, LAST_CALL_MS, 0);
    uv_unref((uv_handle_t *)&agent->last_call);
    if (agent->uplink != NULL)
        uplink_stop(agent->uplink);
    else
        forwards_close(agent->forwards);
}

static void reload(struct agent *agent)
{
    struct agent_settings settings = {0};
    struct fault fault = {0};
    if (state_settings(&agent->state, &settings, &fault) != 0) {
        log_error(SAY("not reloaded, the settings in force stay"), KV("reason", fault.text));
        return;
    }
    struct text_list targets = agent->settings.allow_targets;
    struct text_list listen = agent->settings.allow_listen;
    char *proxy = agent->settings.proxy;
    agent->settings.allow_targets = settings.allow_targets;
    agent->settings.allow_listen = settings.allow_listen;
    agent->settings.log_level = settings.log_level;
    agent->settings.proxy = settings.proxy; /* for the next dial */
    settings.proxy = proxy;
    settings.allow_targets = targets;
    settings.allow_listen = listen;
    agent_settings_release(&settings);
    set_log_level(agent);
    log_info(KV("site", agent->settings.site),
             SAY("allow_targets, allow_listen, proxy and log_level read again"),
             KV("allow_targets", agent->settings.allow_targets.count),
             KV("allow_listen", agent->settings.allow_listen.count));
    forwards_judge(agent->forwards);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct agent *agent = signal->data;
    if (number == SIGHUP) {
        notify_reloading();
        reload(agent);
        notify_ready();
        return;
    }
    log_info(KV("site", agent->settings.site), SAY("ending"),
             KV("signal", number == SIGTERM ? "SIGTERM" : "SIGINT"));
    end(agent);
}

static void watch_signals(struct agent *agent)
{
    static const int NUMBERS[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
        uv_signal_init(&agent->loop, &agent->signals[i]);
        agent->signals[i].data = agent;
        uv_signal_start(&agent->signals[i], on_signal, NUMBERS[i]);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static int run_loop(struct agent *agent, struct fault *fault)
{
    if (uv_loop_init(&agent->loop) != 0)
        return fault_set(fault, "cannot make an event loop");
    uv_timer_init(&agent->loop, &agent->last_call);
    watch_signals(agent);
    rotation_init(&agent->rotation, agent);
    supervision_init(&agent->supervision, agent);
    agent->forwards = forwards_new(&agent->loop, &agent->settings, true);
    int rc = agent->forwards == NULL ? fault_set(fault, "out of memory") : 0;
    if (rc == 0)
        forwards_listen(agent->forwards, &FORWARDS_LISTENER, agent);
    if (rc == 0)
        rc = local_open(agent, &agent->local, fault);
    if (rc == 0)
        rc = start_uplink(agent, fault);
    if (rc == 0)
        log_info(KV("site", agent->settings.site), SAY("tunnel-agent " TUNNEL_VERSION " runs"),
                 KV("state", agent->state.dir), KV("confinement", agent->confinement));
    else
        end(agent);
    uv_run(&agent->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&agent->last_call, NULL);
    uv_run(&agent->loop, UV_RUN_NOWAIT);
    agent->at_once = uv_loop_close(&agent->loop) != 0;
    return rc;
}

int command_run(const struct options *options, struct fault *fault)
{
    /* Not on the stack: a thread of libuv's that waits for a name server knows the loop until the
     * process ends (on_last_call). */
    static struct agent agent;
    agent.state.lock = -1;
    agent.verbose = options->verbose;
    raise_descriptors();
    log_never_wait(false);
    notify_open();
    int rc = open_state(&agent, options, fault);
    if (rc == 0) {
        confine_agent(agent.state.dir, agent.confinement, sizeof agent.confinement);
        rc = run_loop(&agent, fault);
    }
    drop_offer(&agent);
    rotation_release(&agent.rotation);
    ssh_key_free(agent.key);
    agent_settings_release(&agent.settings);
    state_release(&agent.state);
    if (rc != 0)
        return EXIT_REFUSED;
    return agent.at_once ? EXIT_DONE | EXIT_AT_ONCE : EXIT_DONE;
}
