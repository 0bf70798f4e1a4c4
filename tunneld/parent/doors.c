/*
 * The listeners for SSH: which addresses, how `::` and 0.0.0.0 share a port, and going from one
 * list of addresses to another without losing those that are in both.  Who comes in through them
 * is none of its business.
 */
#define _GNU_SOURCE
#include "parent/doors.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "parent/forwards.h"
#include "parent/sites.h"
#include "parent/strangers.h"
#include "parent/tcp_listener.h"

#define ANY_V4 "0.0.0.0"
#define ANY_V6 "::"

/* A set of doors that is to take the place of the hub's. */
struct change {
    struct hub *hub;
    struct door *doors;
    size_t count;
};

static const char *host_of(const struct host_port *listen)
{
    return listen->host[0] != '\0' ? listen->host : ANY_V4;
}

/* Is 0.0.0.0 with this port asked for by name, so that `::` must leave it alone? */
static bool names_any_v4(const struct host_port_list *list, uint16_t port)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].port == port && strcmp(host_of(&list->items[i]), ANY_V4) == 0)
            return true;
    }
    return false;
}

/* Without IPv6 in the kernel, `::` became 0.0.0.0, which may be listed too. */
static bool is_open(const struct change *change, const char *address, uint16_t port)
{
    for (size_t i = 0; port != 0 && i < change->count; i++) {
        const struct tcp_listener *listener = change->doors[i].listener;
        if (listener && tcp_listener_port(listener) == port &&
            strcmp(tcp_listener_address(listener), address) == 0)
            return true;
    }
    return false;
}

static int open_door(const struct change *change, struct door *door, struct fault *fault)
{
    struct hub *hub = change->hub;
    const char *host = host_of(&door->asked);
    uint16_t port = door->asked.port;
    if (is_open(change, host, port))
        return 0;
    int rc = tcp_listener_open(hub->loop, host, port, door->v6_only, stranger_accept, hub,
                               &door->listener, fault);
    if (rc != 0 && door->v6_only && !tcp_has_v6()) {
        log_warning(SAY("IPv6 is not available here: listening on IPv4 alone"));
        return 0;
    }
    return rc == 0 ? 0 : fault_prefix(fault, "setting 'listen'");
}

/* The hub's own door that this one is the same as, or NULL. */
static struct door *find_same(const struct hub *hub, const struct door *door)
{
    for (size_t i = 0; i < hub->door_count; i++) {
        struct door *old = &hub->doors[i];
        if (!old->stays && old->v6_only == door->v6_only && old->asked.port == door->asked.port &&
            strcmp(host_of(&old->asked), host_of(&door->asked)) == 0)
            return old;
    }
    return NULL;
}

static int plan(struct change *change, const struct host_port_list *list, struct fault *fault)
{
    if (list->count == 0)
        return fault_set(fault, "setting 'listen' is empty: name at least one ADDRESS:PORT");
    change->doors = calloc(list->count, sizeof *change->doors);
    if (!change->doors)
        return fault_set(fault, "out of memory for %zu listeners", list->count);
    change->count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        struct door *door = &change->doors[i];
        door->asked = list->items[i];
        door->v6_only = strcmp(host_of(&door->asked), ANY_V6) == 0 && door->asked.port != 0 &&
                        names_any_v4(list, door->asked.port);
        struct door *same = find_same(change->hub, door);
        if (!same)
            continue;
        same->stays = door->stays = true;
        door->listener = same->listener;
    }
    return 0;
}

/* One of the hub's doors that is to go and keeps the new one from being opened, as 127.0.0.1:2222
 * does when 0.0.0.0:2222 takes its place; or NULL.  One that stays is for the kernel to mind. */
static struct door *in_the_way(const struct change *change, const struct door *door)
{
    for (size_t i = 0; i < change->hub->door_count; i++) {
        struct door *old = &change->hub->doors[i];
        if (!old->stays && old->listener && tcp_listener_port(old->listener) == door->asked.port &&
            listen_addresses_overlap(tcp_listener_address(old->listener), host_of(&door->asked)))
            return old;
    }
    return NULL;
}

static void make_way(const struct change *change, const struct door *door)
{
    struct door *old;
    while ((old = in_the_way(change, door))) {
        old->asked.port = tcp_listener_port(old->listener); /* should it have to come back */
        tcp_listener_close(old->listener);
        old->listener = NULL;
    }
}

/* At the start it is the grant that cannot be published. */
static int check_grants(const struct change *change, const struct door *door, struct fault *fault)
{
    const struct site *site;
    if (!change->hub->doors)
        return 0;
    TAILQ_FOREACH(site, &change->hub->sites, entry)
    {
        const struct forward *forward = site_forward(site, door->asked.port);
        if (forward && forward->grant->address[0] != '\0' &&
            listen_addresses_overlap(forward->grant->address, host_of(&door->asked)))
            return fault_set(fault,
                             "setting 'listen': %s is granted to site %s: choose another port",
                             forward->listen, site->row.name);
    }
    return 0;
}

/* The new ones: first those that nothing of ours is in the way of. */
static int open_new(const struct change *change, bool making_way, struct fault *fault)
{
    for (size_t i = 0; i < change->count; i++) {
        struct door *door = &change->doors[i];
        if (door->listener || (!making_way && in_the_way(change, door)))
            continue;
        if (check_grants(change, door, fault) != 0)
            return -1;
        make_way(change, door);
        if (open_door(change, door, fault) != 0)
            return -1;
    }
    return 0;
}

/* The change failed: what was opened for it closes, what made way for it comes back. */
static void undo(struct change *change)
{
    struct hub *hub = change->hub;
    for (size_t i = 0; i < change->count; i++) {
        if (!change->doors[i].stays)
            tcp_listener_close(change->doors[i].listener);
    }
    free(change->doors);
    const struct change back = {hub, hub->doors, hub->door_count};
    for (size_t i = 0; i < hub->door_count; i++) {
        struct fault fault = {""};
        struct door *door = &hub->doors[i];
        door->stays = false;
        if (!door->listener && open_door(&back, door, &fault) != 0)
            log_error(SAY("a listener is lost"), KV("reason", fault.text));
    }
}

static void finish(const struct change *change)
{
    struct hub *hub = change->hub;
    size_t kept = 0;
    for (size_t i = 0; i < hub->door_count; i++) {
        if (!hub->doors[i].stays)
            tcp_listener_close(hub->doors[i].listener);
    }
    free(hub->doors);
    for (size_t i = 0; i < change->count; i++) {
        struct door *door = &change->doors[i];
        door->stays = false;
        if (door->listener)
            change->doors[kept++] = *door;
    }
    hub->doors = change->doors;
    hub->door_count = kept;
}

int doors_change(struct hub *hub, const struct host_port_list *list, struct fault *fault)
{
    struct change change = {.hub = hub};
    if (plan(&change, list, fault) != 0)
        return -1;
    if (open_new(&change, false, fault) != 0 || open_new(&change, true, fault) != 0) {
        undo(&change);
        return -1;
    }
    finish(&change);
    return 0;
}

int doors_open(struct hub *hub, struct fault *fault)
{
    return doors_change(hub, &hub->settings.listen, fault);
}

void doors_close(struct hub *hub)
{
    for (size_t i = 0; i < hub->door_count; i++)
        tcp_listener_close(hub->doors[i].listener);
    hub->door_count = 0;
    free(hub->doors);
    hub->doors = NULL;
}

bool doors_overlap(const struct hub *hub, const char *address, uint16_t port)
{
    for (size_t i = 0; i < hub->door_count; i++) {
        const struct tcp_listener *listener = hub->doors[i].listener;
        if (tcp_listener_port(listener) == port &&
            listen_addresses_overlap(tcp_listener_address(listener), address))
            return true;
    }
    return false;
}
