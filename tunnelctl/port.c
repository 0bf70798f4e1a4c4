/* Grants: which ports a site may publish, where they lead, and who may connect. */
#define _GNU_SOURCE
#include "tunnelctl/cell.h"
#include "tunnelctl/families.h"
#include "tunnelctl/hub.h"
#include "tunnelctl/policy.h"
#include "tunnelctl/run.h"
#include "tunnelctl/value.h"

static const struct column port_columns[] = {
    {"SITE", "site"},
    {"LISTEN", "listen"},
    {"TARGET", "target"},
    {"ENABLED", "enabled"},
    {"STATE", "state"},
    {"POLICY", "policy", cell_policy},
    {"REFUSED", "refused_total", .right = true},
    {"REASON", "reason"},
    {NULL},
};
const struct listing port_listing = {
    port_columns,
    "no grants; add one with: tunnelctl port allow SITE PORT --target HOST:PORT",
};

static const struct parameter allow_arguments[] = {
    {"SITE", "site", read_site, .help = "who may publish it", .required = true},
    {"[ADDR:]PORT", "port", read_listen,
     .help = "where visitors reach it on the hub; IPv6 as [2001:db8::1]:8443", .required = true},
    {NULL},
};
static const struct parameter port_arguments[] = {
    {"SITE", "site", read_site, .help = "whose grant it is", .required = true},
    {"PORT", "port", read_port, .help = "the grant's port on the hub", .required = true},
    {NULL},
};
static const struct parameter some_port_arguments[] = {
    {"SITE", "site", read_site, .help = "whose grants they are", .required = true},
    {"PORT", "port", read_port, .help = "of this port only"},
    {NULL},
};
static const struct parameter allow_options[] = {
    {"--target", "target", read_host_port, "HOST:PORT", "what the agent dials at the site",
     .required = true},
    POLICY_OPTIONS,
    {NULL},
};
static const struct parameter set_options[] = {
    {"--target", "target", read_host_port, "HOST:PORT", "what the agent dials at the site"},
    {"--address", "address", read_text, "ADDR", "the hub's address that visitors reach"},
    POLICY_OPTIONS,
    {NULL},
};

static const struct column show_fields[] = {
    {"site", "site"},
    {"listen", "listen"},
    {"target", "target"},
    {"enabled", "enabled"},
    {"state", "state"},
    {"reason", "reason"},
    {"private", "private"},
    {"visitors from", "from"},
    {"most connections", "max_connections"},
    {"most new a second", "max_rate"},
    {"bandwidth in", "bandwidth_in", cell_rate},
    {"bandwidth out", "bandwidth_out", cell_rate},
    {"connect timeout", "connect_timeout_s", cell_duration},
    {"idle timeout", "idle_timeout_s", cell_duration},
    {"expires", "expires", cell_until},
    {"hold", "hold_s", cell_duration},
    {"target check", "target_check_s", cell_target_check},
    {"PROXY protocol", "proxy_protocol"},
    {"connections", "connections"},
    {"waiting", "waiting"},
    {"connections so far", "connections_total"},
    {"bytes in", "bytes_in", cell_bytes},
    {"bytes out", "bytes_out", cell_bytes},
    {"errors", "errors"},
    {"last error", "last_error"},
    {"refused", "refused_total"},
    {"refused because of", "refused", cell_refused},
    {"created", "created", cell_until},
    {NULL},
};

/* A block's fields stand beside each other, the policy's items within: they are lifted out. */
static enum outcome show_port(struct invocation *invocation, struct fault *fault)
{
    json_t *data = NULL;
    enum outcome outcome =
        hub_ask(invocation, invocation->command->verb, invocation->args, &data, fault);
    if (outcome != DONE)
        return outcome;
    if (!invocation->json)
        (void)json_object_update_missing(data, json_object_get(data, "policy"));
    command_show(invocation, data);
    json_decref(data);
    return DONE;
}

static const struct command commands[] = {
    {
        .words = "port allow",
        .help = "Grant a site a port of the hub",
        .verb = "port.allow",
        .arguments = allow_arguments,
        .options = allow_options,
        .done = "site '{site}' may publish {listen}, which leads to {target}",
    },
    {
        .words = "port set",
        .help = "Change a grant's target, or who may connect; what is not named stays",
        .verb = "port.set",
        .arguments = port_arguments,
        .options = set_options,
        .done = "port {PORT} of site '{SITE}' is changed: {listen} leads to {target}",
    },
    {
        .words = "port enable",
        .help = "Let a disabled grant be published again",
        .verb = "port.enable",
        .arguments = port_arguments,
        .done = "port {PORT} of site '{SITE}' is enabled",
    },
    {
        .words = "port disable",
        .help = "Close a port and its connections, but keep the grant",
        .verb = "port.disable",
        .arguments = port_arguments,
        .done = "port {PORT} of site '{SITE}' is disabled and closed",
    },
    {
        .words = "port remove",
        .help = "Close a port and its connections, and forget the grant",
        .verb = "port.remove",
        .arguments = port_arguments,
        .question = "Remove port {PORT} of site '{SITE}', and close its connections?",
        .done = "port {PORT} of site '{SITE}' is removed",
    },
    {
        .words = "port list",
        .alias = "ports",
        .help = "List the grants",
        .verb = "port.list",
        .arguments = optional_site_argument,
        .listing = &port_listing,
    },
    {
        .words = "port show",
        .help = "Show a grant with its policy and counters",
        .verb = "port.show",
        .arguments = port_arguments,
        .block = show_fields,
        .run = show_port,
    },
    {
        .words = "port reset",
        .help = "Set the counters of a site's forwards, or of one, back to 0",
        .verb = "port.reset",
        .arguments = some_port_arguments,
        .done = "the counters of {forwards|forward} of site '{site}' begin at 0 again",
    },
    {NULL},
};
const struct family port_family = {"ports", commands};
