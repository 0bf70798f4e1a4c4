/*
 * Channels that this side opens.  libssh has no callback for an answer: a channel has opened when
 * ssh_channel_is_open says so; a refusal shows only in libssh's error text, and only the last one,
 * so that every channel that is opening must then be asked again.
 */
#ifndef SSH_OPENING_H
#define SSH_OPENING_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>

/* Has some channel's opening been refused since `last` (kept_text.h) was written?  Then it is the
 * new text. */
bool opening_some_failed(ssh_session session, char **last);
/* What the peer said: "refused by WHO: connect failed". */
void opening_reason(const char *failure, const char *who, char *reason, size_t size);

#endif
