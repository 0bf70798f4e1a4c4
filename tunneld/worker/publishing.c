/*
 * Global requests.  While the parent decides on one, nothing more is read from the peer: replies
 * to global requests have no number and must go out in order (RFC 4254, 4), and libssh answers
 * keepalives by itself.
 */
#define _GNU_SOURCE
#include "worker/publishing.h"

#include "worker/peer.h"

/* libssh hands over the address with the length that the peer gave; port and length are a
 * stranger's. */
static bool acceptable(const char *address, int port)
{
    size_t length = 0;

    if (!address || port < 0 || port > 65535)
        return false;
    for (; address[length] != '\0'; length++) {
        if (address[length] < 0x20 || address[length] > 0x7e || length >= MESSAGE_TEXT_SIZE - 1)
            return false;
    }
    return true;
}

static void finish(struct peer *peer)
{
    ssh_message_free(peer->publishing);
    peer->publishing = NULL;
    transport_release(peer->transport);
}

static void on_verdict(struct peer *peer, void *subject, const struct message *reply)
{
    (void)subject;
    if (reply->code == VERDICT_GRANTED) {
        /* libssh tells the port only to those who asked for port 0. */
        (void)ssh_message_global_request_reply_success(peer->publishing, (uint16_t)reply->port);
    } else {
        if (reply->text[0] != '\0')
            (void)ssh_send_debug(peer->ssh, reply->text, 1);
        (void)ssh_message_reply_default(peer->publishing);
    }
    finish(peer);
}

static void refuse(struct peer *peer, ssh_message message)
{
    (void)ssh_message_reply_default(message);
    ssh_message_free(message);
    transport_kick(peer->transport);
}

static bool type_of(ssh_message message, enum message_type *type)
{
    switch (ssh_message_subtype(message)) {
    case SSH_GLOBAL_REQUEST_TCPIP_FORWARD:
        *type = MESSAGE_PUBLISH;
        return true;
    case SSH_GLOBAL_REQUEST_CANCEL_TCPIP_FORWARD:
        *type = MESSAGE_UNPUBLISH;
        return true;
    default:
        return false;
    }
}

void publishing_on_message(struct peer *peer, ssh_message message)
{
    const char *address = ssh_message_global_request_address(message);
    int port = ssh_message_global_request_port(message);
    struct message question;
    enum message_type type;

    if (!type_of(message, &type)) {
        refuse(peer, message);
        return;
    }
    if (peer->role != ROLE_SITE || !acceptable(address, port)) {
        peer_refuse(peer, "forward of port %d", port);
        refuse(peer, message);
        return;
    }
    message_init(&question, type);
    question.port = (uint64_t)port;
    office_text(question.address, address);
    if (office_ask(peer, &question, on_verdict, NULL) < 0) {
        refuse(peer, message);
        return;
    }
    peer->publishing = message;
    transport_hold(peer->transport);
}

void publishing_release(struct peer *peer)
{
    ssh_message_free(peer->publishing);
    peer->publishing = NULL;
}
