/* Changes of grants in memory.  Whether a change is right was checked before, and stored. */
#define _GNU_SOURCE
#include "parent/grant_changes.h"

#include "parent/enforce.h"
#include "parent/sites.h"

int grant_remember(struct site *site, const struct grant *grant)
{
    struct forward *forward = forward_new(site, grant);
    if (forward && site_add_forward(site, forward) == 0) {
        forward_regrant(forward, grant);
        return 0;
    }
    forward_free(forward);
    return -1;
}

void grant_change(struct forward *forward, const struct grant *grant)
{
    struct grant before = forward->grant;
    forward->grant = *grant;
    forward_regrant(forward, &before);
}

void grant_forget(struct forward *forward)
{
    site_drop_forward(forward->site, forward);
    forward_free(forward);
}
