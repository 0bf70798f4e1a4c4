/*
 * A crowd of sites, each with a session of its own that publishes one port and answers visitors
 * with the site's name.  A site whose session ends comes back with the key it has.  A signal ends
 * it all.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "modes.h"

#define SITES_MAX   2000
#define AT_ONCE     32 /* logins; strangers from one place are bounded */
#define ENROL_TRIES 3
#define AGAIN_US    100000

struct site {
    char name[64], token[128];
    int port;
    struct key key;
    struct login login;
    LIBSSH2_LISTENER *listener;
};

static struct {
    const struct hub *hub;
    struct site sites[SITES_MAX];
    unsigned count;
    pthread_mutex_t mutex;
    pthread_cond_t turn;
    unsigned busy; /* logging in; under the mutex */
    atomic_uint published;
} swarm = {.mutex = PTHREAD_MUTEX_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER};

static void enter(void)
{
    pthread_mutex_lock(&swarm.mutex);
    while (swarm.busy >= AT_ONCE)
        pthread_cond_wait(&swarm.turn, &swarm.mutex);
    swarm.busy++;
    pthread_mutex_unlock(&swarm.mutex);
}

static void leave(void)
{
    pthread_mutex_lock(&swarm.mutex);
    swarm.busy--;
    pthread_cond_signal(&swarm.turn);
    pthread_mutex_unlock(&swarm.mutex);
}

static bool enrol(struct site *site, unsigned number)
{
    bool done = false;
    for (int i = 0; i < ENROL_TRIES && !done; i++) {
        struct login login = {.socket = -1};
        enter();
        done = login_open(&login, swarm.hub, number) &&
               login_enrol(&login, &site->key, site->token) == LOGIN_GRANTED;
        login_close(&login);
        leave();
    }
    return done;
}

static bool publish(struct site *site, unsigned number)
{
    int port = 0;
    enter();
    bool done = login_open(&site->login, swarm.hub, number) &&
                login_with_key(&site->login, site->name, &site->key) == LOGIN_GRANTED;
    site->listener = done ? libssh2_channel_forward_listen_ex(site->login.ssh, "localhost",
                                                              site->port, &port, 16)
                          : NULL;
    if (site->listener == NULL)
        login_close(&site->login);
    leave();
    return site->listener != NULL;
}

static void answer(LIBSSH2_SESSION *ssh, LIBSSH2_CHANNEL *channel, const struct site *site)
{
    libssh2_session_set_blocking(ssh, 1);
    (void)libssh2_channel_write(channel, site->name, strlen(site->name));
    (void)libssh2_channel_send_eof(channel);
    (void)libssh2_channel_wait_eof(channel); /* closing before the visitor does would be a reset */
    (void)libssh2_channel_free(channel);
    libssh2_session_set_blocking(ssh, 0);
}

/* Serves visitors until the session ends. */
static void serve(struct site *site)
{
    LIBSSH2_SESSION *ssh = site->login.ssh;
    struct pollfd readable = {.fd = site->login.socket, .events = POLLIN};
    libssh2_session_set_blocking(ssh, 0);
    do {
        LIBSSH2_CHANNEL *channel;
        while ((channel = libssh2_channel_forward_accept(site->listener)) != NULL)
            answer(ssh, channel, site);
    } while (libssh2_session_last_errno(ssh) == LIBSSH2_ERROR_EAGAIN &&
             poll(&readable, 1, -1) == 1);
    login_close(&site->login);
}

static void *run(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;
    struct site *site = &swarm.sites[number];
    if (!key_make(&site->key) || !enrol(site, number)) {
        say("not enrolled %s", site->name);
        return NULL;
    }
    for (bool again = false;; again = true) {
        while (!publish(site, number))
            usleep(AGAIN_US);
        if (again)
            say("back %s", site->name);
        else if (++swarm.published == swarm.count)
            say("published %u", swarm.count);
        serve(site);
        say("ended %s", site->name);
    }
}

static bool read_sites(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    for (; swarm.count < SITES_MAX; swarm.count++) {
        struct site *site = &swarm.sites[swarm.count];
        if (fscanf(file, "%63s %127s %d", site->name, site->token, &site->port) != 3)
            break;
        site->login.socket = -1;
    }
    (void)fclose(file);
    return swarm.count > 0;
}

int mode_swarm(const struct hub *hub, char **arguments)
{
    swarm.hub = hub;
    if (!read_sites(arguments[0]))
        return 1;
    return run_threads(swarm.count, run) ? 0 : 1;
}
