/*
 * A peer that takes packets of ten bytes at most, header included, so that none of its channel's
 * data fits: writing to it never ends in some versions of libssh.  It enrols, opens a channel like
 * that, asks for `status`, and waits until the session ends.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdlib.h>

#include "modes.h"

#define WINDOW      65536
#define PACKET_SIZE 10
#define PATIENCE_MS 60000

static bool ask(LIBSSH2_SESSION *ssh)
{
    LIBSSH2_CHANNEL *channel =
        libssh2_channel_open_ex(ssh, "session", 7, WINDOW, PACKET_SIZE, NULL, 0);
    return channel != NULL && libssh2_channel_exec(channel, "status") == 0;
}

static bool enrol(const struct hub *hub, const struct key *key, const char *token)
{
    struct login login = {.socket = -1};
    bool done = login_open(&login, hub, 0) && login_enrol(&login, key, token) == LOGIN_GRANTED;
    login_close(&login);
    return done;
}

static bool be_narrow(const struct hub *hub, const struct key *key, const char *site)
{
    struct login login = {.socket = -1};
    bool ended = false;
    if (login_open(&login, hub, 0) && login_with_key(&login, site, key) == LOGIN_GRANTED) {
        say("logged in");
        (void)ask(login.ssh); /* the hub may be lost to us before it answers */
        struct pollfd hung_up = {.fd = login.socket, .events = POLLRDHUP};
        ended = poll(&hung_up, 1, PATIENCE_MS) == 1;
    }
    login_close(&login);
    return ended;
}

int mode_narrow(const struct hub *hub, char **arguments)
{
    struct key key;
    if (!key_make(&key))
        return 1;
    bool ended = enrol(hub, &key, arguments[1]) && be_narrow(hub, &key, arguments[0]);
    key_release(&key);
    return ended ? 0 : 1;
}
