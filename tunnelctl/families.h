/* The families of commands, and the tables that more than one of them shows. */
#ifndef TUNNELCTL_FAMILIES_H
#define TUNNELCTL_FAMILIES_H

#include "tunnelctl/command.h"

extern const struct family daemon_family, site_family, keyfile_family, port_family, session_family,
    forward_family, connection_family, through_family, outbound_family, operator_family,
    events_family, apply_family, completion_family;

extern const struct listing keyfile_listing, outbound_listing, port_listing, session_listing;

/* [SITE] and --site, for the lists that can be narrowed. */
extern const struct parameter optional_site_argument[], optional_site_option[];

/* `keyfile inspect`, which asks no hub. */
enum outcome keyfile_inspect(struct invocation *invocation, struct fault *fault);
/* `complete`: what may stand next on a command line. */
enum outcome complete_line(struct invocation *invocation, struct fault *fault);
/* `connect` and `probe`, which speak SSH themselves. */
enum outcome connect_site(struct invocation *invocation, struct fault *fault);
enum outcome probe_site(struct invocation *invocation, struct fault *fault);

#endif
