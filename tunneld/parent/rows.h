/* Rows of the lists that the control verbs return. */
#ifndef PARENT_ROWS_H
#define PARENT_ROWS_H

#include <jansson.h>

#include "parent/connections.h"
#include "parent/operators.h"
#include "parent/sessions.h"
#include "parent/sites.h"

/* Each NULL when out of memory. */
/* `key`: the fingerprint that is shown, "" if there is none. */
json_t *row_site(const struct site *site, const char *key);
json_t *row_keyfile(const struct keyfile_row *keyfile);
json_t *row_port(const struct forward *forward);
json_t *row_session(const struct session *session);
json_t *row_forward(const struct forward *forward);
json_t *row_outbound(const struct outbound *outbound);
json_t *row_operator(const struct hub_operator *person);
/* Of one that is counted under a grant. */
json_t *row_connection(const struct connection *connection);

/* null where there is nothing. */
json_t *json_words(const char *text);
json_t *json_time(int64_t wall_s);

#endif
