/* Asking before something is destroyed. */
#ifndef TUNNELCTL_CONFIRM_H
#define TUNNELCTL_CONFIRM_H

#include "tunnelctl/command.h"

/* DONE when the person, or --yes, said yes. */
enum outcome confirm(struct invocation *invocation, struct fault *fault) MUST_CHECK;
/* The same with a question (sentence.h) of one's own. */
enum outcome confirm_question(struct invocation *invocation, const char *question,
                              const json_t *data, struct fault *fault) MUST_CHECK;

#endif
