/*
 * Logins with a site's public key, which is no secret, and a signature that is made up.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdlib.h>

#include "modes.h"

static struct {
    const struct hub *hub;
    const char *site;
    struct key site_key; /* the public part */
    atomic_uint results[LOGIN_BROKEN + 1];
} forgery;

static void *run(void *number)
{
    struct login login = {.socket = -1};
    enum login_result result = LOGIN_BROKEN;
    if (login_open(&login, forgery.hub, (unsigned)(uintptr_t)number))
        result = login_with_key(&login, forgery.site, &forgery.site_key);
    login_close(&login);
    forgery.results[result]++;
    return NULL;
}

int mode_forge(const struct hub *hub, char **arguments)
{
    forgery.hub = hub;
    forgery.site = arguments[0];
    if (!key_read_public(arguments[1], &forgery.site_key))
        return 1;
    bool all = run_threads((unsigned)atoi(arguments[2]), run);
    say("granted=%u refused=%u broken=%u", forgery.results[LOGIN_GRANTED],
        forgery.results[LOGIN_REFUSED], forgery.results[LOGIN_BROKEN]);
    return all ? 0 : 1;
}
