/*
 * The command line: which command, and the options that this command knows.
 */
#ifndef AGENT_OPTIONS_H
#define AGENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"

#define EXIT_DONE        0
#define EXIT_REFUSED     1 /* refused or failed; the reason goes to standard error */
#define EXIT_USAGE       2
#define EXIT_UNREACHABLE 3 /* the agent does not run */
/* Added to one of these: end at once, a thread of libuv's still waits for a name server and exit()
 * would wait for the thread. */
#define EXIT_AT_ONCE 0x100

enum option_bit {
    OPTION_STATE = 1 << 0,
    OPTION_VERBOSE = 1 << 1,
    OPTION_YES = 1 << 2,
    OPTION_KEYFILE = 1 << 3,
    OPTION_JSON = 1 << 4,
    OPTION_BARE = 1 << 5, /* none that is typed: KEYFILE may be left out */
};

struct options {
    const char *state;   /* NULL: the default place */
    const char *keyfile; /* the operand of `enrol` and `check`, or --keyfile of `run` */
    bool yes, json;
    unsigned verbose;
};

struct command {
    const char *name;
    unsigned options; /* bits that it knows */
    bool operand;     /* takes KEYFILE */
    /* Returns an exit code; with any but 0 the fault is the sentence for standard error. */
    int (*run)(const struct options *options, struct fault *fault);
};

enum options_result { OPTIONS_COMMAND, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_WRONG };

/* Texts in `out` point into argv.  OPTIONS_WRONG: the fault says what is. */
enum options_result options_parse(int argc, char **argv, const struct command *commands,
                                  size_t count, const struct command **command, struct options *out,
                                  struct fault *fault);

#endif
