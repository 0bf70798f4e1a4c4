/* PUBLISH and UNPUBLISH: grant, then claim, then listener. */
#ifndef PARENT_PUBLISH_H
#define PARENT_PUBLISH_H

#include "parent/sessions.h"

int publish_on_publish(struct session *session, const struct message *message, struct fault *fault);
int publish_on_unpublish(struct session *session, const struct message *message,
                         struct fault *fault);
/* Something came from the session, which a contest about its claim waits for. */
void publish_heard(struct session *session);
/* The session has answered: a contest about its claim is over. */
void publish_alive(struct session *session);
/* The session is ending: its claim and its waiting requests go. */
void publish_forget(struct session *session);

#endif
