/*
 * Starting a process of the hub: this very program, executed anew in a role.
 */
#ifndef PARENT_PROCESS_H
#define PARENT_PROCESS_H

#include <uv.h>

#include "parent/log_pipe.h"

/* `number`: the role's argument, or NULL.  `descriptor` (borrowed) becomes the process's descriptor
 * 3; its standard error and output become *log, to be closed when it has ended (NULL: what it says
 * is lost); of ours it has nothing else.  Returns libuv's code; also after a failure the handle
 * wants uv_close. */
int process_start(uv_loop_t *loop, uv_process_t *process, const char *role, const char *number,
                  int descriptor, struct log_pipe **log, uv_exit_cb on_end);

#endif
