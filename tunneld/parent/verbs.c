/*
 * The control verbs as one table.  Arguments are checked here, against the table, so that a
 * handler finds what it asks for: an unknown argument is a mistake that somebody should hear of.
 */
#define _GNU_SOURCE
#include "parent/verbs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "parent/sites.h"
#include "parent/tracing.h"

/* Arguments: names with blanks between; after a name '#' a number, '?' a truth, '*' a list of
 * texts, '%' an object, nothing a text; then '!' for one that must be given. */
static const struct verb {
    const char *name;
    const char *args;
    verb_handler *handler;
} verbs[] = {
    {"version", "", verb_version},
    {"status", "", verb_status},
    {"metrics", "", verb_metrics},
    {"reload", "", verb_reload},
    {"log.level", "level! site", verb_log_level},
    {"host-key.show", "", verb_host_key_show},
    {"host-key.rotate", "", verb_host_key_rotate},
    {"events", "follow? since_s#", verb_events},
    {"export", "", verb_export},
    {"apply", "document%! dry_run? prune?", verb_apply},
    {"site.add", "name!", verb_site_add},
    {"site.list", "", verb_site_list},
    {"site.show", "name!", verb_site_show},
    {"site.enable", "name!", verb_site_enable},
    {"site.disable", "name!", verb_site_disable},
    {"site.remove", "name!", verb_site_remove},
    {"site.check", "name!", verb_site_check},
    {"site.rotate", "name!", verb_site_rotate},
    {"keyfile.issue", "site! hubs* expires_s# from allow_targets* replace?", verb_keyfile_issue},
    {"keyfile.list", "site", verb_keyfile_list},
    {"keyfile.revoke", "id!", verb_keyfile_revoke},
    {"port.allow", "site! port#! address target! policy%", verb_port_allow},
    {"port.set", "site! port#! address target policy%", verb_port_set},
    {"port.enable", "site! port#!", verb_port_enable},
    {"port.disable", "site! port#!", verb_port_disable},
    {"port.remove", "site! port#!", verb_port_remove},
    {"port.list", "site", verb_port_list},
    {"port.show", "site! port#!", verb_port_show},
    {"port.reset", "site! port#", verb_port_reset},
    {"outbound.allow", "site! target! port#! address", verb_outbound_allow},
    {"outbound.remove", "site! target!", verb_outbound_remove},
    {"outbound.list", "site", verb_outbound_list},
    {"operator.add", "name! key! sites*! expires_s#", verb_operator_add},
    {"operator.set", "name! key sites* expires_s#", verb_operator_set},
    {"operator.remove", "name!", verb_operator_remove},
    {"operator.list", "", verb_operator_list},
    {"session.list", "site", verb_session_list},
    {"session.kick", "site!", verb_session_kick},
    {"forward.list", "site", verb_forward_list},
    {"connection.list", "site", verb_connection_list},
    {"connection.close", "id#!", verb_connection_close},
};

#define VERB_COUNT (sizeof verbs / sizeof *verbs)

/* One name of a table row's `args`. */
struct expected {
    char name[32];
    char kind; /* '#', '?', '*', '%', or 't' */
    bool required;
};

/* Reads the next of `*spec`; false at its end. */
static bool next_expected(const char **spec, struct expected *out)
{
    *spec += strspn(*spec, " ");
    size_t length = strcspn(*spec, " ");
    if (length == 0)
        return false;
    size_t name = strcspn(*spec, " #?*%!");
    *out = (struct expected){.kind = 't'};
    memcpy(out->name, *spec, name < sizeof out->name ? name : sizeof out->name - 1);
    for (size_t i = name; i < length; i++) {
        if ((*spec)[i] == '!')
            out->required = true;
        else
            out->kind = (*spec)[i];
    }
    *spec += length;
    return true;
}

static bool is_text_list(const json_t *value)
{
    size_t index;
    const json_t *item;
    if (!json_is_array(value))
        return false;
    json_array_foreach(value, index, item)
    {
        if (!json_is_string(item))
            return false;
    }
    return true;
}

static int check_value(const struct expected *expected, const json_t *value, struct fault *fault)
{
    bool absent = !value || json_is_null(value);
    if (absent && expected->required)
        return fault_set(fault, "argument '%s' is missing", expected->name);
    if (absent)
        return 0;
    switch (expected->kind) {
    case '#':
        return json_is_integer(value)
                   ? 0
                   : fault_set(fault, "argument '%s' must be a whole number", expected->name);
    case '?':
        return json_is_boolean(value)
                   ? 0
                   : fault_set(fault, "argument '%s' must be true or false", expected->name);
    case '*':
        return is_text_list(value)
                   ? 0
                   : fault_set(fault, "argument '%s' must be a list of texts", expected->name);
    case '%':
        return json_is_object(value)
                   ? 0
                   : fault_set(fault, "argument '%s' must be an object", expected->name);
    default:
        return json_is_string(value)
                   ? 0
                   : fault_set(fault, "argument '%s' must be a text", expected->name);
    }
}

static bool is_known(const char *spec, const char *name)
{
    struct expected expected;
    while (next_expected(&spec, &expected)) {
        if (strcmp(expected.name, name) == 0)
            return true;
    }
    return false;
}

static int check_args(const struct verb *verb, const json_t *args, struct fault *fault)
{
    const char *spec = verb->args;
    struct expected expected;
    while (next_expected(&spec, &expected)) {
        if (check_value(&expected, json_object_get(args, expected.name), fault) != 0)
            return fault_prefix(fault, "%s", verb->name);
    }
    for (void *at = json_object_iter((json_t *)(uintptr_t)args); at;
         at = json_object_iter_next((json_t *)(uintptr_t)args, at)) {
        if (!is_known(verb->args, json_object_iter_key(at)))
            return fault_set(fault, "%s: there is no argument '%.64s'", verb->name,
                             json_object_iter_key(at));
    }
    return 0;
}

static void refuse_unknown(struct control_request *request, const char *name)
{
    const char *names[VERB_COUNT];
    for (size_t i = 0; i < VERB_COUNT; i++)
        names[i] = verbs[i].name;
    const char *nearest = text_nearest(name, names, VERB_COUNT);
    control_refuse(request, "there is no verb '%.64s'%s%s%s", name,
                   nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* The site that a verb is about, for its log level: its argument is called `site` or `name`. */
static const struct site *subject_of(const struct hub *hub, const json_t *args)
{
    const char *name = arg_text(args, "site");
    return site_find(hub, name[0] != '\0' ? name : arg_text(args, "name"));
}

void verbs_serve(void *owner, struct control_request *request)
{
    const char *name = control_request_verb(request);
    const json_t *args = control_request_args(request);
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verbs[i].name, name) != 0)
            continue;
        struct fault fault = {""};
        int before = tracing_enter(subject_of(owner, args));
        if (check_args(&verbs[i], args, &fault) == 0)
            verbs[i].handler(owner, request, args);
        else
            control_refuse(request, "%s", fault.text);
        (void)log_scope(before);
        return;
    }
    refuse_unknown(request, name);
}

const char *arg_text(const json_t *args, const char *name)
{
    const char *text = json_string_value(json_object_get(args, name));
    return text ? text : "";
}

int64_t arg_number(const json_t *args, const char *name)
{
    return json_integer_value(json_object_get(args, name));
}

bool arg_flag(const json_t *args, const char *name)
{
    return json_is_true(json_object_get(args, name));
}

static void refuse_unknown_site(struct hub *hub, struct control_request *request, const char *name)
{
    const char **names = calloc(hub->site_count + 1, sizeof *names);
    size_t count = 0;
    const struct site *site;
    TAILQ_FOREACH(site, &hub->sites, entry)
    {
        if (names)
            names[count++] = site->row.name;
    }
    const char *nearest = text_nearest(name, names, count);
    if (nearest)
        control_refuse(request, "there is no site '%.64s'; did you mean '%s'?", name, nearest);
    else
        control_refuse(request, "there is no site '%.64s': add it with 'tunnelctl site add'", name);
    free(names);
}

struct site *arg_site(struct hub *hub, struct control_request *request, const json_t *args,
                      const char *name)
{
    const char *wanted = arg_text(args, name);
    struct site *site = site_find(hub, wanted);
    if (!site)
        refuse_unknown_site(hub, request, wanted);
    return site;
}

bool arg_site_filter(struct hub *hub, struct control_request *request, const json_t *args,
                     const struct site **only)
{
    *only = NULL;
    if (arg_text(args, "site")[0] == '\0')
        return true;
    *only = arg_site(hub, request, args, "site");
    return *only != NULL;
}

void verb_done(struct hub *hub, struct control_request *request, const char *site,
               const char *format, ...)
{
    char detail[512];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(detail, sizeof detail, format, values);
    va_end(values);
    event_say(hub, control_request_verb(request), site, control_request_actor(request), NULL, "%s",
              detail);
}
