/* Starting a process of the hub.  What it is for, and what becomes of it, its owner knows. */
#define _GNU_SOURCE
#include "parent/process.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* The very file that runs, also when a newer one has taken its place. */
static void own_program(char *path, size_t size)
{
    (void)snprintf(path, size, "/proc/self/exe");
#ifdef TUNNEL_VALGRIND /* which would be started instead, though it answers for the link */
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length > 0)
        path[length] = '\0';
#endif
}

/* As the process calls itself in its lines: tunneld[1], tunneld[dialer]. */
static int open_log(uv_loop_t *loop, const char *role, const char *number, struct log_pipe **log)
{
    char name[32];
    struct fault fault = {""};
    int descriptor;
    (void)snprintf(name, sizeof name, "tunneld[%s]", number ? number : role + strlen("--"));
    if (log_pipe_open(loop, name, log, &descriptor, &fault) == 0)
        return descriptor;
    log_error(KV("process", name), SAY("has no log"), KV("reason", fault.text));
    return -1;
}

int process_start(uv_loop_t *loop, uv_process_t *process, const char *role, const char *number,
                  int descriptor, struct log_pipe **log, uv_exit_cb on_end)
{
    char path[PATH_MAX], name[] = "tunneld", first[32], second[32];
    char *arguments[] = {name, first, number ? second : NULL, NULL};
    own_program(path, sizeof path);
    (void)snprintf(first, sizeof first, "%s", role);
    (void)snprintf(second, sizeof second, "%s", number ? number : "");
    *log = NULL;
    int lines = open_log(loop, role, number, log);
    uv_stdio_container_t stdio[4] = {
        {.flags = UV_IGNORE},
        {.flags = lines < 0 ? UV_IGNORE : UV_INHERIT_FD, .data.fd = lines},
        {.flags = lines < 0 ? UV_IGNORE : UV_INHERIT_FD, .data.fd = lines},
        {.flags = UV_INHERIT_FD, .data.fd = descriptor},
    };
    /* Detached: a Ctrl-C in the parent's terminal is for the parent, which then drains. */
    uv_process_options_t options = {
        .exit_cb = on_end,
        .file = path,
        .args = arguments,
        .stdio = stdio,
        .stdio_count = 4,
        .flags = UV_PROCESS_DETACHED,
    };
    int rc = uv_spawn(loop, process, &options);
    if (lines >= 0)
        (void)close(lines);
    if (rc != 0) {
        log_pipe_close(*log);
        *log = NULL;
    }
    return rc;
}
