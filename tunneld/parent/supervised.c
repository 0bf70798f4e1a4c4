/*
 * Two timers of the parent's loop.  Nothing is decided here, and without systemd nothing is sent.
 */
#define _GNU_SOURCE
#include "parent/supervised.h"

#include <stdio.h>

#include "base/log.h"
#include "base/notify.h"

#define LOOK_MS 1000 /* notify_status sends changes alone */

static void again(struct hub *hub, struct timeout **timeout, uint64_t ms, void (*ring)(void *owner))
{
    if (timeout_set(hub->loop, timeout, ms, ring, hub) != 0)
        log_error(SAY("systemd hears no more of this hub: out of memory"));
}

static void on_look(void *owner)
{
    struct hub *hub = owner;
    char text[128];
    snprintf(text, sizeof text, "listening; %zu of %zu sites online, %zu forwards published",
             hub->sites_online, hub->site_count, hub->published_count);
    notify_status(text);
    again(hub, &hub->status_look, LOOK_MS, on_look);
}

/* A timer that rings shows that the loop turns. */
static void on_alive(void *owner)
{
    struct hub *hub = owner;
    notify_alive();
    again(hub, &hub->alive, notify_alive_every_ms(), on_alive);
}

void supervised_begin(struct hub *hub)
{
    if (!notify_is_heard())
        return;
    notify_ready();
    on_look(hub);
    if (notify_alive_every_ms() > 0)
        on_alive(hub);
}

void supervised_end(struct hub *hub)
{
    timeout_clear(&hub->status_look);
    timeout_clear(&hub->alive);
}
