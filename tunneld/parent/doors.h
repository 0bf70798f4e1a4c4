/* The listeners for SSH. */
#ifndef PARENT_DOORS_H
#define PARENT_DOORS_H

#include "parent/hub.h"

/* One for each `listen` address. */
int doors_open(struct hub *hub, struct fault *fault) MUST_CHECK;
void doors_close(struct hub *hub);
/* Would a listener for visitors there collide with one for SSH? */
bool doors_overlap(const struct hub *hub, const char *address, uint16_t port);

#endif
