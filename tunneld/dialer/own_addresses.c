/* Which addresses are the hub's own.  What they are good for is not known here. */
#define _GNU_SOURCE
#include "dialer/own_addresses.h"

#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"

#define GOOD_FOR_MS 1000
#define FIRST_ROOM  16

static int add(struct own_addresses *own, const struct sockaddr *address)
{
    if (own->count == own->room) {
        size_t room = own->room > 0 ? 2 * own->room : FIRST_ROOM;
        struct dial_address *items = realloc(own->items, room * sizeof *items);
        if (!items)
            return -1;
        own->items = items;
        own->room = room;
    }
    if (dial_address_from(address, &own->items[own->count]))
        own->count++; /* others are no Internet addresses */
    return 0;
}

void own_addresses_release(struct own_addresses *own)
{
    free(own->items);
    memset(own, 0, sizeof *own);
}

int own_addresses_name(struct own_addresses *own, const char *host)
{
    struct sockaddr_storage address;
    struct fault fault;
    socklen_t length;
    if (address_from_literal(host, 0, &address, &length, &fault) != 0 ||
        add(own, (const struct sockaddr *)&address) != 0)
        return -1;
    own->named = own->count;
    return 0;
}

int own_addresses_read(struct own_addresses *own, uint64_t now_ms)
{
    struct ifaddrs *list;
    int code = 0;
    if (own->read_at_ms != 0 && now_ms - own->read_at_ms < GOOD_FOR_MS)
        return 0;
    if (getifaddrs(&list) != 0)
        return -1;
    own->count = own->named;
    own->read_at_ms = 0;
    for (const struct ifaddrs *entry = list; entry && code == 0; entry = entry->ifa_next) {
        if (entry->ifa_addr)
            code = add(own, entry->ifa_addr);
    }
    freeifaddrs(list);
    if (code == 0)
        own->read_at_ms = now_ms;
    return code;
}
