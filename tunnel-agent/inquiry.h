/*
 * Asking the hub why it refused a forward.  The answer to tcpip-forward has no room for a reason
 * (RFC 4254, 7.1); the hub keeps it for the text that it shows to `ssh SITE@HUB status`, and the
 * agent reads it there.
 */
#ifndef AGENT_INQUIRY_H
#define AGENT_INQUIRY_H

#include <stdbool.h>

#include "remote_command.h"

#define INQUIRY_REASON_SIZE 256

enum inquiry_result {
    INQUIRY_WAIT, /* call again after the next turn */
    INQUIRY_TOLD, /* `reason` is filled */
    INQUIRY_LOST, /* no reason to be had */
};

#define INQUIRY_COMMAND "status"

/* One step of that command. */
enum inquiry_result inquiry_step(struct remote_command *status, char reason[INQUIRY_REASON_SIZE]);

/* The newest line under "refused lately:" of such a text, without its time and with nothing
 * unprintable; false when there is none. */
bool inquiry_reason(const char *text, char reason[INQUIRY_REASON_SIZE]);

#endif
