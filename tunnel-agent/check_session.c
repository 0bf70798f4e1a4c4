/*
 * Logging in as the site, or up to the question for the token with a key made for this one time;
 * then what the hub's `status` says, and the round trip.  None of it activates a key or uses a
 * token.  The session is non-blocking; waiting is done here, with a limit.
 */
#define _GNU_SOURCE
#include <libssh/server.h> /* ssh_send_keepalive */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "authenticate.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "check_steps.h"

#define TURN_MS         100 /* libssh may hold bytes that no poll shows */
#define STATUS_MAX      65536
#define KEEPALIVES      5
#define LOST_ON_THE_WAY "; the hub is overloaded, or large packets are lost on the way (MTU)"

static uint64_t deadline(void)
{
    return clock_monotonic_ms() + CHECK_TIMEOUT_MS;
}

/* Waits for the hub's next bytes.  False: the time is over. */
static bool turn(ssh_session session, uint64_t end_ms)
{
    bool unsent = (ssh_get_status(session) & SSH_WRITE_PENDING) != 0;
    struct pollfd polled = {.fd = ssh_get_fd(session),
                            .events = (short)(unsent ? POLLIN | POLLOUT : POLLIN)};
    if (clock_monotonic_ms() >= end_ms)
        return false;
    (void)poll(&polled, 1, TURN_MS);
    return true;
}

void check_hang_up(ssh_session session)
{
    if (session == NULL)
        return;
    ssh_disconnect(session);
    ssh_free(session);
}

enum handshake_result check_shake_hands(struct check *check, int socket, const char *user,
                                        char seen[FINGERPRINT_SIZE], ssh_session *out,
                                        struct fault *fault)
{
    enum handshake_result result;
    uint64_t end_ms = deadline();
    if (handshake_new(socket, user, check->host_keys, out, fault) != 0) {
        struct attempt attempt = {.socket = socket};
        attempt_close(&attempt);
        return HANDSHAKE_FAILED;
    }
    do
        result = handshake_step(*out, check->host_keys, seen, fault);
    while (result == HANDSHAKE_WAIT && turn(*out, end_ms));
    if (result != HANDSHAKE_WAIT)
        return result;
    fault_set(fault, "no SSH key exchange: " CHECK_NO_ANSWER LOST_ON_THE_WAY);
    return HANDSHAKE_FAILED;
}

/* A session through the door, keys exchanged.  NULL: the fault says why. */
static ssh_session enter(struct check *check, const char *user, struct fault *fault)
{
    int socket = check_open(check->door, fault);
    char seen[FINGERPRINT_SIZE];
    ssh_session session = NULL;
    if (socket < 0)
        return NULL;
    if (check_shake_hands(check, socket, user, seen, &session, fault) == HANDSHAKE_DONE)
        return session;
    check_hang_up(session);
    return NULL;
}

static enum authentication_result authenticate(struct authentication *login, struct fault *fault)
{
    enum authentication_result result;
    uint64_t end_ms = deadline();
    do
        result = authentication_step(login, fault);
    while (result == AUTHENTICATION_WAIT && turn(login->session, end_ms));
    if (result != AUTHENTICATION_WAIT)
        return result;
    fault_set(fault, "authentication: " CHECK_NO_ANSWER);
    return AUTHENTICATION_BROKEN;
}

/* --- login ------------------------------------------------------------------------------------ */

static void say_refused(struct check *check)
{
    if (check->has_keyfile)
        check_say(check, CHECK_SKIP, check->site, NULL,
                  "the hub does not know the key yet, enrolling makes it known");
    else
        check_say(check, CHECK_FAIL, check->site,
                  "ask the hub's operator, or enrol with a new keyfile",
                  "the hub refused key %s: the site is disabled or removed, or has another key by "
                  "now",
                  check->fingerprint);
}

void check_login(struct check *check)
{
    struct fault fault = {0};
    if (check->key == NULL) {
        check_say_needs(check, check->site, "site key");
        return;
    }
    ssh_session session = enter(check, check->site, &fault);
    struct authentication login = {.session = session, .key = check->key};
    enum authentication_result result =
        session != NULL ? authenticate(&login, &fault) : AUTHENTICATION_BROKEN;
    if (result == AUTHENTICATION_GRANTED) {
        check_say(check, CHECK_PASS, check->site, NULL, "key %s is accepted", check->fingerprint);
        check->session = session;
        return;
    }
    check_hang_up(session);
    if (result == AUTHENTICATION_REFUSED)
        say_refused(check);
    else
        check_say_fault(check, check->site, &fault, "try again; then ask the hub's operator");
}

/* --- token ------------------------------------------------------------------------------------ */

/* After partial success: does the hub ask one question? */
static bool asks_for_token(ssh_session session)
{
    uint64_t end_ms = deadline();
    int rc;
    do
        rc = ssh_userauth_kbdint(session, NULL, NULL);
    while (rc == SSH_AUTH_AGAIN && turn(session, end_ms));
    return rc == SSH_AUTH_INFO && ssh_userauth_kbdint_getnprompts(session) == 1;
}

static bool is_open(struct check *check, ssh_key key, struct fault *fault)
{
    ssh_session session = enter(check, ENROL_USER, fault);
    if (session == NULL)
        return false;
    struct authentication login = {.session = session, .key = key};
    enum authentication_result result = authenticate(&login, fault);
    bool open = result == AUTHENTICATION_REFUSED && login.at_token && asks_for_token(session);
    if (!open && result != AUTHENTICATION_BROKEN)
        fault_set(fault, "the hub does not ask for a token; is it a tunneld? ask its operator");
    check_hang_up(session);
    return open;
}

void check_token(struct check *check)
{
    const char *id = check->keyfile.token.id;
    struct fault fault = {0};
    ssh_key key = NULL;
    if (check->session != NULL) {
        check_say(check, CHECK_SKIP, id, NULL, "not needed, the hub knows the key");
        return;
    }
    if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK) {
        check_say(check, CHECK_FAIL, id, NULL, "cannot make an Ed25519 key");
        return;
    }
    if (is_open(check, key, &fault))
        check_say(check, CHECK_PASS, id, NULL,
                  "the hub asks for it; whether it is still good shows when enrolling, only once");
    else
        check_say_fault(check, id, &fault, "ask the hub's operator");
    ssh_key_free(key);
}

/* --- forwards --------------------------------------------------------------------------------- */

/* Reads to the end of the channel's output. */
static int read_all(ssh_channel channel, uint64_t end_ms, char *text, struct fault *fault)
{
    ssh_session session = ssh_channel_get_session(channel);
    size_t used = 0;
    while (used < STATUS_MAX - 1) {
        int got = ssh_channel_read_nonblocking(channel, text + used,
                                               (uint32_t)(STATUS_MAX - 1 - used), 0);
        if (got > 0) {
            used += (size_t)got;
            continue;
        }
        if (got == SSH_EOF || ssh_channel_is_eof(channel) || ssh_channel_is_closed(channel))
            break;
        if (got < 0 || !ssh_is_connected(session))
            return fault_set(fault, "'status': %s", ssh_get_error(session));
        if (!turn(session, end_ms))
            return fault_set(fault, "'status': " CHECK_NO_ANSWER);
    }
    text[used] = '\0';
    return 0;
}

static int run_status(ssh_channel channel, char *text, struct fault *fault)
{
    ssh_session session = ssh_channel_get_session(channel);
    uint64_t end_ms = deadline();
    int rc;
    do
        rc = ssh_channel_open_session(channel);
    while (rc == SSH_AGAIN && turn(session, end_ms));
    if (rc != SSH_OK)
        return fault_set(fault, "the hub opens no channel: %s",
                         rc == SSH_AGAIN ? CHECK_NO_ANSWER : ssh_get_error(session));
    do
        rc = ssh_channel_request_exec(channel, "status");
    while (rc == SSH_AGAIN && turn(session, end_ms));
    if (rc != SSH_OK)
        return fault_set(fault, "the hub refuses 'status': %s",
                         rc == SSH_AGAIN ? CHECK_NO_ANSWER : ssh_get_error(session));
    return read_all(channel, end_ms, text, fault);
}

static int ask_status(ssh_session session, char *text, struct fault *fault)
{
    ssh_channel channel = ssh_channel_new(session);
    if (channel == NULL)
        return fault_set(fault, "out of memory");
    int rc = run_status(channel, text, fault);
    ssh_channel_free(channel);
    return rc;
}

static int take_status(struct check *check, struct fault *fault)
{
    int64_t hub_s;
    char *text = malloc(STATUS_MAX);
    if (text == NULL)
        return fault_set(fault, "out of memory");
    int64_t now_s = clock_wall_s();
    int rc = ask_status(check->session, text, fault);
    if (rc == 0)
        rc = status_forwards(text, &check->granted, &check->granted_count, fault);
    if (rc == 0)
        rc = status_outbound(text, &check->outbound, &check->outbound_count, fault);
    if (rc == 0 && status_time(text, &hub_s)) {
        check->hub_clock_known = true;
        check->hub_ahead_s = hub_s - now_s;
    }
    free(text);
    return rc;
}

static int take_keyfile(struct check *check, struct fault *fault)
{
    size_t count = check->keyfile.forward_count;
    if (count == 0)
        return 0;
    check->granted = calloc(count, sizeof *check->granted);
    if (check->granted == NULL)
        return fault_set(fault, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const struct keyfile_forward *forward = &check->keyfile.forwards[i];
        struct granted *granted = &check->granted[i];
        host_port_format(forward->listen.host, forward->listen.port, granted->listen);
        granted->target = forward->target;
        text_copy(granted->state, sizeof granted->state, "in the keyfile");
    }
    check->granted_count = count;
    return 0;
}

/* States of the hub's in which no visitor will come through. */
static const struct {
    const char *state, *advice;
} CLOSED[] = {
    {"refused",
     "remove what the reason names; allow_targets and allow_listen are this site's own lists"},
    {"disabled", "ask the hub's operator to enable it"},
};

static void say_granted(struct check *check, const struct granted *granted)
{
    char target[HOST_PORT_SIZE];
    const char *advice = NULL;
    for (size_t i = 0; i < sizeof CLOSED / sizeof CLOSED[0]; i++) {
        if (strcmp(granted->state, CLOSED[i].state) == 0)
            advice = CLOSED[i].advice;
    }
    check_say(check, advice != NULL ? CHECK_FAIL : CHECK_PASS, granted->listen, advice,
              "to %s, %s%s%s", host_port_format(granted->target.host, granted->target.port, target),
              granted->state, granted->reason[0] != '\0' ? ": " : "", granted->reason);
}

static void say_none_granted(struct check *check, bool by_hub)
{
    if (check->outbound_count > 0)
        check_say(check, CHECK_SKIP, check->site, NULL, "the hub grants this site no forward");
    else if (by_hub)
        check_say(check, CHECK_FAIL, check->site,
                  "ask the hub's operator for: tunnelctl port allow SITE PORT --target HOST:PORT",
                  "the hub grants this site no forward");
    else
        check_say(check, CHECK_SKIP, check->site, NULL,
                  "the keyfile lists none, the hub may grant some later");
}

void check_forwards(struct check *check)
{
    struct fault fault = {0};
    bool by_hub = check->session != NULL;
    if (!by_hub && !check->has_keyfile) {
        check_say_needs(check, NULL, "login");
        return;
    }
    if ((by_hub ? take_status(check, &fault) : take_keyfile(check, &fault)) != 0) {
        check_say_fault(check, check->site, &fault, "ask the hub's operator");
        return;
    }
    if (check->granted == NULL) {
        say_none_granted(check, by_hub);
        return;
    }
    for (size_t i = 0; i < check->granted_count; i++)
        say_granted(check, &check->granted[i]);
}

void check_outbound(struct check *check)
{
    for (size_t i = 0; i < check->outbound_count; i++)
        say_granted(check, &check->outbound[i]);
}

/* --- round trip ------------------------------------------------------------------------------- */

static int compare(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* libssh tells when a keepalive was answered only to those who wait for it. */
static void time_keepalives(struct check *check)
{
    uint64_t times_us[KEEPALIVES];
    long limit_s = CHECK_TIMEOUT_MS / 1000;
    ssh_set_blocking(check->session, 1);
    (void)ssh_options_set(check->session, SSH_OPTIONS_TIMEOUT, &limit_s);
    for (size_t i = 0; i < KEEPALIVES; i++) {
        uint64_t began_us = check_now_us();
        (void)ssh_send_keepalive(check->session);
        times_us[i] = check_now_us() - began_us;
        if (ssh_is_connected(check->session) && times_us[i] < CHECK_TIMEOUT_MS * 1000)
            continue;
        check_say(check, CHECK_FAIL, check->door->name, "the line to the hub is not stable",
                  "keepalive %zu: %s", i + 1,
                  ssh_is_connected(check->session) ? CHECK_NO_ANSWER
                                                   : "the hub closed the session");
        return;
    }
    qsort(times_us, KEEPALIVES, sizeof times_us[0], compare);
    uint64_t median_us = times_us[KEEPALIVES / 2];
    check_say(check, CHECK_PASS, check->door->name, NULL, "%.2f ms (median of %d keepalives)",
              (double)median_us / 1000, KEEPALIVES);
}

/* Without a session there is the time that connecting took. */
static const struct endpoint *nearest(const struct check *check)
{
    const struct endpoint *endpoint = check->door != NULL ? check->door : check->endpoints;
    while (endpoint->attempt.error != 0)
        endpoint++; /* one connected, or this step would not run */
    return endpoint;
}

void check_round_trip(struct check *check)
{
    if (check->session != NULL) {
        time_keepalives(check);
        return;
    }
    const struct endpoint *endpoint = nearest(check);
    check_say(check, CHECK_PASS, endpoint->name, NULL, "%.2f ms (TCP alone)",
              (double)endpoint->attempt.duration_us / 1000);
}
