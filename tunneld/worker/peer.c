/*
 * The life of a peer: its states, its timers, and who handles which message.  What is granted to
 * it is decided elsewhere, by the parent.
 */
#define _GNU_SOURCE
#include "worker/peer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/kept_text.h"
#include "base/log.h"
#include "worker/publishing.h"
#include "worker/relay.h"

#define REFUSALS_MAX   100 /* of one session; a client that asks for more is up to no good */
#define RTT_NOISE_US   5000
#define LAST_LOOK_MS   1000 /* for a process that was itself asleep */
#define HEARD_EVERY_MS 100
#define ANSWER_MS      500          /* who answers within this is next looked at to be probed */
#define REKEY_BYTES    (1ull << 30) /* RFC 4253, 9 */
#define SOFTWARE_START "SSH-2.0-"

static const char *const state_names[PEER_STATE_END] = {
    [PEER_KEY_EXCHANGE] = "key exchange", [PEER_AUTHENTICATING] = "authenticating",
    [PEER_DECIDING] = "deciding",         [PEER_UP] = "up",
    [PEER_CLOSING] = "closing",
};

static const bool transitions[PEER_STATE_END][PEER_STATE_END] = {
    [PEER_KEY_EXCHANGE] = {[PEER_AUTHENTICATING] = true, [PEER_CLOSING] = true},
    [PEER_AUTHENTICATING] = {[PEER_DECIDING] = true, [PEER_UP] = true, [PEER_CLOSING] = true},
    [PEER_DECIDING] = {[PEER_AUTHENTICATING] = true, [PEER_CLOSING] = true},
    [PEER_UP] = {[PEER_CLOSING] = true},
};

void peer_set_state(struct peer *peer, enum peer_state state)
{
    if (!transitions[peer->state][state]) {
        log_error(KV("session", peer->sid), SAY("impossible change of state"),
                  KV("from", state_names[peer->state]), KV("to", state_names[state]));
        return;
    }
    log_debug(KV("session", peer->sid), SAY("changes state"), KV("peer", kept_text(peer->address)),
              KV("from", state_names[peer->state]), KV("to", state_names[state]));
    peer->state = state;
}

void peer_close(struct peer *peer, const char *reason)
{
    if (peer->state == PEER_CLOSING)
        return;
    peer_set_state(peer, PEER_CLOSING);
    listening_release(peer);
    transport_close(peer->transport, reason);
}

void peer_refuse(struct peer *peer, const char *format, ...)
{
    char what[MESSAGE_TEXT_SIZE], text[MESSAGE_TEXT_SIZE];
    struct message message;
    va_list values;

    va_start(values, format);
    (void)vsnprintf(what, sizeof what, format, values);
    va_end(values);
    if (++peer->refusals > REFUSALS_MAX) {
        peer_close(peer, "too many refused requests");
        return;
    }
    message_init(&message, MESSAGE_REFUSAL);
    message.sid = peer->sid;
    office_text(message.text, what);
    office_send(peer->office, &message);
    log_debug(KV("session", peer->sid), SAY("refused"), KV("asked", message.text));
    (void)snprintf(text, sizeof text, "refused by the hub: %.400s", message.text);
    (void)ssh_send_debug(peer->ssh, text, 1);
}

/* --- timers --- */

static void tell_alive(struct peer *peer)
{
    struct message message;

    peer->answers_due = 0;
    peer->told_rtt_us = transport_rtt_us(peer->transport);
    message_init(&message, MESSAGE_ALIVE);
    message.sid = peer->sid;
    message.rtt_us = peer->told_rtt_us;
    office_send(peer->office, &message);
}

/* Bytes that come now may have been sent long ago by a peer that is gone, whose kernel sends them
 * again; so may the answer to a keepalive that was under way.  That to the next one is of now. */
void peer_probe(struct peer *peer)
{
    peer->answers_due = transport_probe_pending(peer->transport) ? 2 : 1;
    peer->told_bytes = transport_bytes_in(peer->transport);
    peer->told_heard_ms = 0;
    transport_probe(peer->transport);
}

static void tell_heard(struct peer *peer)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct message message;

    if (transport_bytes_in(peer->transport) == peer->told_bytes ||
        now_ms - peer->told_heard_ms < HEARD_EVERY_MS)
        return;
    peer->told_bytes = transport_bytes_in(peer->transport);
    peer->told_heard_ms = now_ms;
    message_init(&message, MESSAGE_HEARD);
    message.sid = peer->sid;
    office_send(peer->office, &message);
}

static void close_silent(struct peer *peer, uint64_t bound_ms)
{
    char reason[64];

    if (bound_ms % 1000 == 0)
        (void)snprintf(reason, sizeof reason, "no answer for %llu s",
                       (unsigned long long)(bound_ms / 1000));
    else
        (void)snprintf(reason, sizeof reason, "no answer for %llu ms",
                       (unsigned long long)bound_ms);
    peer_close(peer, reason);
}

/* The agent probes at the same interval, and its first byte makes ours needless: without a head
 * start for it both would probe at the same moment, each time, and an idle site would cost twice as
 * much. */
static uint64_t probe_after_ms(const struct settings *settings)
{
    uint64_t head_start_ms = settings->keepalive_ms / 8;
    uint64_t spare_ms = (settings->dead_peer_ms - settings->keepalive_ms) / 2;

    return settings->keepalive_ms + (head_start_ms < spare_ms ? head_start_ms : spare_ms);
}

/* Judged by bytes received alone.  When the bound has passed, what may lie in the socket is looked
 * at once more before the session is given up: this process may have been stopped. */
static void check_silence(struct peer *peer)
{
    const struct settings *settings = &peer->office->settings;
    uint64_t silent_ms = clock_monotonic_ms() - transport_last_heard_ms(peer->transport);
    uint64_t patience_ms = probe_after_ms(settings);

    /* It is the parent who keeps us waiting.  The peer cannot probe while its request is
     * unanswered, and judges us by what it hears. */
    if (transport_is_held(peer->transport)) {
        (void)ssh_send_ignore(peer->ssh, "");
        transport_kick(peer->transport);
        deadline_set(peer, settings->keepalive_ms);
        return;
    }
    if (silent_ms < patience_ms) {
        peer->overdue = false;
        deadline_set(peer, patience_ms - silent_ms);
        return;
    }
    if (silent_ms < settings->dead_peer_ms) {
        uint64_t left_ms = settings->dead_peer_ms - silent_ms;
        uint64_t again_ms = patience_ms + ANSWER_MS;
        peer->overdue = false;
        transport_probe(peer->transport);
        deadline_set(peer, left_ms < again_ms ? left_ms : again_ms);
        return;
    }
    if (peer->overdue) {
        close_silent(peer, settings->dead_peer_ms);
        return;
    }
    peer->overdue = true;
    deadline_set(peer, settings->dead_peer_ms / 4 < LAST_LOOK_MS ? settings->dead_peer_ms / 4
                                                                 : LAST_LOOK_MS);
}

/* A login under way keeps the time that it was given. */
void peer_mind_settings(struct peer *peer)
{
    if (peer->state != PEER_UP)
        return;
    struct transport_scope before = transport_enter(peer->transport);
    peer->overdue = false;
    check_silence(peer);
    transport_leave(before);
}

void peer_overdue(struct peer *peer)
{
    struct transport_scope before = transport_enter(peer->transport);

    if (peer->state == PEER_UP)
        check_silence(peer);
    else if (peer->state != PEER_CLOSING)
        peer_close(peer, "not logged in in time");
    transport_leave(before);
}

/* --- the transport's events --- */

static void on_open(struct peer *peer, ssh_message message)
{
    if (ssh_message_subtype(message) == SSH_CHANNEL_DIRECT_TCPIP && peer->role != ROLE_ENROLLED)
        direct_on_open(peer, message);
    else
        command_on_open(peer, message);
}

static void on_up_message(struct peer *peer, ssh_message message)
{
    switch (ssh_message_type(message)) {
    case SSH_REQUEST_CHANNEL_OPEN:
        on_open(peer, message);
        break;
    case SSH_REQUEST_CHANNEL:
        command_on_request(peer, message);
        break;
    case SSH_REQUEST_GLOBAL:
        publishing_on_message(peer, message);
        break;
    default: /* a second login: to be ignored (RFC 4252, 5.3) */
        ssh_message_free(message);
        break;
    }
}

/* The first login request may come in the same turn as the end of the key exchange. */
static void check_key_exchange(struct peer *peer)
{
    if (peer->state != PEER_KEY_EXCHANGE || ssh_handle_key_exchange(peer->ssh) != SSH_OK)
        return;
    ssh_set_auth_methods(peer->ssh, SSH_AUTH_METHOD_PUBLICKEY);
    peer_set_state(peer, PEER_AUTHENTICATING);
    transport_kick(peer->transport);
}

static void on_message(void *owner, ssh_message message)
{
    struct peer *peer = owner;

    check_key_exchange(peer);
    if (peer->state == PEER_CLOSING)
        ssh_message_free(message);
    else if (peer->state == PEER_UP)
        on_up_message(peer, message);
    else
        login_on_message(peer, message);
}

static void on_turn(void *owner)
{
    struct peer *peer = owner;

    check_key_exchange(peer);
    if (peer->state != PEER_UP)
        return;
    /* An agent says why it refuses a channel before it does. */
    commands_turn(peer);
    relays_turn(peer);
    if (peer->answers_due > 0)
        tell_heard(peer);
}

/* The parent is told what it asked for, and what it would show differently: told of each keepalive,
 * it would be woken up as often as the workers are. */
static void on_rtt(void *owner, uint64_t rtt_us)
{
    struct peer *peer = owner;
    uint64_t told_us = peer->told_rtt_us;
    uint64_t change_us = rtt_us > told_us ? rtt_us - told_us : told_us - rtt_us;

    if (peer->answers_due > 1) {
        peer->answers_due--;
        transport_probe(peer->transport);
        return;
    }
    if (peer->answers_due > 0 || told_us == 0 || change_us > told_us / 4 + RTT_NOISE_US)
        tell_alive(peer);
}

static void peer_free(struct peer *peer)
{
    kept_text_drop(&peer->address);
    kept_text_drop(&peer->open_failure);
    free(peer);
}

static void tell_gone(struct office *office, uint64_t sid, const char *reason)
{
    struct message message;

    message_init(&message, MESSAGE_GONE);
    message.sid = sid;
    office_text(message.text, reason);
    office_send(office, &message);
}

static void on_down(void *owner, const char *reason)
{
    struct peer *peer = owner;
    struct office *office = peer->office;

    if (peer->state != PEER_CLOSING)
        peer_set_state(peer, PEER_CLOSING);
    peer->transport = NULL;
    listening_release(peer);
    relays_release(peer, reason);
    directs_release(peer);
    policies_release(peer);
    commands_release(peer);
    publishing_release(peer);
    login_release(peer);
    office_forget(peer, NULL);
    index_remove(&office->peers, &peer->sid);
    TAILQ_REMOVE(&office->all_peers, peer, all);
    office->peer_count--;
    log_debug(KV("session", peer->sid), SAY("gone"), KV("peer", kept_text(peer->address)),
              KV("reason", reason));
    tell_gone(office, peer->sid, reason);
    deadline_clear(peer);
    peer_free(peer);
    office_stop_if_idle(office);
}

static const struct transport_handlers handlers = {on_message, on_turn, on_down, on_rtt};

/* --- the beginning, and being up --- */

void peer_up(struct peer *peer, enum peer_role role)
{
    const char *software = ssh_get_clientbanner(peer->ssh);
    const char *cipher = ssh_get_cipher_in(peer->ssh);
    struct message message;

    peer->role = role;
    peer_set_state(peer, PEER_UP);
    login_release(peer);
    if (software && strncmp(software, SOFTWARE_START, sizeof SOFTWARE_START - 1) == 0)
        software += sizeof SOFTWARE_START - 1;
    message_init(&message, MESSAGE_UP);
    message.sid = peer->sid;
    office_text(message.text, software ? software : "");
    office_text(message.address, cipher ? cipher : "");
    office_send(peer->office, &message);
    transport_probe(peer->transport); /* so that its round trip is known early */
    deadline_set(peer, peer->office->settings.keepalive_ms);
}

/* What a listening ssh_bind has no options for.  Compression would only be another way in. */
static bool set_options(ssh_session ssh)
{
    const uint64_t rekey_bytes = REKEY_BYTES;

    return ssh_options_set(ssh, SSH_OPTIONS_COMPRESSION, "none") == SSH_OK &&
           ssh_options_set(ssh, SSH_OPTIONS_REKEY_DATA, &rekey_bytes) == SSH_OK;
}

/* Two polls: in the first libssh sends its version, in the second it learns that it may go on
 * sending.  Input is kept from both, or libssh could find in it that nothing fits and close the
 * socket while its own offer still waits, in which the peer would have seen why. */
static int greet(ssh_session ssh, int descriptor)
{
    const int much = 16 << 10, one = 1;
    int rc;

    (void)setsockopt(descriptor, SOL_SOCKET, SO_RCVLOWAT, &much, sizeof much);
    rc = ssh_handle_key_exchange(ssh);
    if (rc == SSH_AGAIN)
        rc = ssh_handle_key_exchange(ssh);
    (void)setsockopt(descriptor, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one);
    return rc;
}

/* Takes the descriptor: libssh's session owns it afterwards, or it is closed. */
static ssh_session accept_session(struct office *office, int descriptor)
{
    ssh_session ssh = ssh_new();

    if (!ssh) {
        close(descriptor);
        return NULL;
    }
    if (ssh_bind_accept_fd(office->bind, ssh, descriptor) == SSH_OK && set_options(ssh)) {
        ssh_set_blocking(ssh, 0);
        if (greet(ssh, descriptor) != SSH_ERROR)
            return ssh;
    }
    if (ssh_get_fd(ssh) != descriptor)
        close(descriptor);
    ssh_free(ssh);
    return NULL;
}

static void peer_init(struct peer *peer, struct office *office, uint64_t sid, const char *address)
{
    peer->sid = sid;
    peer->office = office;
    TAILQ_INIT(&peer->questions);
    TAILQ_INIT(&peer->commands);
    TAILQ_INIT(&peer->shares);
    TAILQ_INIT(&peer->listening);
    TAILQ_INIT(&peer->opening);
    directs_init(&peer->directs);
    kept_text_set(&peer->address, address);
}

/* The peer without its transport, entered in the index; or NULL. */
static struct peer *peer_new(struct office *office, uint64_t sid, const char *address)
{
    struct peer *peer = calloc(1, sizeof *peer);

    if (!peer)
        return NULL;
    peer_init(peer, office, sid, address);
    if (index_add(&office->peers, &peer->sid) == 0)
        return peer;
    peer_free(peer);
    return NULL;
}

static int open_transport(struct peer *peer, int descriptor)
{
    struct office *office = peer->office;

    peer->ssh = accept_session(office, descriptor);
    if (!peer->ssh)
        return -1;
    if (transport_open(&office->loop, peer->ssh, descriptor, &handlers, peer, &peer->transport) ==
        0)
        return 0;
    ssh_free(peer->ssh);
    return -1;
}

void peer_open(struct office *office, uint64_t sid, const char *address, int descriptor)
{
    struct peer *peer = peer_new(office, sid, address);

    if (!peer) {
        close(descriptor);
        tell_gone(office, sid, "out of memory");
        return;
    }
    if (open_transport(peer, descriptor) < 0) {
        index_remove(&office->peers, &peer->sid);
        peer_free(peer);
        tell_gone(office, sid, "the connection was lost at once, or out of memory");
        return;
    }
    TAILQ_INSERT_TAIL(&office->all_peers, peer, all);
    office->peer_count++;
    deadline_set(peer, office->settings.login_grace_ms);
    log_debug(KV("session", sid), SAY("begins"), KV("peer", kept_text(peer->address)));
}
