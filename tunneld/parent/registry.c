/* Live objects by id, on the balanced tree of tsearch(3): no scan, no growth in one step. */
#define _GNU_SOURCE
#include "parent/registry.h"

#include <search.h>

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

int registry_add(struct registry *registry, void *object)
{
    if (!tsearch(object, &registry->root, compare_ids))
        return -1;
    registry->count++;
    return 0;
}

void *registry_find(const struct registry *registry, uint64_t id)
{
    void *const *found = tfind(&id, &registry->root, compare_ids);
    return found ? *found : NULL;
}

void registry_remove(struct registry *registry, void *object)
{
    if (tdelete(object, &registry->root, compare_ids))
        registry->count--;
}
