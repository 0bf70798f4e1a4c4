/*
 * What others may know of the uplink.  Nothing here changes it.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "uplink_internal.h"

#define STUCK_MS 30000 /* a delay that is over, and nothing came of it */

static const char *const FOR_PEOPLE[] = {
    [UPLINK_IDLE] = "waiting",          [UPLINK_WAITING] = "waiting",
    [UPLINK_RESOLVING] = "connecting",  [UPLINK_CONNECTING] = "connecting",
    [UPLINK_LOGGING_IN] = "connecting", [UPLINK_ONLINE] = "online",
};

bool uplink_is_stuck(const struct uplink *uplink)
{
    return uplink->state == UPLINK_WAITING && clock_monotonic_ms() > uplink->next_try_ms + STUCK_MS;
}

bool uplink_is_online(const struct uplink *uplink)
{
    return uplink->state == UPLINK_ONLINE;
}

bool uplink_used_next(const struct uplink *uplink)
{
    return uplink->state == UPLINK_ONLINE && uplink->with_next;
}

bool uplink_token_in_doubt(const struct uplink *uplink)
{
    return uplink->in_doubt;
}

bool uplink_was_refused(const struct uplink *uplink)
{
    return uplink->refused;
}

const char *uplink_hub(const struct uplink *uplink)
{
    return uplink->hub_text;
}

const struct host_port *uplink_address(const struct uplink *uplink)
{
    return &uplink->settings->hubs.items[uplink->round.at];
}

const char *uplink_host_key(const struct uplink *uplink)
{
    return uplink->session != NULL ? session_host_key(uplink->session) : "";
}

void uplink_report(const struct uplink *uplink, struct uplink_report *out)
{
    uint64_t now = clock_monotonic_ms();
    *out = (struct uplink_report){
        .state = FOR_PEOPLE[uplink->state],
        .hub = uplink->hub_text,
        .proxy = uplink->way,
        .host_key = uplink->host_key,
        .last_error = uplink->last_error,
        .since_s = uplink->since_s,
        .for_s = (now - uplink->since_ms) / 1000,
        .retry_in_ms = uplink->state == UPLINK_WAITING && uplink->next_try_ms > now
                           ? uplink->next_try_ms - now
                           : 0,
        .lost_s = uplink->lost_s,
        .lost_why = uplink->lost_why,
        .reconnects = uplink->sessions > 0 ? uplink->sessions - 1 : 0,
        .rtt_us = uplink->session != NULL ? session_rtt_us(uplink->session) : 0,
    };
}
