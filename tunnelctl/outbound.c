/* Outbound grants: what a site may reach through the hub. */
#define _GNU_SOURCE
#include "tunnelctl/cell.h"
#include "tunnelctl/families.h"
#include "tunnelctl/value.h"

static const struct column columns[] = {
    {"SITE", "site"},
    {"LISTEN", "listen"},
    {"TARGET", "target"},
    {"STATE", "state"},
    {"OPEN", "connections", .right = true},
    {"TOTAL", "connections_total", .right = true},
    {"IN", "bytes_in", cell_bytes, .right = true},
    {"OUT", "bytes_out", cell_bytes, .right = true},
    {"ERRORS", "errors", .right = true},
    {"REFUSED", "refused", .right = true},
    {"REASON", "reason"},
    {"LAST ERROR", "last_error"},
    {NULL},
};
const struct listing outbound_listing = {
    columns,
    "no outbound grants; add one with: tunnelctl outbound allow SITE HOST:PORT --listen PORT",
};

static const struct parameter arguments[] = {
    {"SITE", "site", read_site, .help = "whose clients may reach it", .required = true},
    {"HOST:PORT", "target", read_host_port, .help = "what the hub dials", .required = true},
    {NULL},
};
static const struct parameter listen_option[] = {
    {"--listen", "port", read_listen, "[ADDR:]PORT",
     "where the agent listens at the site; 127.0.0.1 unless an address is given", .required = true},
    {NULL},
};

static const struct command commands[] = {
    {
        .words = "outbound allow",
        .help = "Let a site reach one host and port through the hub",
        .verb = "outbound.allow",
        .arguments = arguments,
        .options = listen_option,
        .done = "site '{site}' may reach {target} by its own {listen}",
    },
    {
        .words = "outbound remove",
        .help = "Forget an outbound grant, and close its connections",
        .verb = "outbound.remove",
        .arguments = arguments,
        .question = "Remove the outbound grant of site '{SITE}' for {HOST:PORT}, and close its "
                    "connections?",
        .done = "site '{site}' may not reach {target} any more",
    },
    {
        .words = "outbound list",
        .help = "List outbound grants: state, connections, bytes, errors",
        .verb = "outbound.list",
        .arguments = optional_site_argument,
        .listing = &outbound_listing,
    },
    {NULL},
};
const struct family outbound_family = {"outbound grants", commands};
