/*
 * Who is it.  All refusals look alike on the wire; the log tells them apart, the store is not
 * written.  The worker says which key was proven, and is believed in that alone: it holds the
 * session's cryptography.
 */
#define _GNU_SOURCE
#include "parent/identify.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "parent/enrolment.h"
#include "parent/operators.h"
#include "parent/peer_text.h"
#include "parent/query.h"
#include "parent/sites.h"

#define ENROL_USER "enrol"

static void refuse_login(const struct session *session, const struct message *message,
                         const char *reason)
{
    char user[64];
    peer_text(user, sizeof user, message->user);
    log_debug(KV("session", session->id), SAY("login refused"), KV("peer", session->peer),
              KV("user", user), KV("reason", reason));
    session_reply(session, message->request, VERDICT_REFUSED, "");
}

/* NULL when out of memory. */
static struct public_key *keep_key(const struct public_key *key)
{
    struct public_key *kept = malloc(sizeof *kept);
    if (kept)
        *kept = *key;
    return kept;
}

static void identify_enrol(struct session *session, const struct message *message,
                           const struct public_key *key)
{
    if ((message->flags & MESSAGE_PROVEN) == 0) {
        session_reply(session, message->request, VERDICT_GRANTED, "");
        return;
    }
    struct public_key *kept = keep_key(key);
    if (!kept) {
        refuse_login(session, message, "out of memory");
        return;
    }
    free(session->key);
    session->key = kept;
    session->role = ROLE_ENROLLING;
    public_key_fingerprint(key, session->fingerprint);
    session_reply(session, message->request, VERDICT_PARTIAL, "");
}

/* What the store knows of a key. */
struct finding {
    int found; /* 0: nothing; negative: the store failed */
    struct key_row row;
};

/* Looked up for every name alike, so that no answer takes longer because the name is known. */
static struct finding look_up(const struct session *session, const struct public_key *key)
{
    struct fault fault = {""};
    struct finding finding = {.found = 0};
    finding.found = store_key_find(session->hub->store, key, &finding.row, &fault);
    if (finding.found < 0)
        log_error(SAY("the store failed"), KV("reason", fault.text));
    return finding;
}

/* Why this site may not log in with this key, or NULL. */
static const char *reason_to_refuse_site(const struct site *site, const struct finding *finding)
{
    if (!site)
        return "unknown site";
    if (finding->found < 0)
        return "the store failed";
    if (finding->found == 0)
        return "unknown key";
    if (finding->row.site != site->row.id)
        return "the key of another site";
    return site->row.enabled ? NULL : "the site is disabled";
}

static void identify_site(struct session *session, const struct message *message,
                          const struct public_key *key, const struct finding *finding)
{
    struct site *site = site_find(session->hub, message->user);
    const struct key_row *row = &finding->row;
    const char *reason = reason_to_refuse_site(site, finding);
    if (reason) {
        refuse_login(session, message, reason);
        return;
    }
    if ((message->flags & MESSAGE_PROVEN) != 0) {
        struct public_key *kept = row->state == KEY_PENDING ? keep_key(key) : NULL;
        if (row->state == KEY_PENDING && !kept) {
            refuse_login(session, message, "out of memory");
            return;
        }
        free(session->key);
        session->key = kept;
        session_identify(session, site, ROLE_SITE, row->fingerprint);
    }
    session_reply(session, message->request, VERDICT_GRANTED, "");
}

static const char *reason_to_refuse_operator(const struct hub_operator *person,
                                             const struct public_key *key)
{
    if (key->length != person->row.key.length ||
        memcmp(key->blob, person->row.key.blob, key->length) != 0)
        return "not the operator's key";
    return operator_has_expired(person) ? "the operator has expired" : NULL;
}

static void identify_operator(struct session *session, const struct message *message,
                              const struct public_key *key, struct hub_operator *person)
{
    const char *reason = reason_to_refuse_operator(person, key);
    if (reason) {
        refuse_login(session, message, reason);
        return;
    }
    if ((message->flags & MESSAGE_PROVEN) != 0)
        operator_identify(person, session);
    session_reply(session, message->request, VERDICT_OPERATOR, "");
}

int identify_on_identify(struct session *session, const struct message *message,
                         struct fault *fault)
{
    (void)fault;
    struct public_key key;
    struct fault refusal = {""};
    if (session->site || session->person) {
        refuse_login(session, message, "it is identified already");
        return 0;
    }
    if (public_key_from_blob(message->key, message->key_length, &key, &refusal) != 0) {
        refuse_login(session, message, refusal.text);
        return 0;
    }
    struct finding finding = look_up(session, &key);
    struct hub_operator *person = operator_find(session->hub, message->user);
    if (strcmp(message->user, ENROL_USER) == 0)
        identify_enrol(session, message, &key);
    else if (person)
        identify_operator(session, message, &key, person);
    else
        identify_site(session, message, &key, &finding);
    return 0;
}

static bool site_is_enabled(void *owner, int64_t site_id)
{
    const struct hub *hub = owner;
    const struct site *site = registry_find(&hub->sites_by_id, (uint64_t)site_id);
    return site && site->row.enabled;
}

static void raise_alarm(struct session *session, const struct keyfile_row *row)
{
    struct site *site = registry_find(&session->hub->sites_by_id, (uint64_t)row->site);
    if (!site || !refusals_may_audit(&site->refusals))
        return;
    event_say(session->hub, "keyfile.alarm", row->site_name, NULL, session->peer,
              "keyfile %s was used by key %s from %s; now key %s tries it from %s", row->id,
              row->used_key, row->used_from, session->fingerprint, session->peer);
}

static void grant_redemption(struct session *session, const struct message *message,
                             struct site *site, const struct keyfile_row *row, bool again)
{
    session_identify(session, site, ROLE_ENROLLED, session->fingerprint);
    event_say(session->hub, "site.enrolled", site->row.name, NULL, session->peer,
              "keyfile %s, key %s%s", row->id, session->fingerprint, again ? ", again" : "");
    size_t length = 0;
    char *text = query_enrolled_text(session, &length);
    session_reply_data(session, message->request, VERDICT_GRANTED, text ? text : "", length);
    free(text);
}

static enum redeem_result redeem(struct session *session, const struct message *message,
                                 struct keyfile_row *row)
{
    struct fault fault = {""};
    const struct redemption redemption = {
        .token = message->text,
        .key = session->key,
        .host = session->host,
        .now_s = clock_wall_s(),
        .site_enabled = site_is_enabled,
        .owner = session->hub,
    };
    enum redeem_result result = enrolment_redeem(session->hub->store, &redemption, row, &fault);
    if (result == REDEEM_FAILED)
        log_error(SAY("the store failed"), KV("reason", fault.text));
    return result;
}

int identify_on_redeem(struct session *session, const struct message *message, struct fault *fault)
{
    if (session->role != ROLE_ENROLLING || message->key_length != session->key->length ||
        memcmp(message->key, session->key->blob, message->key_length) != 0)
        return fault_set(fault, "REDEEM of session %llu with a key it has not proven",
                         (unsigned long long)session->id);
    struct keyfile_row row = {.id = ""};
    CRASH_POINT("parent.redeem_received");
    enum redeem_result result = REDEEM_UNKNOWN;
    if (session->token_tries++ < session->hub->settings.login_tries)
        result = redeem(session, message, &row);
    bool granted = result == REDEEM_GRANTED || result == REDEEM_REPEATED;
    struct site *site =
        granted ? registry_find(&session->hub->sites_by_id, (uint64_t)row.site) : NULL;
    if (site) {
        CRASH_POINT("parent.redeem_committed");
        grant_redemption(session, message, site, &row, result == REDEEM_REPEATED);
        CRASH_POINT("parent.redeem_answered");
        return 0;
    }
    if (result == REDEEM_FAILED) {
        /* A refusal would send the technician for a new keyfile; this one is as good as before. */
        session_close(session, "the hub cannot store anything at this moment: try again later");
        return 0;
    }
    if (result == REDEEM_OTHER_KEY)
        raise_alarm(session, &row);
    /* Who has no token that ever was is a stranger, of whom there may be any number. */
    enum log_level level = row.id[0] != '\0' ? LOG_INFO : LOG_DEBUG;
    LOG_AT(level, KV("session", session->id), SAY("token refused"), KV("peer", session->peer),
           KV("key", session->fingerprint), KV("reason", redeem_result_text(result)));
    session_reply(session, message->request, VERDICT_REFUSED, "");
    return 0;
}
