/*
 * Which token binds which key.  A stranger who cannot show the secret learns nothing and changes
 * nothing: the comparison is made for unknown ids too, and nothing is written before it fitted.
 */
#define _GNU_SOURCE
#include "parent/enrolment.h"

#include <string.h>

#include "base/secret.h"

static const char *const result_texts[] = {
    [REDEEM_GRANTED] = "enrolled",
    [REDEEM_REPEATED] = "enrolled again with the same key",
    [REDEEM_MALFORMED] = "not a token",
    [REDEEM_UNKNOWN] = "unknown token",
    [REDEEM_WRONG] = "known token id with a wrong secret",
    [REDEEM_EXPIRED] = "expired token",
    [REDEEM_REVOKED] = "revoked token",
    [REDEEM_SPENT] = "spent token",
    [REDEEM_ELSEWHERE] = "token used outside its network",
    [REDEEM_DISABLED] = "token of a disabled site",
    [REDEEM_OTHER_KEY] = "token used before by another key",
    [REDEEM_KEY_TAKEN] = "the key belongs to another site or to an operator",
    [REDEEM_FAILED] = "the store failed",
};

const char *redeem_result_text(enum redeem_result result)
{
    return result_texts[result];
}

const char *keyfile_display_state(const struct keyfile_row *row, int64_t now_s)
{
    if (row->state == KEYFILE_OPEN && row->expires_s <= now_s)
        return "expired";
    return keyfile_state_name(row->state);
}

/* REDEEM_GRANTED: the secret fitted and *row is the keyfile. */
static enum redeem_result find_keyfile(struct store *store, const struct token *token,
                                       struct keyfile_row *row, struct fault *fault)
{
    uint8_t digest[32];
    static const uint8_t nothing[32];
    struct keyfile_row found;
    token_digest(token, digest);
    int rc = store_keyfile_find(store, token->id, &found, fault);
    bool fits = secret_equal(digest, rc == 1 ? found.digest : nothing, sizeof digest);
    secret_wipe(digest, sizeof digest);
    if (rc < 0)
        return REDEEM_FAILED;
    if (rc == 0)
        return REDEEM_UNKNOWN;
    if (!fits)
        return REDEEM_WRONG;
    *row = found;
    return REDEEM_GRANTED;
}

static bool host_is_allowed(const struct keyfile_row *row, const char *host)
{
    struct cidr cidr;
    if (row->from[0] == '\0')
        return true;
    return cidr_parse(row->from, &cidr, NULL) == 0 && cidr_contains(&cidr, host);
}

/* What stands in the way, whatever the key. */
static enum redeem_result check_keyfile(const struct redemption *redemption,
                                        const struct keyfile_row *row, const char *fingerprint)
{
    bool same_key = strcmp(row->used_key, fingerprint) == 0;
    if (row->state == KEYFILE_REVOKED)
        return REDEEM_REVOKED;
    if (row->state != KEYFILE_OPEN && !same_key)
        return REDEEM_OTHER_KEY;
    if (row->state == KEYFILE_SPENT)
        return REDEEM_SPENT;
    if (row->expires_s <= redemption->now_s)
        return REDEEM_EXPIRED;
    if (!host_is_allowed(row, redemption->host))
        return REDEEM_ELSEWHERE;
    if (!redemption->site_enabled(redemption->owner, row->site))
        return REDEEM_DISABLED;
    return row->state == KEYFILE_PENDING ? REDEEM_REPEATED : REDEEM_GRANTED;
}

/* The key may be the site's own already: then the token is simply used up. */
static enum redeem_result bind_key(struct store *store, const struct redemption *redemption,
                                   const struct keyfile_row *row, const char *fingerprint,
                                   struct fault *fault)
{
    struct key_row key;
    char owner[NAME_SIZE];
    int taken = store_operator_of_key(store, redemption->key, owner, fault);
    int found = store_key_find(store, redemption->key, &key, fault);
    if (found < 0 || taken < 0)
        return REDEEM_FAILED;
    if (taken == 1 || (found == 1 && key.site != row->site))
        return REDEEM_KEY_TAKEN;
    int rc;
    if (found == 1)
        rc = store_keyfile_spend(store, row->id, fingerprint, redemption->host, redemption->now_s,
                                 fault);
    else
        rc = store_key_bind(store, row->site, redemption->key, row->id, redemption->host,
                            redemption->now_s, fault);
    return rc == 0 ? REDEEM_GRANTED : REDEEM_FAILED;
}

enum redeem_result enrolment_redeem(struct store *store, const struct redemption *redemption,
                                    struct keyfile_row *row, struct fault *fault)
{
    struct token token;
    char fingerprint[FINGERPRINT_SIZE];
    *row = (struct keyfile_row){.id = ""};
    if (!token_parse(redemption->token, &token))
        return REDEEM_MALFORMED;
    public_key_fingerprint(redemption->key, fingerprint);
    enum redeem_result result = find_keyfile(store, &token, row, fault);
    token_wipe(&token);
    if (result != REDEEM_GRANTED)
        return result;
    result = check_keyfile(redemption, row, fingerprint);
    if (result != REDEEM_GRANTED)
        return result;
    return bind_key(store, redemption, row, fingerprint, fault);
}
