/*
 * Live objects by id.  Each object begins with its `uint64_t id`; ids are never used twice while
 * the hub runs.  The registry owns nothing.
 */
#ifndef PARENT_REGISTRY_H
#define PARENT_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

struct registry {
    void *root;
    size_t count;
};

/* -1 when out of memory. */
int registry_add(struct registry *registry, void *object) MUST_CHECK;
void *registry_find(const struct registry *registry, uint64_t id);
/* One that is not there is fine. */
void registry_remove(struct registry *registry, void *object);

#endif
