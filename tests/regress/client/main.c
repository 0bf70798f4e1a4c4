/*
 * Many SSH clients in one process, for tests that OpenSSH's client is too slow for, and so that a
 * second implementation meets the hub.  This file reads the command line and nothing else.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "modes.h"

static const struct {
    const char *name, *usage;
    int arguments;
    int (*run)(const struct hub *hub, char **arguments);
} modes[] = {
    {"redeem", "SITE TOKEN COUNT    so many keys, one token, at the same moment", 3, mode_redeem},
    {"flood", "SITE LOGINS THREADS    logins that fail", 3, mode_flood},
    {"forge", "SITE SITE_KEY.pub COUNT    at once, with the site's key and a made-up signature", 3,
     mode_forge},
    {"narrow", "SITE TOKEN BYTES    enrols, and asks for `status` in packets of so many bytes", 3,
     mode_narrow},
    {"narrow_through", "OPERATOR KEY SITE PORT BYTES    the same of an echo at that port", 5,
     mode_narrow_through},
    {"swarm", "FILE    a site for each line 'SITE TOKEN PORT': enrols, publishes, comes back", 1,
     mode_swarm},
    {"timing", "FILE TRIES    how long refusing 'USER [KEY.pub]' takes, for each line", 2,
     mode_timing},
};

static int wrong_usage(void)
{
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        (void)fprintf(stderr, "usage: client %s ADDRESS PORT %s\n", modes[i].name, modes[i].usage);
    return 2;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int count, char **arguments)
{
    if (count < 4)
        return wrong_usage();
    const struct hub hub = {.address = arguments[2], .port = atoi(arguments[3])};
    raise_descriptor_limit();
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(arguments[1], modes[i].name) != 0 || count != 4 + modes[i].arguments)
            continue;
        if (libssh2_init(0) != 0)
            return 1;
        int code = modes[i].run(&hub, arguments + 4);
        libssh2_exit();
        return code;
    }
    return wrong_usage();
}
