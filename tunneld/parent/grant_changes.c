/* Changes of grants in memory.  Whether a change is right was checked before, and stored. */
#define _GNU_SOURCE
#include "parent/grant_changes.h"

#include "base/log.h"
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
    struct grant *before = forward->grant, *after = grant_keep(grant);
    if (after == NULL) {
        log_error(KV("site", forward->site->row.name), KV("forward", before->port),
                  SAY("out of service until the hub starts again: out of memory for its change"));
        before->enabled = false;
        forward_cut(forward, "the hub is out of memory");
        return;
    }
    forward->grant = after;
    forward_regrant(forward, before);
    free(before);
}

void grant_forget(struct forward *forward)
{
    site_drop_forward(forward->site, forward);
    forward_free(forward);
}
