/* Forwards: the granted ports as they are now. */
#define _GNU_SOURCE
#include "tunnelctl/cell.h"
#include "tunnelctl/families.h"

static const struct column columns[] = {
    {"SITE", "site"},
    {"LISTEN", "listen"},
    {"TARGET", "target"},
    {"STATE", "state"},
    {"OPEN", "connections", .right = true},
    {"TOTAL", "connections_total", .right = true},
    {"WAITING", "waiting", .right = true},
    {"IN", "bytes_in", cell_bytes, .right = true},
    {"OUT", "bytes_out", cell_bytes, .right = true},
    {"ERRORS", "errors", .right = true},
    {"LAST OK", "last_ok", cell_ago},
    {"FAULT", "fault"},
    {"REASON", "reason"},
    {"LAST ERROR", "last_error"},
    {NULL},
};
static const struct listing listing = {
    columns,
    "no forwards; grant a port with: tunnelctl port allow SITE PORT --target HOST:PORT",
};

static const struct command commands[] = {
    {
        .words = "forward list",
        .alias = "forwards",
        .help = "List forwards: state, connections, bytes, errors",
        .verb = "forward.list",
        .options = optional_site_option,
        .listing = &listing,
    },
    {NULL},
};
const struct family forward_family = {"forwards", commands};
