/*
 * A client that is not the project's: libssh2's key exchange and login, one thread for each.
 * Blocking, every call bounded by LOGIN_TIMEOUT_MS.
 */
#ifndef CLIENT_LOGIN_H
#define CLIENT_LOGIN_H

#include <libssh2.h>
#include <stdbool.h>

#include "key.h"

#define LOGIN_TIMEOUT_MS 30000

struct hub {
    const char *address; /* IPv4 */
    int port;
};

struct login {
    int socket;
    LIBSSH2_SESSION *ssh; /* NULL: not connected */
    const struct key *key;
    const char *token;                /* what prompts get; borrowed */
    void (*at_prompt)(void *subject); /* may be NULL */
    void *subject;
};

enum login_result {
    LOGIN_GRANTED,
    LOGIN_REFUSED,
    LOGIN_BROKEN, /* anything else than an answer */
};

/* Connects from 127.1.x.y, another for each `number`, and exchanges keys. */
bool login_open(struct login *login, const struct hub *hub, unsigned number);
void login_close(struct login *login);

/* One try each.  Without the private part a signature is made up. */
enum login_result login_with_key(struct login *login, const char *user, const struct key *key);
enum login_result login_with_token(struct login *login, const char *token);
enum login_result login_with_password(struct login *login, const char *user);
/* Key and token as `enrol`. */
enum login_result login_enrol(struct login *login, const struct key *key, const char *token);

/* The address that login_open binds for this number. */
void source_of(unsigned number, char text[32]);

/* Runs `count` threads, each with its number from 0 on, and waits for them. */
bool run_threads(unsigned count, void *(*run)(void *number));
/* One whole line to standard output. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
