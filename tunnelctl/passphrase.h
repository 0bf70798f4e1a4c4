/* Asking for a secret on the terminal. */
#ifndef TUNNELCTL_PASSPHRASE_H
#define TUNNELCTL_PASSPHRASE_H

#include "base/fault.h"

#define PASSPHRASE_SIZE 1024 /* with its NUL */

/* Asks on the terminal itself, whatever standard input and output are; what is typed is not shown.
 * -1: there is no terminal, or nothing was typed.  The caller wipes. */
int passphrase_ask(const char *question, char passphrase[PASSPHRASE_SIZE],
                   struct fault *fault) MUST_CHECK;

#endif
