/* How what was asked for ended: the program's exit codes. */
#ifndef TUNNELCTL_OUTCOME_H
#define TUNNELCTL_OUTCOME_H

enum outcome {
    DONE = 0,
    REFUSED = 1,     /* refused or failed */
    USAGE = 2,       /* unknown words, missing arguments */
    UNREACHABLE = 3, /* no daemon */
};

#endif
