/* The listeners for SSH. */
#ifndef PARENT_DOORS_H
#define PARENT_DOORS_H

#include "parent/hub.h"

struct door {
    struct host_port asked; /* the entry of `listen` */
    bool v6_only;           /* 0.0.0.0 with the same port is asked for too */
    bool stays;             /* while `listen` changes: it is among the new ones too */
    struct tcp_listener *listener;
};

/* One for each `listen` address. */
int doors_open(struct hub *hub, struct fault *fault) MUST_CHECK;
/* Opens those that are new in `list` and then closes those that are not in it; the rest is not
 * touched.  On failure nothing has changed. */
int doors_change(struct hub *hub, const struct host_port_list *list,
                 struct fault *fault) MUST_CHECK;
void doors_close(struct hub *hub);
/* Would a listener for visitors there collide with one for SSH? */
bool doors_overlap(const struct hub *hub, const char *address, uint16_t port);

#endif
