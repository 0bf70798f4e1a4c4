/* One site's own log level: in the parent, and in the workers that serve its sessions. */
#ifndef PARENT_TRACING_H
#define PARENT_TRACING_H

#include <jansson.h>

#include "parent/hub.h"

struct session;

/* LOG_DEFAULT: the hub's.  Holds for its sessions, those that come too, while the hub runs. */
void tracing_set(struct site *site, int level);
/* "" when it has none of its own. */
const char *tracing_level_name(const struct site *site);
/* The session was identified: its worker is told its site's level. */
void tracing_tell(const struct session *session);
/* What follows is about this site (NULL: about none).  Give log_scope what it returns when done;
 * the site may be gone by then. */
int tracing_enter(const struct site *site);
/* [{site, level}] of the sites that have one. */
json_t *tracing_list(const struct hub *hub);

#endif
