/*
 * Where log lines go: standard error, at once or not at all.
 */
#ifndef BASE_LOG_OUTPUT_H
#define BASE_LOG_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

/* From here on a line that standard error does not take at once is left out, and the next that it
 * takes says how many were: whoever reads the log, or does not, holds up nobody.  `ours`: nobody
 * else writes to what standard error leads to, or minds what it is set to. */
void log_never_wait(bool ours);

/* A whole line with its newline, at most LOG_LINE_MAX bytes. */
void log_output(const char *line, size_t length);

/* Is more than half of it free, where standard error is a pipe or a socket?  Who has other
 * people's lines to write leaves the other half to its own. */
bool log_output_has_room(void);

#endif
