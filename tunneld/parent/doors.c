/* The listeners for SSH: which addresses, and how `::` and 0.0.0.0 share a port. */
#define _GNU_SOURCE
#include "parent/doors.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "parent/grants.h"
#include "parent/sessions.h"
#include "parent/tcp_listener.h"

#define ANY_V4 "0.0.0.0"
#define ANY_V6 "::"

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
static bool is_open(const struct hub *hub, const char *address, uint16_t port)
{
    for (size_t i = 0; i < hub->door_count; i++) {
        if (port != 0 && tcp_listener_port(hub->doors[i]) == port &&
            strcmp(tcp_listener_address(hub->doors[i]), address) == 0)
            return true;
    }
    return false;
}

static int open_door(struct hub *hub, const struct host_port *listen, struct fault *fault)
{
    const char *host = host_of(listen);
    bool v6_only = strcmp(host, ANY_V6) == 0 && listen->port != 0 &&
                   names_any_v4(&hub->settings.listen, listen->port);
    struct tcp_listener *door;
    if (is_open(hub, host, listen->port))
        return 0;
    int rc = tcp_listener_open(hub->loop, host, listen->port, v6_only, session_accept, hub, &door,
                               fault);
    if (rc != 0 && v6_only && !tcp_has_v6()) {
        log_warning(SAY("IPv6 is not available here: listening on IPv4 alone"));
        return 0;
    }
    if (rc != 0)
        return fault_prefix(fault, "setting 'listen'");
    hub->doors[hub->door_count++] = door;
    return 0;
}

int doors_open(struct hub *hub, struct fault *fault)
{
    const struct host_port_list *list = &hub->settings.listen;
    if (list->count == 0)
        return fault_set(fault, "setting 'listen' is empty: name at least one ADDRESS:PORT");
    hub->doors = calloc(list->count, sizeof *hub->doors);
    if (!hub->doors)
        return fault_set(fault, "out of memory for %zu listeners", list->count);
    for (size_t i = 0; i < list->count; i++) {
        if (open_door(hub, &list->items[i], fault) != 0)
            return -1;
    }
    return 0;
}

void doors_close(struct hub *hub)
{
    for (size_t i = 0; i < hub->door_count; i++)
        tcp_listener_close(hub->doors[i]);
    hub->door_count = 0;
    free(hub->doors);
    hub->doors = NULL;
}

bool doors_overlap(const struct hub *hub, const char *address, uint16_t port)
{
    for (size_t i = 0; i < hub->door_count; i++) {
        if (tcp_listener_port(hub->doors[i]) == port &&
            listen_addresses_overlap(tcp_listener_address(hub->doors[i]), address))
            return true;
    }
    return false;
}
