/* STATE/agent.yaml: what is accepted can be asked what the agent may dial and where it may listen;
 * what is refused says in which file. */
#undef NDEBUG /* the checks are the point */
#define _GNU_SOURCE
#include "config/agent_settings.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool names(const struct text_list *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strchr(list->items[i], '*') || strcmp(list->items[i], text) == 0)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct agent_settings settings;
    struct fault fault = {""};
    struct host_port target;

    if (agent_settings_parse((const char *)data, size, "f", &settings, &fault) != 0) {
        assert(strncmp(fault.text, "f:", 2) == 0);
        return 0;
    }
    assert(host_port_parse("192.0.2.1:443", true, &target, &fault) == 0);
    if (agent_target_allowed(&settings.allow_targets, &target))
        assert(names(&settings.allow_targets, "192.0.2.1:443"));
    if (agent_listen_allowed(&settings.allow_listen, &target))
        assert(names(&settings.allow_listen, "192.0.2.1:443"));
    for (size_t i = 0; i < settings.allow_targets.count; i++)
        assert(allow_target_check(settings.allow_targets.items[i], &fault) == 0);
    agent_settings_release(&settings);
    return 0;
}
