/*
 * Opens: direct-tcpip channels that operators ask for.  Each becomes a connection to a forward,
 * over a socket pair whose other end the operator's worker gets.
 */
#ifndef PARENT_OPENS_H
#define PARENT_OPENS_H

#include "ipc/message.h"
#include "parent/sessions.h"

#define OPENS_MAX 256 /* of one session that are not answered yet */

struct connection;
struct open;
struct visitor;

/* OPEN. */
int open_on_open(struct session *session, const struct message *message,
                 struct fault *fault) MUST_CHECK;

/* How the way of an open goes on; the open is the owner's field that is set, and NULL is fine. */
void open_connects(struct open *open, struct connection *connection);
void open_waits(struct open *open, struct visitor *visitor);
/* The site has answered: the operator's channel is attached.  Frees the open. */
void open_grant(struct open *open);
/* The operator is told why not.  Frees the open. */
void open_refuse(struct open *open, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What the session asked for and may not reach any more is refused or cut. */
void opens_judge(struct session *session);
/* The session is gone.  What waits is called off.  What is open ends by itself: the worker closed
 * the operator's ends, behind which bytes for the site may still be under way. */
void opens_forget(struct session *session);
/* The session shall go, with all that it opened. */
void opens_cut(struct session *session);

#endif
