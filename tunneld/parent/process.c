/* Starting a process of the hub.  What it is for, and what becomes of it, its owner knows. */
#define _GNU_SOURCE
#include "parent/process.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

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

int process_start(uv_loop_t *loop, uv_process_t *process, const char *role, const char *number,
                  int descriptor, uv_exit_cb on_end)
{
    char path[PATH_MAX], name[] = "tunneld", first[32], second[32];
    char *arguments[] = {name, first, number ? second : NULL, NULL};
    own_program(path, sizeof path);
    (void)snprintf(first, sizeof first, "%s", role);
    (void)snprintf(second, sizeof second, "%s", number ? number : "");
    uv_stdio_container_t stdio[4] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
        {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
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
    return uv_spawn(loop, process, &options);
}
