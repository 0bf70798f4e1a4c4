/*
 * What systemd hears about the hub (base/notify.h): that it listens, that its loop turns, how many
 * sites are online.
 */
#ifndef PARENT_SUPERVISED_H
#define PARENT_SUPERVISED_H

#include "parent/hub.h"

/* It listens: from here on it is ready. */
void supervised_begin(struct hub *hub);
void supervised_end(struct hub *hub);

#endif
