/* Ways through: what an operator does with a site's port, rather than about it. */
#define _GNU_SOURCE
#include "tunnelctl/families.h"
#include "tunnelctl/value.h"

static const struct parameter arguments[] = {
    {"SITE", NULL, read_site, .help = "the site", .required = true},
    {"PORT", NULL, read_port, .help = "a port granted to it", .required = true},
    {NULL},
};

#define ACCESS_OPTIONS                                                                             \
    {"--hub", NULL, read_hub, "HOST:PORT", "the hub's SSH port"},                                  \
        {"--user", NULL, read_site, "NAME", "the operator's name there"},                          \
        {"--identity", NULL, read_text, "FILE",                                                    \
         "the operator's private key; else those of an ssh-agent"},                                \
    {                                                                                              \
        "--known-hosts", NULL, read_text, "FILE", "hosts' keys; ~/.ssh/known_hosts unless given"   \
    }

static const struct parameter connect_options[] = {ACCESS_OPTIONS, {NULL}};
static const struct parameter probe_options[] = {
    ACCESS_OPTIONS,
    {"--wait", NULL, read_duration, "DUR", "for the target's first bytes; 3s unless given"},
    {"--send", NULL, read_text, "TEXT", "what the target is told first; \\r \\n \\xHH are bytes"},
    {NULL},
};

static const struct command commands[] = {
    {
        .words = "connect",
        .help = "Connect to a site's port as an operator, on standard input and output",
        .arguments = arguments,
        .options = connect_options,
        .run = connect_site,
    },
    {
        .words = "probe",
        .help = "Try the whole way to a site's port, step by step, and say what is broken",
        .arguments = arguments,
        .options = probe_options,
        .run = probe_site,
    },
    {NULL},
};
const struct family through_family = {"ways through", commands};
