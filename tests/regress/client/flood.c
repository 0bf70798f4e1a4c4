/*
 * Logins that fail, of every kind, as many as are asked for, several on each connection.  Only
 * refusals are counted as logins, every connection as a connection.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "modes.h"

#define TRIES_MAX 100 /* more than any hub allows on one connection */

static struct {
    const struct hub *hub;
    const char *site;
    unsigned wanted;
    atomic_uint logins, connections, granted, unreachable;
} flood;

static enum login_result unknown_site(struct login *login, const struct key *key, unsigned number)
{
    char user[32];
    (void)snprintf(user, sizeof user, "nobody%u", number);
    return login_with_key(login, user, key);
}

static enum login_result unknown_key(struct login *login, const struct key *key, unsigned number)
{
    (void)number;
    return login_with_key(login, flood.site, key);
}

static enum login_result wrong_token(struct login *login, const struct key *key, unsigned number)
{
    (void)number;
    if (login->key == NULL && login_with_key(login, "enrol", key) == LOGIN_BROKEN)
        return LOGIN_BROKEN;
    return login_with_token(login, "aaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

static enum login_result password(struct login *login, const struct key *key, unsigned number)
{
    (void)key, (void)number;
    return login_with_password(login, flood.site);
}

static enum login_result (*const kinds[])(struct login *login, const struct key *key,
                                          unsigned number) = {
    unknown_site,
    unknown_key,
    wrong_token,
    password,
};
#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

static void fail_often(struct login *login, const struct key *key, unsigned number)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        enum login_result result = kinds[number % KIND_COUNT](login, key, number);
        if (result == LOGIN_GRANTED)
            flood.granted++;
        if (result != LOGIN_REFUSED)
            return;
        flood.logins++;
    }
}

static void *run(void *argument)
{
    (void)argument;
    struct key key;
    if (!key_make(&key))
        return NULL;
    while (flood.logins < flood.wanted) {
        unsigned number = flood.connections++;
        struct login login = {.socket = -1};
        if (login_open(&login, flood.hub, number))
            fail_often(&login, &key, number);
        else
            flood.unreachable++;
        login_close(&login);
    }
    key_release(&key);
    return NULL;
}

int mode_flood(const struct hub *hub, char **arguments)
{
    flood.hub = hub;
    flood.site = arguments[0];
    flood.wanted = (unsigned)atoi(arguments[1]);
    bool all = run_threads((unsigned)atoi(arguments[2]), run);
    say("logins=%u connections=%u granted=%u unreachable=%u", flood.logins, flood.connections,
        flood.granted, flood.unreachable);
    return all ? 0 : 1;
}
