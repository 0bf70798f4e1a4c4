/* Connections: each visitor who is being served. */
#define _GNU_SOURCE
#include "tunnelctl/cell.h"
#include "tunnelctl/families.h"
#include "tunnelctl/value.h"

static const struct column columns[] = {
    {"ID", "id", .right = true},
    {"SITE", "site"},
    {"WAY", "direction"},
    {"LISTEN", "listen"},
    {"VISITOR", "visitor"},
    {"TARGET", "target"},
    {"STATE", "state"},
    {"START", "since"},
    {"DURATION", "duration_s", cell_age, .right = true},
    {"IN", "bytes_in", cell_bytes, .right = true},
    {"OUT", "bytes_out", cell_bytes, .right = true},
    {NULL},
};
static const struct listing listing = {columns, "no connections"};

static const struct parameter id_argument[] = {
    {"ID", "id", read_number, .help = "as 'connection list' shows it", .required = true},
    {NULL},
};

static const struct command commands[] = {
    {
        .words = "connection list",
        .alias = "connections",
        .help = "List visitors' connections: start, duration, bytes",
        .verb = "connection.list",
        .options = optional_site_option,
        .listing = &listing,
    },
    {
        .words = "connection close",
        .help = "Cut one visitor's connection",
        .verb = "connection.close",
        .arguments = id_argument,
        .question = "Close connection {ID}?",
        .done = "connection {id} is closed",
    },
    {NULL},
};
const struct family connection_family = {"connections", commands};
