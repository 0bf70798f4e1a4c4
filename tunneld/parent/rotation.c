/*
 * How a site gets a new key without a keyfile: the session that makes it online vouches for the
 * new key, a second session proves that the site holds it, and the command `activate` makes it
 * current.  The first session goes on under the new key's name; every other one of the old key
 * ends.  Keys that a keyfile brings are enrolment.c's, and go before these.
 */
#define _GNU_SOURCE
#include "parent/rotation.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "base/kept_text.h"
#include "parent/sites.h"

#define BIND_EVERY_MS 1000 /* each is a transaction */

int rotation_ask(struct site *site, struct fault *fault)
{
    const struct session *session = site_main_session(site);
    if (!session)
        return fault_set(fault,
                         "site %s is not online: its agent makes the new key, so ask again "
                         "when it is back",
                         site->row.name);
    if (!session->following)
        return fault_set(fault,
                         "site %s is served by a client that follows no commands (%s): give it a "
                         "new key with 'tunnelctl keyfile issue %s --replace'",
                         site->row.name, kept_text(session->software), site->row.name);
    site->rotate = true;
    site_forwards_changed(site);
    return 0;
}

/* Why this session may not name a new key, or NULL.  A copy of the key beside the publisher must
 * not be able to lock the site out. */
static const char *reason_to_refuse(const struct session *session)
{
    if (session->role != ROLE_SITE || !session->following)
        return "only the session that follows 'forwards' may name a new key";
    if (site_main_session(session->site) != session)
        return "another session of this site publishes: only that one may name a new key";
    return NULL;
}

static void say_rotating(const struct session *session, const struct public_key *key)
{
    char fingerprint[FINGERPRINT_SIZE];
    if (refusals_may_audit(&session->site->refusals))
        event_say(session->hub, "site.rotating", session->site_name, NULL, session->peer,
                  "key %s is pending, key %s is current", public_key_fingerprint(key, fingerprint),
                  session->fingerprint);
}

static int bind_key(struct session *session, const struct public_key *key, struct fault *fault)
{
    struct site *site = session->site;
    struct key_row row;
    char owner[NAME_SIZE];
    int taken = store_operator_of_key(site->hub->store, key, owner, fault);
    int found = store_key_find(site->hub->store, key, &row, fault);
    if (found < 0 || taken < 0)
        return -1;
    if (taken == 1)
        return fault_set(fault, "the new key belongs to an operator");
    if (found == 1 && row.site == site->row.id)
        return 0; /* bound before, and the answer got lost */
    if (found == 1)
        return fault_set(fault, "the new key belongs to another site");
    uint64_t now_ms = clock_monotonic_ms();
    if (site->bound_ms != 0 && now_ms - site->bound_ms < BIND_EVERY_MS)
        return fault_set(fault, "two new keys within a second: try again later");
    int rc = store_key_rotate(site->hub->store, site->row.id, key, clock_wall_s(), fault);
    if (rc == STORE_EXISTS)
        return fault_set(fault, "a key that came by a keyfile waits for its first use");
    if (rc != 0)
        return -1;
    site->bound_ms = now_ms;
    say_rotating(session, key);
    site_close_revoked(site);
    return 0;
}

int rotation_on_rotate(struct session *session, const struct message *message, struct fault *fault)
{
    (void)fault;
    struct public_key key;
    struct fault refusal = {""};
    const char *reason = reason_to_refuse(session);
    CRASH_POINT("parent.rotate_received");
    if (!reason && (public_key_from_blob(message->key, message->key_length, &key, &refusal) != 0 ||
                    bind_key(session, &key, &refusal) != 0))
        reason = refusal.text;
    CRASH_POINT("parent.rotate_committed");
    if (reason)
        site_refused(session->site, session->peer, reason);
    session_reply(session, message->request, reason ? VERDICT_REFUSED : VERDICT_GRANTED,
                  reason ? reason : "");
    return 0;
}

/* Whose connections must not notice the change: the one that vouched for the key.  A key that a
 * keyfile brought is another machine's, and keeps none. */
static struct session *session_to_keep(const struct session *session, const struct key_row *row)
{
    struct session *kept = site_main_session(session->site);
    return row->rotation && kept && !kept->key ? kept : NULL;
}

int rotation_activate(struct session *session, char *text, size_t size, struct fault *fault)
{
    struct key_row row = {.state = KEY_CURRENT};
    if (session->key && store_key_find(session->hub->store, session->key, &row, fault) < 0)
        return -1;
    bool pending = row.state == KEY_PENDING;
    if (session_activate_key(session, session_to_keep(session, &row), fault) != 0)
        return -1;
    (void)snprintf(text, size, "key %s is current %s\n", session->fingerprint,
                   pending ? "now" : "already");
    return 0;
}
