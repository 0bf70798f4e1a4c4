/*
 * Standard error, as whoever started the program left it: a pipe, the journal's socket, a terminal
 * or a file.  What others share is never set to non-blocking, because they would meet that.
 */
#define _GNU_SOURCE
#include "base/log_output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static struct {
    bool never_waits, socket;
    uint64_t lost; /* lines that were left out and not told of */
} output;

/* A pipe or a terminal, opened anew, is ours alone to set.  One of another user cannot be: then
 * poll(2) has to do, which a terminal may answer too hopefully. */
static void open_anew(void)
{
    int fresh = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fresh < 0)
        return;
    (void)dup2(fresh, STDERR_FILENO);
    (void)close(fresh);
}

void log_never_wait(bool ours)
{
    struct stat about;
    if (fstat(STDERR_FILENO, &about) != 0)
        return;
    output.never_waits = true;
    output.socket = S_ISSOCK(about.st_mode);
    if (ours)
        (void)fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
    else if (S_ISFIFO(about.st_mode) || isatty(STDERR_FILENO))
        open_anew();
}

static bool takes_more(void)
{
    struct pollfd ask = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&ask, 1, 0) != 0; /* what is wrong, write(2) tells */
}

static bool put(const char *line, size_t length)
{
    ssize_t written;
    if (output.never_waits && !output.socket && !takes_more())
        return false;
    do {
        written = output.never_waits && output.socket
                      ? send(STDERR_FILENO, line, length, MSG_DONTWAIT | MSG_NOSIGNAL)
                      : write(STDERR_FILENO, line, length);
    } while (written < 0 && errno == EINTR);
    return written >= 0;
}

/* False, and nothing is forgotten: there is no room for this either. */
static bool tell_of_lost(void)
{
    uint64_t lost = output.lost;
    output.lost = 0;
    log_write(LOG_WARNING, (const struct log_field[]){
                               SAY("log lines were left out: standard error did not take them"),
                               KV("count", lost),
                               {0}});
    output.lost += output.lost > 0 ? lost - 1 : 0; /* that line itself is none of them */
    return output.lost == 0;
}

void log_output(const char *line, size_t length)
{
    if ((output.lost > 0 && !tell_of_lost()) || !put(line, length))
        output.lost++;
}

bool log_output_has_room(void)
{
    int waiting = 0, room = 0;
    socklen_t size = sizeof room;
    if (output.socket)
        return ioctl(STDERR_FILENO, TIOCOUTQ, &waiting) != 0 ||
               getsockopt(STDERR_FILENO, SOL_SOCKET, SO_SNDBUF, &room, &size) != 0 ||
               waiting < room / 2;
    room = fcntl(STDERR_FILENO, F_GETPIPE_SZ);
    return room <= 0 || ioctl(STDERR_FILENO, FIONREAD, &waiting) != 0 || waiting < room / 2;
}
