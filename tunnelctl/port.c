/* Grants: which ports a site may publish, and where they lead. */
#define _GNU_SOURCE
#include "tunnelctl/families.h"
#include "tunnelctl/value.h"

static const struct column port_columns[] = {
    {"SITE", "site"},
    {"LISTEN", "listen"},
    {"TARGET", "target"},
    {"ENABLED", "enabled"},
    {"STATE", "state"},
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
static const struct parameter target_option[] = {
    {"--target", "target", read_host_port, "HOST:PORT", "what the agent dials at the site",
     .required = true},
    {NULL},
};

static const struct command commands[] = {
    {
        .words = "port allow",
        .help = "Grant a site a port of the hub",
        .verb = "port.allow",
        .arguments = allow_arguments,
        .options = target_option,
        .done = "site '{site}' may publish {listen}, which leads to {target}",
    },
    {
        .words = "port set",
        .help = "Let a granted port lead to another target",
        .verb = "port.set",
        .arguments = port_arguments,
        .options = target_option,
        .done = "port {PORT} of site '{SITE}' leads to {target} now",
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
    {NULL},
};
const struct family port_family = {"ports", commands};
