/* Reading the settings file anew while the hub runs. */
#ifndef PARENT_RELOAD_H
#define PARENT_RELOAD_H

#include <jansson.h>

#include "parent/hub.h"

/* What may change while the hub runs comes into force, for its workers and running sessions too;
 * what wants a restart is named.  *report is {changed: [..], restart: [..]}, each entry {setting,
 * from, to} as in the file.  A bad file, an address that cannot be listened on: -1, and nothing
 * has changed. */
int reload(struct hub *hub, const char *actor, json_t **report, struct fault *fault) MUST_CHECK;
/* SIGHUP: the same, told in the log. */
void reload_on_signal(struct hub *hub);

#endif
