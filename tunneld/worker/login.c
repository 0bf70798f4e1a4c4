/*
 * Login requests, one at a time: while the parent decides, the request is kept and nothing more is
 * read.  Refusals look alike on the wire.  The number of requests is bounded here, their time by
 * the peer's login timer.
 */
#define _GNU_SOURCE
#include "worker/login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crash_point.h"
#include "base/secret.h"
#include "base/text.h"
#include "worker/algorithms.h"
#include "worker/peer.h"

/* libssh would have callbacks answer login requests at once; the parent answers later. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define TOKEN_TRIES    3
#define GREETING_BYTES 4096

static void done_with(struct peer *peer, ssh_message message)
{
    ssh_message_free(message);
    transport_kick(peer->transport);
}

/* Says by which method the peer may go on. */
static void refuse(struct peer *peer, ssh_message message)
{
    int methods = peer->login.partial ? SSH_AUTH_METHOD_INTERACTIVE : SSH_AUTH_METHOD_PUBLICKEY;

    ssh_message_auth_set_methods(message, methods);
    (void)ssh_message_reply_default(message);
    done_with(peer, message);
}

/* --- asking the parent --- */

/* Keeps the request until the verdict is there. */
static void ask(struct peer *peer, ssh_message message, struct message *question,
                answer_handler *handler)
{
    if (office_ask(peer, question, handler, NULL) < 0) {
        refuse(peer, message);
        return;
    }
    peer->login.held = message;
    peer_set_state(peer, PEER_DECIDING);
    transport_hold(peer->transport);
}

static ssh_message take_held(struct peer *peer)
{
    ssh_message message = peer->login.held;

    peer->login.held = NULL;
    if (peer->state == PEER_DECIDING)
        peer_set_state(peer, PEER_AUTHENTICATING);
    transport_release(peer->transport);
    return message;
}

/* --- publickey --- */

static int keep_key(struct login *login, ssh_key key)
{
    char *base64 = NULL;
    uint8_t *blob;
    size_t size;
    long length;

    if (ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK)
        return -1;
    size = strlen(base64) / 4 * 3 + 3;
    blob = malloc(size);
    length = blob ? text_base64_decode(base64, strlen(base64), blob, size) : -1;
    ssh_string_free_char(base64);
    if (length <= 0 || length > MESSAGE_KEY_MAX) {
        free(blob);
        return -1;
    }
    free(login->key);
    login->key = blob;
    login->key_length = (size_t)length;
    return 0;
}

static void on_probe_verdict(struct peer *peer, void *subject, const struct message *reply)
{
    ssh_message message = take_held(peer);

    (void)subject;
    if (reply->code == VERDICT_REFUSED) {
        refuse(peer, message);
        return;
    }
    (void)ssh_message_auth_reply_pk_ok_simple(message);
    done_with(peer, message);
}

static void on_proof_verdict(struct peer *peer, void *subject, const struct message *reply)
{
    ssh_message message = take_held(peer);

    (void)subject;
    if (reply->code == VERDICT_REFUSED) {
        refuse(peer, message);
        return;
    }
    if (reply->code == VERDICT_GRANTED || reply->code == VERDICT_OPERATOR) {
        (void)ssh_message_auth_reply_success(message, 0);
        done_with(peer, message);
        peer_up(peer, reply->code == VERDICT_OPERATOR ? ROLE_OPERATOR : ROLE_SITE);
        return;
    }
    CRASH_POINT("worker.key_proven");
    peer->login.partial = true;
    ssh_message_auth_set_methods(message, SSH_AUTH_METHOD_INTERACTIVE);
    (void)ssh_message_auth_reply_success(message, 1);
    done_with(peer, message);
}

static void on_publickey(struct peer *peer, ssh_message message)
{
    enum ssh_publickey_state_e state = ssh_message_auth_publickey_state(message);
    ssh_key key = ssh_message_auth_pubkey(message);
    bool proven = state == SSH_PUBLICKEY_STATE_VALID;
    struct message question;

    if (peer->login.partial || (!proven && state != SSH_PUBLICKEY_STATE_NONE) ||
        !algorithms_key_is_welcome(key) || keep_key(&peer->login, key) < 0) {
        refuse(peer, message);
        return;
    }
    message_init(&question, MESSAGE_IDENTIFY);
    question.flags = proven ? MESSAGE_PROVEN : 0;
    question.key = peer->login.key;
    question.key_length = peer->login.key_length;
    office_text(question.user, peer->login.user);
    ask(peer, message, &question, proven ? on_proof_verdict : on_probe_verdict);
}

/* --- keyboard-interactive --- */

static void prompt_for_token(struct peer *peer, ssh_message message)
{
    const char *prompts[] = {"Token: "};
    char echo[] = {0};

    if (!peer->login.partial || peer->login.token_tries >= TOKEN_TRIES) {
        refuse(peer, message);
        return;
    }
    peer->login.prompt = PROMPT_TOKEN;
    (void)ssh_message_auth_interactive_request(message, "", "", 1, prompts, echo);
    done_with(peer, message);
}

/* The token was right: now the site and the key may be named.  The peer is up once it has
 * answered that it was shown the text. */
static void greet(struct peer *peer, ssh_message message, const struct message *reply)
{
    char text[GREETING_BYTES];
    size_t length = reply->data_length < sizeof text ? reply->data_length : sizeof text - 1;

    if (length > 0)
        memcpy(text, reply->data, length);
    text[length] = '\0';
    peer->login.prompt = PROMPT_GREETING;
    (void)ssh_message_auth_interactive_request(message, "", text, 0, NULL, NULL);
    done_with(peer, message);
}

static void on_token_verdict(struct peer *peer, void *subject, const struct message *reply)
{
    ssh_message message = take_held(peer);

    (void)subject;
    CRASH_POINT("worker.token_verdict");
    if (reply->code == VERDICT_GRANTED)
        greet(peer, message, reply);
    else
        refuse(peer, message);
}

static void redeem(struct peer *peer, ssh_message message)
{
    struct message question;
    const char *token = NULL;

    if (ssh_userauth_kbdint_getnanswers(peer->ssh) == 1)
        token = ssh_userauth_kbdint_getanswer(peer->ssh, 0);
    peer->login.token_tries++;
    if (!token || token[0] == '\0' || strlen(token) >= MESSAGE_TEXT_SIZE) {
        refuse(peer, message);
        return;
    }
    CRASH_POINT("worker.token_received");
    message_init(&question, MESSAGE_REDEEM);
    question.key = peer->login.key;
    question.key_length = peer->login.key_length;
    office_text(question.text, token);
    ask(peer, message, &question, on_token_verdict);
    secret_wipe(&question, sizeof question);
}

static void on_answers(struct peer *peer, ssh_message message)
{
    enum login_prompt prompt = peer->login.prompt;

    peer->login.prompt = PROMPT_NONE;
    if (prompt == PROMPT_TOKEN) {
        redeem(peer, message);
    } else if (prompt == PROMPT_GREETING) {
        CRASH_POINT("worker.greeted");
        (void)ssh_message_auth_reply_success(message, 0);
        done_with(peer, message);
        peer_up(peer, ROLE_ENROLLED);
    } else {
        refuse(peer, message);
    }
}

/* --- every request --- */

/* The first request's user is the session's. */
static bool same_user(struct login *login, const char *user)
{
    if (!user || strlen(user) >= MESSAGE_TEXT_SIZE)
        return false;
    if (!login->user)
        login->user = strdup(user);
    return login->user && strcmp(login->user, user) == 0;
}

static void on_request(struct peer *peer, ssh_message message)
{
    struct login *login = &peer->login;
    int method = ssh_message_subtype(message);
    bool free_of_charge = method == SSH_AUTH_METHOD_NONE && !login->none_seen;

    if (method == SSH_AUTH_METHOD_INTERACTIVE && ssh_message_auth_kbdint_is_response(message)) {
        on_answers(peer, message); /* it has no user, and belongs to a request that was counted */
        return;
    }
    login->none_seen = true;
    if (!free_of_charge && ++login->tries > peer->office->settings.login_tries) {
        ssh_message_free(message);
        peer_close(peer, "too many login attempts");
        return;
    }
    if (!same_user(login, ssh_message_auth_user(message)))
        method = SSH_AUTH_METHOD_UNKNOWN;
    if (method == SSH_AUTH_METHOD_PUBLICKEY)
        on_publickey(peer, message);
    else if (method == SSH_AUTH_METHOD_INTERACTIVE)
        prompt_for_token(peer, message);
    else
        refuse(peer, message);
}

static void on_service(struct peer *peer, ssh_message message)
{
    const char *service = ssh_message_service_service(message);

    if (service && strcmp(service, "ssh-userauth") == 0)
        (void)ssh_message_service_reply_success(message);
    else
        peer_close(peer, "protocol error: an unknown service was asked for");
    done_with(peer, message);
}

void login_on_message(struct peer *peer, ssh_message message)
{
    int type = ssh_message_type(message);

    if (type == SSH_REQUEST_SERVICE) {
        on_service(peer, message);
    } else if (type == SSH_REQUEST_AUTH && peer->state == PEER_AUTHENTICATING) {
        on_request(peer, message);
    } else {
        ssh_message_free(message);
        peer_close(peer, "protocol error: a request before login");
    }
}

void login_release(struct peer *peer)
{
    ssh_message_free(peer->login.held);
    free(peer->login.user);
    free(peer->login.key);
    memset(&peer->login, 0, sizeof peer->login);
}
