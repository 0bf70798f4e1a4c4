/* Who is it: IDENTIFY, REDEEM. */
#ifndef PARENT_IDENTIFY_H
#define PARENT_IDENTIFY_H

#include "parent/sessions.h"

int identify_on_identify(struct session *session, const struct message *message,
                         struct fault *fault);
int identify_on_redeem(struct session *session, const struct message *message, struct fault *fault);

#endif
