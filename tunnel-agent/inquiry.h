/*
 * Asking the hub why it refused a forward.  The answer to tcpip-forward has no room for a reason
 * (RFC 4254, 7.1); the hub keeps it for the text that it shows to `ssh SITE@HUB status`, and the
 * agent reads it there.
 */
#ifndef AGENT_INQUIRY_H
#define AGENT_INQUIRY_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"

#define INQUIRY_REASON_SIZE 256

struct inquiry;

enum inquiry_result {
    INQUIRY_WAIT, /* call again after the next turn */
    INQUIRY_TOLD, /* `reason` is filled */
    INQUIRY_LOST, /* no reason to be had */
};

/* `session` is authenticated. */
int inquiry_new(ssh_session session, struct inquiry **out) MUST_CHECK;
enum inquiry_result inquiry_step(struct inquiry *inquiry, char reason[INQUIRY_REASON_SIZE]);
/* Ends it; with `session_alive` false its channel is gone already (on_down in ssh/transport.h). */
void inquiry_free(struct inquiry *inquiry, bool session_alive);

/* The newest line under "refused lately:" of such a text, without its time and with nothing
 * unprintable; false when there is none. */
bool inquiry_reason(const char *text, char reason[INQUIRY_REASON_SIZE]);

#endif
