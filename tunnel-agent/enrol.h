/*
 * `tunnel-agent enrol KEYFILE` and `tunnel-agent status`: what a person does at the site.
 */
#ifndef AGENT_ENROL_H
#define AGENT_ENROL_H

#include "options.h"

int command_enrol(const struct options *options, struct fault *fault);
int command_status(const struct options *options, struct fault *fault);

#endif
