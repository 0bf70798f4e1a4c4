/* What the dialer is told about itself and the hub, as JSON in HELLO and SETTINGS. */
#define _GNU_SOURCE
#include "base/log.h"
#include "parent/dialer.h"

/* What names must not lead to, beside the interfaces' addresses, which the dialer sees itself. */
static json_t *own_hosts(const struct hub *hub)
{
    const struct host_port_list *const lists[] = {&hub->settings.listen,
                                                  &hub->settings.public_addresses};
    json_t *own = json_array();
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < lists[i]->count; j++) {
            const char *host = lists[i]->items[j].host;
            if (address_is_literal(host))
                (void)json_array_append_new(own, json_string(host));
        }
    }
    return own;
}

char *dialer_settings(const struct hub *hub)
{
    json_t *settings =
        json_pack("{s:s, s:s, s:s, s:o}", "log_level", log_level_name(log_get_level()),
                  "log_format", hub->settings.log_format == LOG_JSON ? "json" : "text", "user",
                  hub->settings.user ? hub->settings.user : "", "own", own_hosts(hub));
    char *text = settings ? json_dumps(settings, JSON_COMPACT) : NULL;
    json_decref(settings);
    return text;
}
