/*
 * Changes of grants in memory, once the store holds them.  The caller tells the site's agent
 * (site_forwards_changed), once for all of them.
 */
#ifndef PARENT_GRANT_CHANGES_H
#define PARENT_GRANT_CHANGES_H

#include "parent/forwards.h"

/* -1: out of memory. */
int grant_remember(struct site *site, const struct grant *grant) MUST_CHECK;
/* What the grant does not allow any more is cut, all else goes on. */
void grant_change(struct forward *forward, const struct grant *grant);
/* Closes its listener, cuts its connections. */
void grant_forget(struct forward *forward);

#endif
