/* Sites: adding, looking, disabling, removing, and the chain of checks for one. */
#define _GNU_SOURCE
#include <string.h>

#include "tunnelctl/cell.h"
#include "tunnelctl/families.h"
#include "tunnelctl/hub.h"
#include "tunnelctl/run.h"
#include "tunnelctl/value.h"

const struct parameter optional_site_argument[] = {
    {"SITE", "site", read_site, .help = "of this site only"},
    {NULL},
};
const struct parameter optional_site_option[] = {
    {"--site", "site", read_site, "SITE", "of this site only"},
    {NULL},
};

static const struct parameter name_argument[] = {
    {"NAME", "name", read_site, .help = "the site's name: a lowercase host name", .required = true},
    {NULL},
};

static const struct column site_columns[] = {
    {"SITE", "name"},
    {"STATE", "state"},
    {"FORWARDS", "forwards", .right = true},
    {"GRANTS", "grants", .right = true},
    {"KEY", "key"},
    {"LAST SEEN", "last_seen", cell_ago},
    {"LAST REASON", "last_reason"},
    {NULL},
};
static const struct listing site_listing = {
    site_columns,
    "no sites yet; add one with: tunnelctl site add NAME",
};

static const struct column key_columns[] = {
    {"FINGERPRINT", "fingerprint"},
    {"STATE", "state"},
    {"SINCE", "since"},
    {NULL},
};
static const struct listing key_listing = {key_columns, "no keys"};

static const struct column show_fields[] = {
    {"site", "name"},
    {"state", "state"},
    {"enabled", "enabled"},
    {"key", "key"},
    {"forwards", "forwards"},
    {"last seen", "last_seen", cell_until},
    {"last reason", "last_reason"},
    {"created", "created", cell_until},
    {"own log level", "log_level"},
    {NULL},
};
static const struct section show_sections[] = {
    {"keys", "keys", &key_listing},
    {"keyfiles", "keyfiles", &keyfile_listing},
    {"grants", "grants", &port_listing},
    {"outbound grants", "outbound", &outbound_listing},
    {"sessions", "sessions", &session_listing},
    {NULL},
};

static const struct column check_columns[] = {
    {"COMPONENT", "component"},
    {"TARGET", "target"},
    {"VERDICT", "verdict"},
    {"DETAIL", "detail"},
    {NULL},
};
static const struct listing check_listing = {check_columns, "nothing to check", "advice"};

/* Like any list, but a failed check is a failure. */
static enum outcome check_site(struct invocation *invocation, struct fault *fault)
{
    json_t *data = NULL;
    enum outcome outcome =
        hub_ask(invocation, invocation->command->verb, invocation->args, &data, fault);
    if (outcome != DONE)
        return outcome;
    size_t failed = 0;
    for (size_t i = 0; i < json_array_size(data); i++) {
        json_t *verdict = json_object_get(json_array_get(data, i), "verdict");
        if (json_is_string(verdict) && strcmp(json_string_value(verdict), "FAIL") == 0)
            failed++;
    }
    command_show(invocation, data);
    if (failed > 0) {
        fault_set(fault, "%zu of %zu checks failed", failed, json_array_size(data));
        outcome = REFUSED;
    }
    json_decref(data);
    return outcome;
}

static const struct command commands[] = {
    {
        .words = "site add",
        .help = "Make a site known; it needs grants and a keyfile next",
        .verb = "site.add",
        .arguments = name_argument,
        .done = "site '{name}' is added; next: tunnelctl port allow {name} PORT --target HOST:PORT",
    },
    {
        .words = "site list",
        .alias = "sites",
        .help = "List all sites",
        .verb = "site.list",
        .listing = &site_listing,
    },
    {
        .words = "site show",
        .help = "Show a site with its keys, keyfiles, grants and sessions",
        .verb = "site.show",
        .arguments = name_argument,
        .block = show_fields,
        .sections = show_sections,
    },
    {
        .words = "site check",
        .help = "Check all that a site needs, and say what to do about what fails",
        .verb = "site.check",
        .arguments = name_argument,
        .listing = &check_listing,
        .run = check_site,
    },
    {
        .words = "site rotate",
        .help = "Ask a site's agent for a new key; its connections go on",
        .verb = "site.rotate",
        .arguments = name_argument,
        .done = "site '{name}' is asked for a new key in place of {key}; see: tunnelctl site show "
                "{name}",
    },
    {
        .words = "site disable",
        .help = "End a site's sessions and refuse it, but forget nothing",
        .verb = "site.disable",
        .arguments = name_argument,
        .done = "site '{name}' is disabled; its sessions and listeners are closed",
    },
    {
        .words = "site enable",
        .help = "Let a disabled site back in",
        .verb = "site.enable",
        .arguments = name_argument,
        .done = "site '{name}' is enabled",
    },
    {
        .words = "site remove",
        .help = "Forget a site, its keys, keyfiles and grants",
        .verb = "site.remove",
        .arguments = name_argument,
        .question = "Remove site '{NAME}', its key and {grants|grant}?",
        .question_verb = "site.show",
        .done = "site '{name}' is removed",
    },
    {NULL},
};
const struct family site_family = {"sites", commands};
