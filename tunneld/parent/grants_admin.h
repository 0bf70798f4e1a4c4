/*
 * Changing one grant: checked against everything that could fight for its socket, stored, in force
 * when the call returns.  (A whole document of them is plan.h's.)
 */
#ifndef PARENT_GRANTS_ADMIN_H
#define PARENT_GRANTS_ADMIN_H

#include "parent/forwards.h"

/* Canonical target and address; the hub's forward_address where a public grant has none.  Refused:
 * no target, a private grant with an address. */
int grant_complete(const struct hub *hub, struct grant *grant, struct fault *fault) MUST_CHECK;

/* Each takes a complete grant.  On failure nothing changed, and the fault says which rule is
 * against it, or who holds the port. */
int grant_add(struct site *site, struct grant *grant, struct fault *fault) MUST_CHECK;
/* Anything but the port. */
int grant_set(struct forward *forward, const struct grant *grant, struct fault *fault) MUST_CHECK;
int grant_remove(struct forward *forward, struct fault *fault) MUST_CHECK;

#endif
