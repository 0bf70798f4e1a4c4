/* The index is the C library's balanced tree; what it points to belongs to others. */
#define _GNU_SOURCE
#include "worker/index.h"

#include <search.h>
#include <stddef.h>

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

int index_add(struct index *index, uint64_t *number)
{
    uint64_t **place = tsearch(number, &index->root, compare);

    return place && *place == number ? 0 : -1;
}

void *index_find(const struct index *index, uint64_t number)
{
    uint64_t **place = tfind(&number, &index->root, compare);

    return place ? *place : NULL;
}

void index_remove(struct index *index, uint64_t *number)
{
    tdelete(number, &index->root, compare);
}
