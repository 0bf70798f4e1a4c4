/*
 * The log of a worker or the dialer: it writes into a pipe of its own, and the parent hands on what
 * it has of whole lines, as many as it may have in a second.  What is more stays in the pipe; a
 * process that keeps to the rules then leaves lines out and counts them, one that does not waits.
 */
#ifndef PARENT_LOG_PIPE_H
#define PARENT_LOG_PIPE_H

#include <uv.h>

#include "base/fault.h"

#define LOG_PIPE_BPS      262144        /* each line counts as 256 bytes at least */
#define LOG_PIPE_BURST    (4 * 1048576) /* saved up by a process that was quiet */
#define LOG_PIPE_LINE_MIN 256

struct log_pipe;

/* `name`: as the process calls itself in its lines.  *descriptor (the caller's to close) is its
 * standard error. */
int log_pipe_open(uv_loop_t *loop, const char *name, struct log_pipe **pipe, int *descriptor,
                  struct fault *fault) MUST_CHECK;
/* The process has ended, or never was: what it still had to say is written.  NULL is fine. */
void log_pipe_close(struct log_pipe *pipe);

#endif
