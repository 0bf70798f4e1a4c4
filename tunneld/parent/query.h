/* QUERY: what a site may read about itself. */
#ifndef PARENT_QUERY_H
#define PARENT_QUERY_H

#include "parent/sessions.h"

int query_on_query(struct session *session, const struct message *message, struct fault *fault);

/* What a freshly enrolled peer should do next; malloc'ed, NULL when out of memory. */
char *query_enrolled_text(const struct session *session, size_t *length);

#endif
