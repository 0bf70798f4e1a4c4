/*
 * A grant's policy: its options on the command line, and its items as people read them.  The hub
 * judges what an item may be; here only what has no meaning at all is wrong.
 */
#ifndef TUNNELCTL_POLICY_H
#define TUNNELCTL_POLICY_H

#include "tunnelctl/command.h"

/* Each puts its item into the object `policy` of the args.  The word behind the last '|' of the
 * placeholder puts an item back to its default. */
value_reader read_policy_network, read_policy_count, read_policy_rate, read_policy_duration,
    read_policy_expires, read_policy_protocol, read_policy_private, read_policy_check;

/* Of `port allow` and `port set` alike. */
/* clang-format off */
#define POLICY_OPTIONS \
    {"--from", "from", read_policy_network, "CIDR|any", \
     "the network that visitors come from", .many = true}, \
    {"--max-connections", "max_connections", read_policy_count, "N|none", "connections at once"}, \
    {"--max-rate", "max_rate", read_policy_count, "N|none", "new connections a second"}, \
    {"--bandwidth-in", "bandwidth_in", read_policy_rate, "RATE|none", \
     "bytes a second to the target, of all connections: 500k, 10M, 64Ki"}, \
    {"--bandwidth-out", "bandwidth_out", read_policy_rate, "RATE|none", \
     "bytes a second to the visitors"}, \
    {"--connect-timeout", "connect_timeout_s", read_policy_duration, "DUR|default", \
     "how long the target may take to answer"}, \
    {"--idle-timeout", "idle_timeout_s", read_policy_duration, "DUR|none", \
     "end a connection that is silent for so long"}, \
    {"--expires", "expires", read_policy_expires, "DUR|TIME|never", "when the grant ends"}, \
    {"--hold", "hold_s", read_policy_duration, "DUR|default", \
     "how long visitors wait for a site that went away"}, \
    {"--target-check", "target_check_s", read_policy_check, "DUR|off|default", \
     "try the target through the tunnel once in this time, without a visitor"}, \
    {"--proxy-protocol", "proxy_protocol", read_policy_protocol, "v1|v2|off", \
     "tell the target who the visitor is"}, \
    {"--private", "private", read_policy_private, "yes|no", \
     "nothing listens, operators alone reach it; 'yes' may be left out", .bare = "yes"}
/* clang-format on */

/* "from 192.0.2.0/24, max 10, private": what is not at its default. */
cell_writer cell_policy;
cell_writer cell_refused;      /* {"network": 3, "rate": 0}: "network 3" */
cell_writer cell_duration;     /* seconds: "1h30m" */
cell_writer cell_rate;         /* "10M/s" */
cell_writer cell_target_check; /* seconds; 0: "off" */

#endif
