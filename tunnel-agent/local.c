/*
 * Answers on the local socket.  Whoever may open it (mode 0600) is root or the agent's own user.  A
 * keyfile that is handed over was confirmed by a person at the other end of the socket.
 */
#define _GNU_SOURCE
#include "local.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/server.h"
#include "forwards.h"
#include "json_text.h"
#include "uplink.h"

struct local {
    struct agent *agent; /* borrowed */
    struct control_server *server;
    struct control_request *enrolling; /* waits for the uplink */
};

/* What the uplink does; NULL when out of memory. */
static json_t *uplink_status(const struct uplink *uplink)
{
    struct uplink_report now;
    char since[CLOCK_TEXT_SIZE], lost[CLOCK_TEXT_SIZE] = "";
    uplink_report(uplink, &now);
    if (now.lost_s > 0)
        clock_format(now.lost_s, lost);
    json_t *retry = now.retry_in_ms > 0 ? json_integer((json_int_t)(now.retry_in_ms + 999) / 1000)
                                        : json_null();
    json_t *rtt = now.rtt_us > 0 ? json_real((double)now.rtt_us / 1000.0) : json_null();
    return json_pack(
        "{s:s, s:o, s:o, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "state", now.state, "hub",
        json_text_or_null(now.hub), "proxy", json_text_or_null(now.proxy), "since",
        clock_format(now.since_s, since), "since_s", (json_int_t)now.for_s, "reconnects",
        (json_int_t)now.reconnects, "last_error", json_text_or_null(now.last_error), "next_retry_s",
        retry, "host_key", json_text_or_null(now.host_key), "rtt_ms", rtt, "last_disconnect",
        json_text_or_null(lost), "last_disconnect_reason", json_text_or_null(now.lost_why));
}

static void answer_status(struct local *local, struct control_request *request)
{
    struct agent *agent = local->agent;
    char fingerprint[FINGERPRINT_SIZE];
    uint64_t generation = 0;
    json_t *forwards = forwards_status(agent->forwards, &generation);
    json_t *status =
        json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:I, s:o, s:o}", "site", agent->settings.site,
                  "key", public_key_fingerprint(&agent->public_key, fingerprint), "version",
                  TUNNEL_VERSION, "pid", (int)getpid(), "state_dir", agent->state.dir,
                  "confinement", agent->confinement, "generation", (json_int_t)generation,
                  "forwards", forwards, "outbound", forwards_outbound_status(agent->forwards));
    json_t *uplink = agent->uplink != NULL ? uplink_status(agent->uplink) : NULL;
    if (status != NULL)
        (void)json_object_set_new(status, "watchdog", supervision_status(&agent->supervision));
    if (status == NULL || uplink == NULL || json_object_update(status, uplink) != 0) {
        json_decref(status);
        control_refuse(request, "out of memory, or the agent connects anew: ask again");
    } else {
        control_reply(request, status);
    }
    json_decref(uplink);
}

static json_t *enrol_answer(const struct local *local, bool already)
{
    return json_pack("{s:s, s:s, s:b}", "site", local->agent->settings.site, "hub",
                     uplink_hub(local->agent->uplink), "already", already);
}

static void enrol_with(struct local *local, struct control_request *request,
                       struct keyfile *keyfile)
{
    struct agent *agent = local->agent;
    if (strcmp(keyfile->site, agent->settings.site) != 0) {
        control_refuse(request,
                       "the agent with this state directory is site '%s', the keyfile is for "
                       "'%s'; use another --state for it",
                       agent->settings.site, keyfile->site);
    } else if (agent->uplink == NULL || local->enrolling != NULL) {
        control_refuse(request, "another enrolment is under way; try again when it is over");
    } else if (uplink_is_online(agent->uplink)) {
        control_reply(request, enrol_answer(local, true));
    } else {
        log_info(KV("site", agent->settings.site), SAY("enrolling with a new keyfile"),
                 KV("actor", control_request_actor(request)));
        local->enrolling = request;
        agent_reenrol(agent, keyfile);
    }
}

static void answer_enrol(struct local *local, struct control_request *request)
{
    struct fault fault = {0};
    struct keyfile keyfile = {0};
    const char *text = json_string_value(json_object_get(control_request_args(request), "keyfile"));
    if (text == NULL) {
        control_refuse(request, "enrol wants a keyfile");
        return;
    }
    if (keyfile_parse(text, strlen(text), "the keyfile", &keyfile, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    enrol_with(local, request, &keyfile);
    keyfile_release(&keyfile);
}

static const struct {
    const char *verb;
    void (*answer)(struct local *local, struct control_request *request);
} VERBS[] = {
    {"status", answer_status},
    {"enrol", answer_enrol},
};

static void on_request(void *owner, struct control_request *request)
{
    for (size_t i = 0; i < sizeof VERBS / sizeof VERBS[0]; i++) {
        if (strcmp(VERBS[i].verb, control_request_verb(request)) == 0) {
            VERBS[i].answer(owner, request);
            return;
        }
    }
    control_refuse(request, "an agent knows the verbs status and enrol, not '%s'",
                   control_request_verb(request));
}

int local_open(struct agent *agent, struct local **out, struct fault *fault)
{
    char path[STATE_PATH_SIZE];
    if (state_socket_path(&agent->state, path, fault) != 0)
        return -1;
    struct local *local = calloc(1, sizeof *local);
    if (local == NULL)
        return fault_set(fault, "out of memory");
    local->agent = agent;
    if (control_server_open(&agent->loop, path, NULL, on_request, local, &local->server, fault) !=
        0) {
        free(local);
        return -1;
    }
    *out = local;
    return 0;
}

void local_close(struct local *local)
{
    if (local == NULL)
        return;
    if (local->enrolling != NULL)
        control_refuse(local->enrolling, "the agent ends");
    control_server_close(local->server);
    free(local);
}

void local_online(struct local *local, bool redeemed)
{
    if (local == NULL || local->enrolling == NULL)
        return;
    control_reply(local->enrolling, enrol_answer(local, !redeemed));
    local->enrolling = NULL;
}

void local_round_failed(struct local *local, const char *reasons)
{
    if (local == NULL || local->enrolling == NULL)
        return;
    control_refuse(local->enrolling, "%s", reasons);
    local->enrolling = NULL;
}
