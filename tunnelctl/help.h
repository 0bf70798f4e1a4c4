/* Help, from the tables of commands. */
#ifndef TUNNELCTL_HELP_H
#define TUNNELCTL_HELP_H

#include "tunnelctl/command.h"

/* About all commands, those that begin with the words, or one. */
enum outcome help_print(const struct invocation *invocation, struct fault *fault) MUST_CHECK;

#endif
