/*
 * Reload: the settings file is read anew and compared with what is in force, setting by setting.
 * What can fail (the file, the control socket's group, a listener) comes first, so that a reload
 * that is refused has changed nothing.  Which settings are live says the schema.
 */
#define _GNU_SOURCE
#include "parent/reload.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/notify.h"
#include "parent/dialer.h"
#include "parent/doors.h"
#include "parent/workers.h"

#define SIGNAL_ACTOR "SIGHUP"
#define DETAIL_SIZE  512

static void on_difference(void *owner, const char *name, bool live, const char *from,
                          const char *to)
{
    json_t *list = json_object_get(owner, live ? "changed" : "restart");
    (void)json_array_append_new(
        list, json_pack("{s:s, s:s, s:s}", "setting", name, "from", from, "to", to));
}

/* {changed, restart}, or NULL and a fault. */
static json_t *compare(const struct hub *hub, const struct hub_settings *fresh, struct fault *fault)
{
    json_t *report = json_pack("{s:[], s:[]}", "changed", "restart");
    if (!report) {
        (void)fault_set(fault, "out of memory");
        return NULL;
    }
    if (hub_settings_compare(&hub->settings, fresh, on_difference, report, fault) == 0)
        return report;
    json_decref(report);
    return NULL;
}

static bool names(const json_t *report, const char *setting)
{
    size_t index;
    const json_t *change;
    json_array_foreach(json_object_get(report, "changed"), index, change)
    {
        if (strcmp(json_string_value(json_object_get(change, "setting")), setting) == 0)
            return true;
    }
    return false;
}

/* What is refused leaves everything as it was. */
static int apply_fallible(struct hub *hub, const struct hub_settings *fresh, const json_t *report,
                          struct fault *fault)
{
    struct fault ignored = {""};
    bool regroup = names(report, "control_group");
    if (regroup && control_server_share(hub->control, fresh->control_group, fault) != 0)
        return fault_prefix(fault, "setting 'control_group'");
    if (!names(report, "listen") || doors_change(hub, &fresh->listen, fault) == 0)
        return 0;
    if (regroup && control_server_share(hub->control, hub->settings.control_group, &ignored) != 0)
        log_error(SAY("the control socket keeps its new group"), KV("reason", ignored.text));
    return -1;
}

static void adopt(struct hub *hub, struct hub_settings *fresh, const json_t *report)
{
    hub_settings_adopt_live(&hub->settings, fresh);
    if (names(report, "log_level") || names(report, "log_format"))
        hub_apply_log_settings(hub);
    workers_tell_settings(hub);
    dialer_tell_settings(hub);
    if (names(report, "target_check"))
        target_checks_start(hub);
}

/* "keepalive 30s -> 45s", behind what is there; what does not fit is left out. */
static void describe(const json_t *changes, const char *after, char text[DETAIL_SIZE])
{
    size_t index;
    json_t *change;
    json_array_foreach(changes, index, change)
    {
        const char *name = "", *from = "", *to = "";
        size_t used = strlen(text);
        (void)json_unpack(change, "{s:s, s:s, s:s}", "setting", &name, "from", &from, "to", &to);
        (void)snprintf(text + used, DETAIL_SIZE - used, "%s%s %s -> %s%s", used > 0 ? ", " : "",
                       name, from, to, after);
    }
}

static void tell(struct hub *hub, const char *actor, const json_t *report)
{
    char detail[DETAIL_SIZE] = "";
    describe(json_object_get(report, "changed"), "", detail);
    describe(json_object_get(report, "restart"), " (wants a restart)", detail);
    event_say(hub, "reload", NULL, actor, NULL, "%s",
              detail[0] != '\0' ? detail : "nothing changed");
}

static int take_over(struct hub *hub, struct hub_settings *fresh, const char *actor,
                     json_t **report, struct fault *fault)
{
    json_t *differences = compare(hub, fresh, fault);
    if (!differences)
        return -1;
    if (apply_fallible(hub, fresh, differences, fault) != 0) {
        json_decref(differences);
        return -1;
    }
    adopt(hub, fresh, differences);
    tell(hub, actor, differences);
    *report = differences;
    return 0;
}

int reload(struct hub *hub, const char *actor, json_t **report, struct fault *fault)
{
    struct hub_settings fresh = {0};
    if (hub->stopping)
        return fault_set(fault, "the hub is stopping");
    notify_reloading();
    int rc = hub_settings_load(hub->settings_path, &fresh, fault);
    if (rc == 0) {
        rc = take_over(hub, &fresh, actor, report, fault);
        hub_settings_release(&fresh);
    }
    notify_ready();
    return rc;
}

void reload_on_signal(struct hub *hub)
{
    struct fault fault = {""};
    json_t *report = NULL;
    if (reload(hub, SIGNAL_ACTOR, &report, &fault) != 0)
        log_warning(SAY("settings are not reloaded"), KV("reason", fault.text));
    json_decref(report);
}
