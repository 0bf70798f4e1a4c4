/*
 * Connecting and logging in with libssh2.  The host key is not looked at: these tests are about
 * what the hub lets in.
 */
#define _GNU_SOURCE
#include "login.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STACK_BYTES (512u << 10)

/* --- connecting ------------------------------------------------------------------------------- */

static uint32_t source_address(unsigned number)
{
    return (127u << 24) + (1u << 16) + 1 + number % 60000;
}

void source_of(unsigned number, char text[32])
{
    const struct in_addr address = {htonl(source_address(number))};
    (void)inet_ntop(AF_INET, &address, text, 32);
}

static int connect_from(const struct hub *hub, unsigned number)
{
    const struct sockaddr_in from = {.sin_family = AF_INET,
                                     .sin_addr = {htonl(source_address(number))}};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)hub->port)};
    const int on = 1;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -1;
    /* The port of this end is chosen at connecting: many may share one. */
    (void)setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (inet_pton(AF_INET, hub->address, &to.sin_addr) == 1 &&
        bind(descriptor, (const struct sockaddr *)&from, sizeof from) == 0 &&
        connect(descriptor, (const struct sockaddr *)&to, sizeof to) == 0)
        return descriptor;
    close(descriptor);
    return -1;
}

bool login_open(struct login *login, const struct hub *hub, unsigned number)
{
    login->ssh = NULL;
    login->socket = connect_from(hub, number);
    if (login->socket < 0)
        return false;
    login->ssh = libssh2_session_init_ex(NULL, NULL, NULL, login);
    if (login->ssh == NULL)
        return false;
    libssh2_session_set_timeout(login->ssh, LOGIN_TIMEOUT_MS);
    return libssh2_session_handshake(login->ssh, login->socket) == 0;
}

void login_close(struct login *login)
{
    if (login->ssh != NULL) {
        libssh2_session_set_blocking(login->ssh, 1);
        (void)libssh2_session_disconnect(login->ssh, "done");
        (void)libssh2_session_free(login->ssh);
    }
    if (login->socket >= 0)
        close(login->socket);
    login->ssh = NULL;
    login->socket = -1;
}

/* --- logging in ------------------------------------------------------------------------------- */

/* libssh2 has no code of its own for an answer that did not come: its text tells. */
static enum login_result judge(LIBSSH2_SESSION *ssh, int rc)
{
    char *text = NULL;
    if (rc == 0)
        return LOGIN_GRANTED;
    (void)libssh2_session_last_error(ssh, &text, NULL, 0);
    if (text != NULL && strncmp(text, "Waiting for ", strlen("Waiting for ")) == 0)
        return LOGIN_BROKEN;
    if (rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED || rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED)
        return LOGIN_REFUSED;
    return LOGIN_BROKEN;
}

enum login_result login_with_key(struct login *login, const char *user, const struct key *key)
{
    login->key = key;
    void *abstract = (void *)(uintptr_t)key;
    int rc =
        libssh2_userauth_publickey(login->ssh, user, key->blob, KEY_BLOB_SIZE, key_sign, &abstract);
    return judge(login->ssh, rc);
}

static void answer(const char *name, int name_length, const char *instruction,
                   int instruction_length, int count, const LIBSSH2_USERAUTH_KBDINT_PROMPT *prompts,
                   LIBSSH2_USERAUTH_KBDINT_RESPONSE *responses, void **abstract)
{
    (void)name, (void)name_length, (void)instruction, (void)instruction_length, (void)prompts;
    const struct login *login = *abstract;
    for (int i = 0; i < count; i++) {
        if (login->at_prompt != NULL)
            login->at_prompt(login->subject);
        responses[i].text = strdup(login->token);
        responses[i].length = responses[i].text != NULL ? (unsigned)strlen(login->token) : 0;
    }
}

enum login_result login_with_token(struct login *login, const char *token)
{
    login->token = token;
    return judge(login->ssh, libssh2_userauth_keyboard_interactive(login->ssh, "enrol", answer));
}

enum login_result login_with_password(struct login *login, const char *user)
{
    return judge(login->ssh, libssh2_userauth_password(login->ssh, user, "secret"));
}

enum login_result login_enrol(struct login *login, const struct key *key, const char *token)
{
    /* Partial success looks like a refusal to libssh2; without it the token would be refused. */
    if (login_with_key(login, "enrol", key) == LOGIN_BROKEN)
        return LOGIN_BROKEN;
    return login_with_token(login, token);
}

/* --- threads and words ------------------------------------------------------------------------ */

bool run_threads(unsigned count, void *(*run)(void *number))
{
    pthread_t *threads = calloc(count, sizeof *threads);
    pthread_attr_t attributes;
    unsigned started = 0;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    while (threads != NULL && started < count &&
           pthread_create(&threads[started], &attributes, run, (void *)(uintptr_t)started) == 0)
        started++;
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_attr_destroy(&attributes);
    free(threads);
    return started == count;
}

void say(const char *format, ...)
{
    char line[256];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(line, sizeof line - 1, format, values);
    va_end(values);
    if (length < 0 || (size_t)length >= sizeof line - 1)
        return;
    line[length] = '\n';
    if (write(STDOUT_FILENO, line, (size_t)length + 1) < 0)
        _exit(1);
}
