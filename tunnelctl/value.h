/*
 * Readers of values as people write them.  A value of the wrong form is refused here with a
 * sentence; the hub checks everything again.
 */
#ifndef TUNNELCTL_VALUE_H
#define TUNNELCTL_VALUE_H

#include "tunnelctl/command.h"

value_reader read_text;         /* anything but nothing */
value_reader read_site;         /* a site's name */
value_reader read_port;         /* 1..65535 */
value_reader read_listen;       /* "[ADDR:]PORT"; ADDR goes to "address" beside */
value_reader read_host_port;    /* "HOST:PORT" */
value_reader read_hub;          /* "HOST[:PORT]", with the usual port */
value_reader read_allow_target; /* "HOST:PORT", either may be "*" */
value_reader read_network;      /* "192.0.2.0/24", or one address */
value_reader read_duration;     /* "72h", in seconds */
value_reader read_since;        /* a duration, or a time in RFC 3339, as seconds ago */
value_reader read_number;       /* from 1 */
value_reader read_level;        /* a log level, or "default" */

#endif
