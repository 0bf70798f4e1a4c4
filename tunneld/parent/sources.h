/* How many unauthenticated connections each address has at the moment. */
#ifndef PARENT_SOURCES_H
#define PARENT_SOURCES_H

#include <sys/socket.h>

#include "parent/hub.h"

struct source;

uint64_t source_logins(const struct hub *hub, const struct sockaddr *peer);
/* NULL when out of memory: then it is not counted. */
struct source *source_enter(struct hub *hub, const struct sockaddr *peer);
/* NULL is fine. */
void source_leave(struct hub *hub, struct source *source);

#endif
