/* Sessions: who is connected, from the sites and as operators, since when and how well. */
#define _GNU_SOURCE
#include "tunnelctl/cell.h"
#include "tunnelctl/families.h"
#include "tunnelctl/value.h"

static const struct column session_columns[] = {
    {"SITE", "site"},
    {"OPERATOR", "operator"},
    {"ROLE", "role"},
    {"PEER", "peer"},
    {"SOFTWARE", "software"},
    {"CIPHER", "cipher"},
    {"SINCE", "since_s", cell_age, .right = true},
    {"RTT", "rtt_ms", cell_ms, .right = true},
    {"RECONNECTS", "reconnects", .right = true},
    {"LAST DISCONNECT", "last_disconnect", cell_ago},
    {"REASON", "last_reason"},
    {NULL},
};
const struct listing session_listing = {session_columns, "nobody is connected"};

static const struct parameter site_argument[] = {
    {"SITE", "site", read_site, .help = "whose sessions", .required = true},
    {NULL},
};

static const struct command commands[] = {
    {
        .words = "session list",
        .alias = "sessions",
        .help = "List the sessions of sites and operators",
        .verb = "session.list",
        .arguments = optional_site_argument,
        .listing = &session_listing,
    },
    {
        .words = "session kick",
        .help = "End a site's sessions; an agent will come back",
        .verb = "session.kick",
        .arguments = site_argument,
        .question = "End the sessions of site '{SITE}', and all their connections?",
        .done = "ended {closed|session} of site '{SITE}'",
    },
    {NULL},
};
const struct family session_family = {"sessions", commands};
