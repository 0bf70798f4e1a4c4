/*
 * Lines of a worker or the dialer, on their way to the hub's log.  A line that looks as this very
 * process writes them goes on as it is; anything else is quoted in a line of the parent's, so that
 * nobody speaks in another's name or to a terminal.  Nothing is understood here but where a line
 * ends and how it begins.
 */
#define _GNU_SOURCE
#include "parent/log_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_output.h"
#include "net/timeout.h"

#define PAUSE_MS      100
#define TELL_AGAIN_MS 60000
#define LAST_BYTES    (1024L * 1024) /* of a process that has ended */

struct log_pipe {
    uv_loop_t *loop;
    uv_poll_t readable;
    int descriptor;
    char name[32];
    struct timeout *pause; /* set while its lines have to wait */
    long tokens;           /* bytes that it may write now */
    uint64_t filled_ms, told_ms;
    size_t length;
    char bytes[LOG_LINE_MAX + 1]; /* what was read and is not handed on */
};

static void on_readable(uv_poll_t *poll, int status, int events);
static void hold_back(struct log_pipe *pipe);

/* The line, if it is one of its own; a program's other words, such as a sanitizer's, are quoted. */
static void hand_on(const struct log_pipe *pipe, char *line, size_t length, bool whole)
{
    if (whole && log_is_line_of(pipe->name, line, length)) {
        log_output(line, length + 1);
        return;
    }
    line[length] = '\0';
    for (size_t i = 0; i < length; i++) {
        if (line[i] == '\0')
            line[i] = '?';
    }
    if (length > 0)
        log_warning(KV("process", pipe->name), SAY("wrote"), KV("text", line));
}

static void fill(struct log_pipe *pipe)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t more = (now_ms - pipe->filled_ms) * LOG_PIPE_BPS / 1000;
    pipe->filled_ms = now_ms;
    if (more < (uint64_t)(LOG_PIPE_BURST - pipe->tokens))
        pipe->tokens += (long)more;
    else
        pipe->tokens = LOG_PIPE_BURST;
}

/* Hands on the lines that are there.  False: some have to wait. */
static bool pass(struct log_pipe *pipe)
{
    size_t from = 0;
    bool waits = false;
    while (from < pipe->length) {
        char *line = pipe->bytes + from, *newline = memchr(line, '\n', pipe->length - from);
        if (!newline && (from > 0 || pipe->length < LOG_LINE_MAX))
            break;
        waits = pipe->tokens <= 0 || !log_output_has_room();
        if (waits)
            break;
        size_t length = newline ? (size_t)(newline - line) : pipe->length;
        hand_on(pipe, line, length, newline != NULL);
        pipe->tokens -= length < LOG_PIPE_LINE_MIN ? LOG_PIPE_LINE_MIN : (long)length;
        from += length + (newline ? 1 : 0);
    }
    pipe->length -= from;
    memmove(pipe->bytes, pipe->bytes + from, pipe->length);
    return !waits;
}

/* As many bytes as there is room for; 0 at the end, negative when there are none now. */
static ssize_t take(struct log_pipe *pipe)
{
    ssize_t got;
    do {
        got = read(pipe->descriptor, pipe->bytes + pipe->length, LOG_LINE_MAX - pipe->length);
    } while (got < 0 && errno == EINTR);
    pipe->length += got > 0 ? (size_t)got : 0;
    return got;
}

static void on_pause_over(void *owner)
{
    struct log_pipe *pipe = owner;
    fill(pipe);
    if (pass(pipe))
        (void)uv_poll_start(&pipe->readable, UV_READABLE, on_readable);
    else
        hold_back(pipe);
}

static void hold_back(struct log_pipe *pipe)
{
    uint64_t now_ms = clock_monotonic_ms();
    if (pipe->tokens <= 0 && (pipe->told_ms == 0 || now_ms - pipe->told_ms >= TELL_AGAIN_MS)) {
        pipe->told_ms = now_ms;
        log_warning(KV("process", pipe->name), SAY("writes more log than it may"),
                    KV("bytes_a_second", LOG_PIPE_BPS));
    }
    /* Without memory for a pause it is asked again at once. */
    if (timeout_set(pipe->loop, &pipe->pause, PAUSE_MS, on_pause_over, pipe) == 0)
        (void)uv_poll_stop(&pipe->readable);
}

/* A buffer at a time: others want to be served, too. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct log_pipe *pipe = poll->data;
    (void)status, (void)events;
    if (pipe->length < LOG_LINE_MAX && take(pipe) == 0)
        (void)uv_poll_stop(poll); /* it closed its standard error, or ended */
    fill(pipe);
    if (!pass(pipe))
        hold_back(pipe);
}

int log_pipe_open(uv_loop_t *loop, const char *name, struct log_pipe **pipe, int *descriptor,
                  struct fault *fault)
{
    int ends[2];
    struct log_pipe *fresh = calloc(1, sizeof *fresh);
    if (!fresh)
        return fault_set(fault, "out of memory for the log of %s", name);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        free(fresh);
        return fault_set(fault, "cannot make a pipe for the log of %s: %s", name, strerror(errno));
    }
    *fresh = (struct log_pipe){.loop = loop, .descriptor = ends[0], .tokens = LOG_PIPE_BURST};
    (void)snprintf(fresh->name, sizeof fresh->name, "%s", name);
    fresh->filled_ms = clock_monotonic_ms();
    fresh->readable.data = fresh;
    int rc = uv_poll_init(loop, &fresh->readable, ends[0]);
    if (rc != 0) {
        (void)close(ends[0]);
        (void)close(ends[1]);
        free(fresh);
        return fault_set(fault, "cannot watch the log of %s: %s", name, uv_strerror(rc));
    }
    (void)uv_poll_start(&fresh->readable, UV_READABLE, on_readable);
    *pipe = fresh;
    *descriptor = ends[1];
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct log_pipe *pipe = handle->data;
    (void)close(pipe->descriptor);
    free(pipe);
}

void log_pipe_close(struct log_pipe *pipe)
{
    if (!pipe)
        return;
    pipe->tokens = LAST_BYTES;
    while (pass(pipe) && take(pipe) > 0)
        continue;
    if (pipe->length > 0)
        hand_on(pipe, pipe->bytes, pipe->length, false);
    timeout_clear(&pipe->pause);
    uv_close((uv_handle_t *)&pipe->readable, on_closed);
}
