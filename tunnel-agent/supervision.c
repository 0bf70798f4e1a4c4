/*
 * Timers around the watchdog's judgement, and what follows from it: the hub is asked again, or the
 * session begins anew.  How a session is watched for silence is session.c's.
 */
#define _GNU_SOURCE
#include "supervision.h"

#include <malloc.h>
#include <stdio.h>

#include "agent.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "forwards.h"
#include "json_text.h"
#include "netwatch.h"
#include "uplink.h"

#define BUSY_LOOK_MS 1000 /* while forwards are being published */
#define STATUS_SIZE  512

/* --- systemd ---------------------------------------------------------------------------------- */

static void say_state(const struct agent *agent, const struct forward_tally *tally)
{
    char text[STATUS_SIZE];
    if (agent->uplink == NULL)
        return;
    const char *hub = uplink_hub(agent->uplink);
    if (!uplink_is_online(agent->uplink))
        snprintf(text, sizeof text, "%s: not connected; trying hub %s", agent->settings.site, hub);
    else if (tally->published < tally->wanted)
        snprintf(text, sizeof text, "%s: online at hub %s, %zu of %zu forwards published",
                 agent->settings.site, hub, tally->published, tally->wanted);
    else
        snprintf(text, sizeof text, "%s: online at hub %s, %zu forward%s published",
                 agent->settings.site, hub, tally->published, tally->published == 1 ? "" : "s");
    notify_status(text);
}

/* That the timer fires shows that the loop turns; the uplink must have something before it, too. */
static void on_alive(uv_timer_t *timer)
{
    const struct supervision *supervision = timer->data;
    const struct uplink *uplink = supervision->agent->uplink;
    if (uplink != NULL && !uplink_is_stuck(uplink))
        notify_alive();
}

/* --- the forwards ----------------------------------------------------------------------------- */

static void repair(struct supervision *supervision, enum watchdog_verdict verdict,
                   const struct fault *why)
{
    struct agent *agent = supervision->agent;
    supervision->repairs++;
    supervision->repaired_s = clock_wall_s();
    supervision->repair = *why;
    log_warning(KV("site", agent->settings.site), SAY("forwards are not as the hub lists them"),
                KV("reason", why->text));
    if (verdict == WATCHDOG_ASK_AGAIN)
        forwards_ask_again(agent->forwards);
    else
        uplink_restart(agent->uplink, why->text);
}

/* What the login needed, once its forwards are published: an agent lives beside others. */
static void give_memory_back(struct supervision *supervision, bool settled)
{
    if (settled && !supervision->trimmed)
        (void)malloc_trim(0);
    supervision->trimmed = settled;
}

static void on_look(uv_timer_t *timer)
{
    struct supervision *supervision = timer->data;
    struct agent *agent = supervision->agent;
    struct forward_tally tally = forwards_tally(agent->forwards);
    bool online = agent->uplink != NULL && uplink_is_online(agent->uplink);
    bool settled = tally.published + tally.refused == tally.wanted && tally.leaving == 0;
    struct fault why = {""};
    if (!supervision->ready)
        notify_ready();
    supervision->ready = true;
    if (!online)
        watchdog_reset(&supervision->watchdog);
    enum watchdog_verdict verdict =
        online ? watchdog_judge(&supervision->watchdog, &tally, clock_monotonic_ms(), &why)
               : WATCHDOG_FINE;
    if (verdict != WATCHDOG_FINE)
        repair(supervision, verdict, &why);
    say_state(agent, &tally);
    give_memory_back(supervision, online && settled);
    uv_timer_start(timer, on_look, online && !settled ? BUSY_LOOK_MS : WATCHDOG_LOOK_MS, 0);
}

/* --- the network ------------------------------------------------------------------------------ */

static void on_network_changed(void *owner)
{
    struct supervision *supervision = owner;
    log_debug(SAY("links, addresses or routes of this machine changed"));
    if (supervision->agent->uplink != NULL)
        uplink_network_changed(supervision->agent->uplink);
}

/* --- life ------------------------------------------------------------------------------------- */

void supervision_init(struct supervision *supervision, struct agent *agent)
{
    struct fault fault = {""};
    uint64_t every_ms = notify_alive_every_ms();
    *supervision = (struct supervision){.agent = agent};
    uv_timer_init(&agent->loop, &supervision->look);
    uv_timer_init(&agent->loop, &supervision->alive);
    supervision->look.data = supervision->alive.data = supervision;
    if (every_ms > 0)
        uv_timer_start(&supervision->alive, on_alive, every_ms, every_ms);
    if (netwatch_open(&agent->loop, on_network_changed, supervision, &supervision->netwatch,
                      &fault) != 0)
        log_warning(SAY("a dead session is found by its silence alone"), KV("reason", fault.text));
    supervision_soon(supervision);
}

void supervision_close(struct supervision *supervision)
{
    notify_stopping();
    netwatch_close(supervision->netwatch);
    supervision->netwatch = NULL;
    uv_close((uv_handle_t *)&supervision->look, NULL);
    uv_close((uv_handle_t *)&supervision->alive, NULL);
}

void supervision_soon(struct supervision *supervision)
{
    if (!uv_is_closing((uv_handle_t *)&supervision->look))
        uv_timer_start(&supervision->look, on_look, 0, 0);
}

json_t *supervision_status(const struct supervision *supervision)
{
    char when[CLOCK_TEXT_SIZE];
    struct forward_tally tally = forwards_tally(supervision->agent->forwards);
    json_t *repaired = supervision->repaired_s > 0
                           ? json_string(clock_format(supervision->repaired_s, when))
                           : json_null();
    return json_pack("{s:I, s:I, s:I, s:o, s:o}", "wanted", (json_int_t)tally.wanted, "published",
                     (json_int_t)tally.published, "repairs", (json_int_t)supervision->repairs,
                     "last_repair", repaired, "last_repair_reason",
                     json_text_or_null(supervision->repair.text));
}
