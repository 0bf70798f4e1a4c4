/* Command lines: argv into an invocation.  Pure but for the invocation's own memory. */
#ifndef TUNNELCTL_PARSE_H
#define TUNNELCTL_PARSE_H

#include "tunnelctl/command.h"

#define OPTIONS_MAX 256

/* Fills command, args, typed, words and the flags; in, out and error are standard streams.
 * Options may stand before, between and after the words; "--" ends them.  Always to be
 * released. */
enum outcome invocation_parse(int argc, char *const *argv, struct invocation *out,
                              struct fault *fault) MUST_CHECK;
void invocation_release(struct invocation *invocation);

/* The sentence for words that are no command. */
void unknown_command(const char *const *words, size_t count, struct fault *fault);

#endif
