/* What an outbound grant lets a site open: from OPEN to the dialer and back to the worker. */
#ifndef PARENT_OUTBOUND_OPEN_H
#define PARENT_OUTBOUND_OPEN_H

#include "parent/outbound.h"

/* OPEN of a site's session: answered by ATTACH or by a REPLY that refuses, now or later. */
int outbound_on_open(struct session *session, const struct message *message, struct fault *fault);
/* Refuses what waits for the dialer: of one session, or (NULL) all. */
void outbound_refuse_dials(struct outbound *outbound, const struct session *session,
                           const char *reason);
/* The session is going away: nobody waits for its dials any more. */
void outbound_forget_session(struct session *session);

#endif
