/*
 * What a site may ask over SSH about itself: one text for people, one channel for its agent, and
 * that its new key becomes current.  Nothing here shows it another site.  An operator is shown what
 * it may reach.
 */
#define _GNU_SOURCE
#include "parent/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "parent/forwards.h"
#include "parent/operators.h"
#include "parent/outbound.h"
#include "parent/peer_text.h"
#include "parent/rotation.h"
#include "parent/sites.h"
#include "parent/snapshots.h"

#define LIST_MAX_BYTES (MESSAGE_DATA_MAX - 4096) /* leaves room for what follows the list */

/* Private grants have no address of their own. */
static void write_reach(FILE *out, const struct hub_operator *person, const struct forward *forward)
{
    const char *reason = forward_reason(forward);
    if (operator_may_reach(person, forward))
        (void)fprintf(out, "  %s:%u -> %s  %s%s%s\n", forward->site->row.name,
                      (unsigned)forward->grant->port, forward->grant->target,
                      forward_state_name(forward_state(forward)), reason[0] != '\0' ? ": " : "",
                      reason);
}

static void write_operator_forwards(FILE *out, const struct hub_operator *person)
{
    const struct site *site;
    (void)fprintf(out, "\nforwards:\n");
    TAILQ_FOREACH(site, &person->hub->sites, entry)
    {
        for (size_t i = 0; i < site->forward_count; i++) {
            if (ftell(out) > LIST_MAX_BYTES) {
                (void)fprintf(out, "  ... and more\n");
                return;
            }
            write_reach(out, person, site->forwards[i]);
        }
    }
}

static void write_operator(FILE *out, const struct session *session)
{
    const struct hub_operator *person = session->person;
    char expires[CLOCK_TEXT_SIZE], scopes[SCOPES_TEXT_MAX];
    int64_t expires_s = person->row.expires_s;
    (void)fprintf(out, "%-18s%s\n", "operator", person->row.name);
    (void)fprintf(out, "%-18stunneld %s\n", "hub", TUNNEL_VERSION);
    (void)fprintf(out, "%-18s%s\n", "key", person->fingerprint);
    (void)fprintf(out, "%-18s%s\n", "may reach", scopes_format(&person->row.scopes, scopes));
    (void)fprintf(out, "%-18s%s\n", "until",
                  expires_s != 0 ? clock_format(expires_s, expires) : "removed");
    write_operator_forwards(out, person);
    refusals_write(&person->refusals, out);
}

static void write_session(FILE *out, const char *what, const struct session *session)
{
    char since[CLOCK_TEXT_SIZE];
    (void)fprintf(out, "%-18s%llu from %s since %s\n", what, (unsigned long long)session->id,
                  session->peer, clock_format(session->since_s, since));
}

static void write_forwards(FILE *out, const struct site *site)
{
    (void)fprintf(out, "\nforwards:%s\n", site->forward_count == 0 ? " none granted" : "");
    for (size_t i = 0; i < site->forward_count; i++) {
        const struct forward *forward = site->forwards[i];
        if (ftell(out) > LIST_MAX_BYTES) {
            (void)fprintf(out, "  ... and %zu more\n", site->forward_count - i);
            return;
        }
        const char *reason = forward_reason(forward);
        (void)fprintf(out, "  %s -> %s  %s%s%s\n", forward->listen, forward->grant->target,
                      forward_state_name(forward_state(forward)), reason[0] != '\0' ? ": " : "",
                      reason);
    }
}

static void write_outbound(FILE *out, const struct site *site)
{
    if (TAILQ_EMPTY(&site->outbounds))
        return;
    (void)fprintf(out, "\noutbound:\n");
    const struct outbound *outbound;
    TAILQ_FOREACH(outbound, &site->outbounds, of_site)
    {
        const char *reason = outbound_reason(outbound);
        if (ftell(out) > LIST_MAX_BYTES)
            return;
        (void)fprintf(out, "  %s -> %s  %s%s%s\n", outbound->listen, outbound->target,
                      outbound_state_name(outbound_state(outbound)), reason[0] != '\0' ? ": " : "",
                      reason);
    }
}

static void write_status(FILE *out, const struct session *session)
{
    const struct site *site = session->site;
    const struct session *main_session = site_main_session(site);
    (void)fprintf(out, "%-18s%s\n", "site", site->row.name);
    (void)fprintf(out, "%-18stunneld %s\n", "hub", TUNNEL_VERSION);
    (void)fprintf(out, "%-18s%s (%s)\n", "key", session->fingerprint,
                  key_state_name(session->key ? KEY_PENDING : KEY_CURRENT));
    write_session(out, "this session", session);
    if (main_session && session_is_publisher(main_session))
        write_session(out, "publisher", main_session);
    else
        (void)fprintf(out, "%-18snone\n", "publisher");
    write_forwards(out, site);
    write_outbound(out, site);
    refusals_write(&site->refusals, out);
}

/* How the peer reaches us with its key, as one types it. */
static void write_ssh(FILE *out, const struct session *session, const char *options)
{
    const struct host_port_list *hubs = &session->hub->settings.public_addresses;
    (void)fprintf(out, "ssh%s", options);
    if (hubs->count > 0 && hubs->items[0].port != 22)
        (void)fprintf(out, " -p %u", (unsigned)hubs->items[0].port);
    (void)fprintf(out, " %s@%s", session->site->row.name,
                  hubs->count > 0 ? hubs->items[0].host : "HUB");
}

static void write_enrolled(FILE *out, const struct session *session)
{
    const struct site *site = session->site;
    char options[HOST_PORT_SIZE + 32] = " -N -R PORT:HOST:PORT";
    if (site->forward_count > 0)
        (void)snprintf(options, sizeof options, " -N -R %u:%s",
                       (unsigned)site->forwards[0]->grant->port, site->forwards[0]->grant->target);
    (void)fprintf(out, "Key %s is enrolled for site '%s'.\n", session->fingerprint, site->row.name);
    (void)fprintf(out, "It becomes the site's key at its first use:\n  ");
    write_ssh(out, session, options);
    (void)fprintf(out, "\nWhat the hub grants:\n  ");
    write_ssh(out, session, "");
    (void)fprintf(out, " status\n");
}

static char *write_text(const struct session *session, size_t *length,
                        void (*write)(FILE *out, const struct session *session))
{
    char *text = NULL;
    FILE *out = open_memstream(&text, length);
    if (!out)
        return NULL;
    write(out, session);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

char *query_enrolled_text(const struct session *session, size_t *length)
{
    return write_text(session, length, write_enrolled);
}

static void answer_text(struct session *session, uint64_t request,
                        void (*write)(FILE *out, const struct session *session))
{
    size_t length = 0;
    char *text = write_text(session, &length, write);
    if (text)
        session_reply_data(session, request, VERDICT_GRANTED, text, length);
    else
        session_reply(session, request, VERDICT_REFUSED, "the hub is out of memory");
    free(text);
}

/* `software`: what the client calls itself, better than its SSH library's name; may be empty. */
static void answer_forwards(struct session *session, uint64_t request, const char *software)
{
    struct fault fault = {""};
    if (software[0] != '\0')
        peer_text_keep(&session->software, software);
    if (session_activate_key(session, NULL, &fault) != 0) {
        session_reply(session, request, VERDICT_REFUSED, fault.text);
        return;
    }
    session->following = true;
    session_serve(session);
    session_reply(session, request, VERDICT_GRANTED, "");
    snapshot_send(session);
}

static void answer_activate(struct session *session, uint64_t request)
{
    struct fault fault = {""};
    char text[FINGERPRINT_SIZE + 64];
    if (rotation_activate(session, text, sizeof text, &fault) == 0)
        session_reply_data(session, request, VERDICT_GRANTED, text, strlen(text));
    else
        session_reply(session, request, VERDICT_REFUSED, fault.text);
}

static void answer_operator(struct session *session, uint64_t request, const char *command)
{
    static const char reason[] = "only the command 'status' is served here";
    if (session->person && strcmp(command, "status") == 0) {
        answer_text(session, request, write_operator);
        return;
    }
    session_refused(session, reason);
    session_reply(session, request, VERDICT_REFUSED, reason);
}

int query_on_query(struct session *session, const struct message *message, struct fault *fault)
{
    (void)fault;
    const char *command = message->text;
    if (session->role == ROLE_OPERATOR) {
        answer_operator(session, message->request, command);
    } else if (session->role == ROLE_ENROLLED) {
        answer_text(session, message->request, write_enrolled);
    } else if (command[0] == '\0' || strcmp(command, "status") == 0) {
        answer_text(session, message->request, write_status);
    } else if (strcmp(command, "activate") == 0) {
        answer_activate(session, message->request);
    } else if (strcmp(command, "forwards") == 0) {
        answer_forwards(session, message->request, "");
    } else if (strncmp(command, "forwards ", strlen("forwards ")) == 0) {
        answer_forwards(session, message->request, command + strlen("forwards "));
    } else {
        static const char reason[] =
            "only the commands 'status', 'forwards' and 'activate' are served here";
        site_refused(session->site, session->peer, reason);
        session_reply(session, message->request, VERDICT_REFUSED, reason);
    }
    return 0;
}
