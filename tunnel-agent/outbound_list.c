/* Reading the list of outbound grants.  What becomes of an entry is decided elsewhere. */
#define _GNU_SOURCE
#include "outbound_list.h"

#include <string.h>

static int read_entry(const json_t *entry, struct outbound_entry *out, struct fault *fault)
{
    const char *listen = json_string_value(json_object_get(entry, "listen"));
    const char *target = json_string_value(json_object_get(entry, "target"));
    if (listen == NULL || target == NULL)
        return fault_set(fault, "an entry without listen or target");
    if (host_port_parse(listen, false, &out->listen, fault) != 0 ||
        host_port_parse(target, false, &out->target, fault) != 0)
        return -1;
    if (!address_is_literal(out->listen.host))
        return fault_set(fault, "'%s' does not begin with an IP address", listen);
    return 0;
}

static bool same(const struct host_port *a, const struct host_port *b)
{
    return a->port == b->port && host_same(a->host, b->host);
}

bool outbound_entry_same(const struct outbound_entry *a, const struct outbound_entry *b)
{
    return same(&a->listen, &b->listen) && same(&a->target, &b->target);
}

static int check_twice(const struct outbound_list *list, struct fault *fault)
{
    const struct host_port *last = &list->items[list->count].listen;
    char text[HOST_PORT_SIZE];
    for (size_t i = 0; i < list->count; i++) {
        if (same(&list->items[i].listen, last))
            return fault_set(fault, "%s is listed twice",
                             host_port_format(last->host, last->port, text));
    }
    return 0;
}

int outbound_list_read(const json_t *snapshot, struct outbound_list *out, struct fault *fault)
{
    const json_t *entries = json_object_get(snapshot, "outbound");
    const json_t *entry;
    size_t index;
    struct outbound_list list = {.count = 0};
    if (entries != NULL && !json_is_array(entries))
        return fault_set(fault, "the hub's list of outbound grants is no list");
    if (json_array_size(entries) > OUTBOUND_MAX)
        return fault_set(fault, "the hub lists %zu outbound grants, at most %d are taken",
                         json_array_size(entries), OUTBOUND_MAX);
    json_array_foreach(entries, index, entry)
    {
        if (read_entry(entry, &list.items[index], fault) != 0 || check_twice(&list, fault) != 0)
            return fault_prefix(fault, "outbound grant %zu of the hub's list", index + 1);
        list.count++;
    }
    *out = list;
    return 0;
}
