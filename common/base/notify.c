/*
 * Datagrams to the supervisor's socket.  One that does not listen costs nothing but the try, one
 * that does not read a moment.
 */
#define _GNU_SOURCE
#include "base/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

#define STATUS_SIZE 256

/* A supervisor that is busy for a moment is to hear that we are ready all the same. */
static const struct timeval PATIENCE = {.tv_usec = 250000};

static struct sockaddr_un supervisor; /* family 0: there is none */
static socklen_t supervisor_length;
static uint64_t alive_every_ms;
static char said[STATUS_SIZE];

/* "/path", or "@name" in the abstract namespace. */
static void find_supervisor(const char *name)
{
    supervisor.sun_family = AF_UNSPEC;
    if (name == NULL || (name[0] != '/' && name[0] != '@') ||
        !text_copy(supervisor.sun_path, sizeof supervisor.sun_path, name))
        return;
    supervisor.sun_family = AF_UNIX;
    supervisor_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1);
    if (name[0] != '@')
        return;
    supervisor.sun_path[0] = '\0';
    supervisor_length--; /* every byte of an abstract name counts */
}

static uint64_t find_interval(const char *usec, const char *pid)
{
    uint64_t interval = 0, whose = 0;
    if (usec == NULL || !text_parse_number(usec, 2000, UINT64_MAX, &interval))
        return 0;
    if (pid != NULL &&
        (!text_parse_number(pid, 1, INT32_MAX, &whose) || whose != (uint64_t)getpid()))
        return 0;
    return interval / 2 / 1000;
}

void notify_open(void)
{
    find_supervisor(getenv("NOTIFY_SOCKET"));
    alive_every_ms = find_interval(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"));
    said[0] = '\0';
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

bool notify_is_heard(void)
{
    return supervisor.sun_family == AF_UNIX;
}

uint64_t notify_alive_every_ms(void)
{
    return supervisor.sun_family == AF_UNIX ? alive_every_ms : 0;
}

static void say(const char *text)
{
    if (supervisor.sun_family != AF_UNIX)
        return;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &PATIENCE, sizeof PATIENCE);
    (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&supervisor,
                 supervisor_length);
    close(fd);
}

void notify_ready(void)
{
    say("READY=1");
}

void notify_alive(void)
{
    say("WATCHDOG=1");
}

void notify_reloading(void)
{
    char text[64];
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
    say(text);
}

void notify_stopping(void)
{
    say("STOPPING=1");
}

void notify_status(const char *status)
{
    char text[STATUS_SIZE + sizeof "STATUS="], line[STATUS_SIZE];
    snprintf(line, sizeof line, "%s", status);
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, said) == 0)
        return;
    memcpy(said, line, sizeof said);
    snprintf(text, sizeof text, "STATUS=%s", line);
    say(text);
}
