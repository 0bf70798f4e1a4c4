/*
 * Finds objects by number: sids, cids, requests.  An object's number is its first member.
 */
#ifndef WORKER_INDEX_H
#define WORKER_INDEX_H

#include <stdint.h>

#include "base/fault.h"

struct index {
    void *root; /* a tsearch(3) tree of pointers to the numbers */
};

/* -1: the number is taken, or out of memory. */
int index_add(struct index *index, uint64_t *number) MUST_CHECK;
/* The object, or NULL. */
void *index_find(const struct index *index, uint64_t number);
void index_remove(struct index *index, uint64_t *number);

#endif
