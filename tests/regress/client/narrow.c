/*
 * A peer that takes small packets only.  With ten bytes, their header, none of its channel's data
 * fits: writing to it never ends in some versions of libssh.  Says how each size went.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "modes.h"

#define WINDOW      65536
#define PATIENCE_MS 20000
#define ECHO_BYTES  4096

static bool enrol(const struct hub *hub, const struct key *key, const char *token)
{
    struct login login = {.socket = -1};
    bool done = login_open(&login, hub, 0) && login_enrol(&login, key, token) == LOGIN_GRANTED;
    login_close(&login);
    return done;
}

/* Says whether the hub ends the session, or all of `wanted` bytes come. */
static void await(const struct login *login, LIBSSH2_CHANNEL *channel, unsigned size, size_t wanted)
{
    struct pollfd hung_up = {.fd = login->socket, .events = POLLRDHUP};
    char bytes[ECHO_BYTES];
    size_t got = 0;
    ssize_t more = 1;
    while (channel != NULL && more > 0 && got < wanted) {
        more = libssh2_channel_read(channel, bytes, sizeof bytes);
        got += more > 0 ? (size_t)more : 0;
    }
    if (got >= wanted)
        say("packets of %u: answered", size);
    else if (poll(&hung_up, 1, PATIENCE_MS) == 1)
        say("packets of %u: the session ended", size);
    else
        say("packets of %u: nothing", size);
}

static LIBSSH2_CHANNEL *open_narrow(const struct login *login, const char *type, unsigned size,
                                    const char *message, size_t length)
{
    return libssh2_channel_open_ex(login->ssh, type, (unsigned)strlen(type), WINDOW, size, message,
                                   (unsigned)length);
}

static void ask_status(const struct login *login, unsigned size)
{
    LIBSSH2_CHANNEL *channel = open_narrow(login, "session", size, NULL, 0);
    if (channel != NULL && libssh2_channel_exec(channel, "status") != 0)
        channel = NULL;
    await(login, channel, size, 1);
}

int mode_narrow(const struct hub *hub, char **arguments)
{
    struct key key;
    struct login login = {.socket = -1};
    if (!key_make(&key))
        return 1;
    bool done = enrol(hub, &key, arguments[1]) && login_open(&login, hub, 0) &&
                login_with_key(&login, arguments[0], &key) == LOGIN_GRANTED;
    if (done)
        ask_status(&login, (unsigned)atoi(arguments[2]));
    login_close(&login);
    key_release(&key);
    return done ? 0 : 1;
}

/* --- as an operator --- */

static size_t put_u32(char *to, size_t number)
{
    for (size_t i = 0; i < 4; i++)
        to[i] = (char)(number >> (24 - 8 * i) & 0xff);
    return 4;
}

static size_t put_text(char *to, const char *text)
{
    size_t length = strlen(text);
    memcpy(to + put_u32(to, length), text, length);
    return 4 + length;
}

/* RFC 4254, 7.2. */
static void ask_echo(const struct login *login, char **arguments, unsigned size)
{
    static const char bytes[ECHO_BYTES];
    char message[512];
    size_t length = put_text(message, arguments[2]);
    length += put_u32(message + length, (size_t)atoi(arguments[3]));
    length += put_text(message + length, "127.0.0.1");
    length += put_u32(message + length, 1);
    LIBSSH2_CHANNEL *channel = open_narrow(login, "direct-tcpip", size, message, length);
    if (channel != NULL)
        (void)libssh2_channel_write(channel, bytes, sizeof bytes);
    await(login, channel, size, sizeof bytes);
}

int mode_narrow_through(const struct hub *hub, char **arguments)
{
    struct login login = {.socket = -1};
    bool done =
        strlen(arguments[2]) < 256 && login_open(&login, hub, 0) &&
        libssh2_userauth_publickey_fromfile(login.ssh, arguments[0], NULL, arguments[1], NULL) == 0;
    if (done)
        ask_echo(&login, arguments, (unsigned)atoi(arguments[4]));
    login_close(&login);
    return done ? 0 : 1;
}
