/*
 * What was refused lately to a site or an operator, and how much of it may enter the audit table:
 * a peer may be refused as often as it likes, but must not push others out.
 */
#ifndef PARENT_REFUSALS_H
#define PARENT_REFUSALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "parent/store.h"

#define REFUSALS_KEPT 8

struct refusals {
    struct {
        int64_t time_s;
        char text[REASON_SIZE];
    } * kept;     /* REFUSALS_KEPT of them; NULL before the first */
    size_t count; /* ever */
    int64_t minute;
    unsigned audited; /* in this minute */
};

void refusals_release(struct refusals *refusals);
/* Keeps the text, made fit for a terminal. */
void refusals_add(struct refusals *refusals, const char *text);
/* False when this minute's share is used up.  Counts. */
bool refusals_may_audit(struct refusals *refusals);
/* A paragraph of `status`; nothing when there were none. */
void refusals_write(const struct refusals *refusals, FILE *out);

#endif
