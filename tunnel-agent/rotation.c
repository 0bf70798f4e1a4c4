/*
 * The steps of a rotation: make STATE/key.next, tell the hub, log in with it beside the running
 * session, have it made current, rename it.  A step that fails leaves both keys; the agent goes on
 * with the one that the hub takes, and tries again.  Connections are not touched by any of it.
 */
#define _GNU_SOURCE
#include "rotation.h"

#include <string.h>

#include "agent.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "forwards.h"
#include "hub_dial.h"
#include "next_key.h"
#include "session.h"
#include "uplink.h"

#define LOOK_EVERY_MS    3600000 /* at the key's age */
#define RETRY_MIN_MS     5000
#define RETRY_MAX_MS     3600000
#define ANSWER_WITHIN_MS 30000

static const char *const STATES[] = {
    [ROTATION_RESTING] = "resting",
    [ROTATION_ANNOUNCED] = "announced",
    [ROTATION_DIALLING] = "dialling",
    [ROTATION_ACTIVATING] = "activating",
};

static void on_timer(uv_timer_t *timer);

/* `timeout_ms` 0: the state has a time limit of its own. */
static void set_state(struct rotation *rotation, enum rotation_state next, uint64_t timeout_ms)
{
    if (next != rotation->state)
        log_debug(KV("site", rotation->agent->settings.site), SAY("key rotation"),
                  KV("from", STATES[rotation->state]), KV("to", STATES[next]));
    rotation->state = next;
    if (rotation->agent->ending)
        return;
    if (timeout_ms > 0)
        uv_timer_start(&rotation->timer, on_timer, timeout_ms, 0);
    else
        uv_timer_stop(&rotation->timer);
}

static void failed(struct rotation *rotation, const char *reason)
{
    uint64_t delay_ms = rotation->delay_ms == 0 ? RETRY_MIN_MS : 2 * rotation->delay_ms;
    rotation->delay_ms = delay_ms < RETRY_MAX_MS ? delay_ms : RETRY_MAX_MS;
    log_warning(KV("site", rotation->agent->settings.site), SAY("the key was not rotated"),
                KV("reason", reason), KV("retry_s", rotation->delay_ms / 1000));
    set_state(rotation, ROTATION_RESTING, rotation->delay_ms);
}

/* --- the new key is current ------------------------------------------------------------------- */

/* The hub takes no other key any more. */
static void adopt(struct rotation *rotation)
{
    struct agent *agent = rotation->agent;
    struct fault fault = {0};
    char fingerprint[FINGERPRINT_SIZE];
    if (rotation->next == NULL)
        return;
    if (next_key_adopt(&agent->state, &rotation->next_public, &fault) != 0) {
        failed(rotation, fault.text); /* key.next logs in, too */
        return;
    }
    ssh_key_free(agent->key);
    agent->key = rotation->next;
    agent->public_key = rotation->next_public;
    rotation->next = NULL;
    rotation->asked = false;
    rotation->delay_ms = 0;
    if (agent->uplink != NULL)
        uplink_set_keys(agent->uplink, agent->key, NULL);
    log_info(KV("site", agent->settings.site), SAY("the key was rotated"),
             KV("key", public_key_fingerprint(&agent->public_key, fingerprint)));
    set_state(rotation, ROTATION_RESTING, LOOK_EVERY_MS);
}

/* --- the second session ----------------------------------------------------------------------- */

static void on_activation_ended(void *owner, enum session_end end, const char *reason)
{
    struct rotation *rotation = owner;
    rotation->session = NULL;
    if (end != SESSION_ACTIVATED) {
        failed(rotation, reason);
        return;
    }
    CRASH_POINT("agent.activated");
    adopt(rotation);
}

static const struct session_handlers SESSION_HANDLERS = {.on_ended = on_activation_ended};

static void on_connected(void *owner, int socket)
{
    struct rotation *rotation = owner;
    struct fault fault = {0};
    const struct session_plan plan = {
        .settings = &rotation->agent->settings, .key = rotation->next, .activate = true};
    rotation->dial = NULL;
    CRASH_POINT("agent.activation_connected");
    if (session_open(&rotation->agent->loop, &plan, socket, &SESSION_HANDLERS, rotation,
                     &rotation->session, &fault) == 0)
        set_state(rotation, ROTATION_ACTIVATING, 0);
    else
        failed(rotation, fault.text);
}

static void on_dial_failed(void *owner, const char *reason)
{
    struct rotation *rotation = owner;
    rotation->dial = NULL;
    failed(rotation, reason);
}

static const struct dial_handlers DIAL_HANDLERS = {
    .on_connected = on_connected,
    .on_failed = on_dial_failed,
};

static void activate(struct rotation *rotation)
{
    struct agent *agent = rotation->agent;
    struct fault fault = {0};
    set_state(rotation, ROTATION_DIALLING, 0);
    if (hub_dial_start(&agent->loop, &agent->settings, uplink_address(agent->uplink),
                       &DIAL_HANDLERS, rotation, &rotation->dial, &fault) != 0)
        failed(rotation, fault.text);
}

/* --- telling the hub -------------------------------------------------------------------------- */

static int announce(struct rotation *rotation, struct fault *fault)
{
    struct agent *agent = rotation->agent;
    char text[PUBLIC_KEY_LINE_SIZE];
    if (rotation->next == NULL &&
        next_key_make(&agent->state, &rotation->next, &rotation->next_public, fault) != 0)
        return -1;
    uplink_set_keys(agent->uplink, agent->key, rotation->next);
    json_t *line = json_pack("{s:s}", "new_key", public_key_line(&rotation->next_public, text));
    bool said = forwards_say(agent->forwards, line);
    json_decref(line);
    return said ? 0 : fault_set(fault, "too much waits to be sent to the hub");
}

/* Begins, if there is a reason to. */
static void consider(struct rotation *rotation)
{
    const struct agent *agent = rotation->agent;
    uint64_t max_age_ms = agent->settings.key_max_age_ms;
    struct fault fault = {0};
    if (rotation->state != ROTATION_RESTING || agent->ending)
        return;
    bool wanted = rotation->asked || rotation->next != NULL ||
                  (max_age_ms > 0 && key_is_older(&agent->state, max_age_ms));
    if (!wanted || agent->uplink == NULL || !uplink_is_online(agent->uplink)) {
        set_state(rotation, ROTATION_RESTING, LOOK_EVERY_MS);
        return;
    }
    if (announce(rotation, &fault) != 0) {
        failed(rotation, fault.text);
        return;
    }
    CRASH_POINT("agent.new_key_said");
    set_state(rotation, ROTATION_ANNOUNCED, ANSWER_WITHIN_MS);
}

static void on_timer(uv_timer_t *timer)
{
    struct rotation *rotation = timer->data;
    if (rotation->state == ROTATION_ANNOUNCED)
        failed(rotation, "the hub did not answer about the new key");
    else
        consider(rotation);
}

static void on_verdict(struct rotation *rotation, const json_t *verdict)
{
    const char *refusal = json_string_value(json_object_get(verdict, "refused"));
    if (rotation->state != ROTATION_ANNOUNCED)
        return;
    if (json_is_true(json_object_get(verdict, "pending")))
        activate(rotation);
    else
        failed(rotation, refusal != NULL ? refusal : "the hub's answer is not understood");
}

/* --- events ----------------------------------------------------------------------------------- */

void rotation_on_line(struct rotation *rotation, const json_t *line)
{
    const json_t *verdict = json_object_get(line, "new_key");
    if (verdict != NULL) {
        on_verdict(rotation, verdict);
        return;
    }
    rotation->asked = json_is_true(json_object_get(line, "rotate"));
    /* The first list comes before the uplink is online: rotation_on_online follows. */
    if (rotation->agent->uplink != NULL && uplink_is_online(rotation->agent->uplink))
        consider(rotation);
}

void rotation_on_online(struct rotation *rotation)
{
    if (uplink_used_next(rotation->agent->uplink))
        adopt(rotation);
    consider(rotation);
}

void rotation_on_detached(struct rotation *rotation)
{
    if (rotation->state == ROTATION_ANNOUNCED)
        set_state(rotation, ROTATION_RESTING, LOOK_EVERY_MS); /* the next session tries again */
}

/* --- life ------------------------------------------------------------------------------------- */

void rotation_init(struct rotation *rotation, struct agent *agent)
{
    struct fault fault = {0};
    rotation->agent = agent;
    rotation->state = ROTATION_RESTING;
    uv_timer_init(&agent->loop, &rotation->timer);
    rotation->timer.data = rotation;
    if (next_key_load(&agent->state, &rotation->next, &rotation->next_public, &fault) < 0)
        log_warning(KV("site", agent->settings.site), SAY("the next key is not used"),
                    KV("reason", fault.text));
    set_state(rotation, ROTATION_RESTING, LOOK_EVERY_MS);
}

void rotation_close(struct rotation *rotation)
{
    hub_dial_cancel(rotation->dial);
    rotation->dial = NULL;
    if (rotation->session != NULL)
        session_close(rotation->session, "the agent ends");
    uv_close((uv_handle_t *)&rotation->timer, NULL);
}

void rotation_release(struct rotation *rotation)
{
    ssh_key_free(rotation->next);
    rotation->next = NULL;
}
