/* Running a parsed command. */
#ifndef TUNNELCTL_RUN_H
#define TUNNELCTL_RUN_H

#include "tunnelctl/command.h"

enum outcome command_run(struct invocation *invocation, struct fault *fault) MUST_CHECK;
/* Shows the hub's answer as the command's table says, or as JSON. */
void command_show(struct invocation *invocation, const json_t *data);

#endif
