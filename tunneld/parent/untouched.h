/*
 * Whether a visitor can still be handed to another session: the parent asks the kernel's counters,
 * and reads nothing.
 */
#ifndef PARENT_UNTOUCHED_H
#define PARENT_UNTOUCHED_H

#include <stdbool.h>

/* Has a TCP socket been read by nobody, written by nobody, and not been shut on our side? */
bool tcp_is_untouched(int descriptor);

#endif
