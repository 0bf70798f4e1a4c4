/*
 * The rules of enrolment, on the store alone: which token binds which key, and when.
 */
#ifndef PARENT_ENROLMENT_H
#define PARENT_ENROLMENT_H

#include "parent/store.h"

#define KEYFILE_EXPIRES_MIN_S 60
#define KEYFILE_EXPIRES_MAX_S (365LL * 24 * 3600)
#define KEYFILE_EXPIRES_S     (72LL * 3600)

enum redeem_result {
    REDEEM_GRANTED,   /* the key is pending now */
    REDEEM_REPEATED,  /* it was already */
    REDEEM_MALFORMED, /* no token at all */
    REDEEM_UNKNOWN,   /* no such keyfile */
    REDEEM_WRONG,     /* the id exists, the secret does not fit */
    REDEEM_EXPIRED,
    REDEEM_REVOKED,
    REDEEM_SPENT,     /* by this very key */
    REDEEM_ELSEWHERE, /* from a network that the keyfile does not allow */
    REDEEM_DISABLED,  /* the site is */
    REDEEM_OTHER_KEY, /* used by another key: alarm */
    REDEEM_KEY_TAKEN, /* the key is another site's, or an operator's */
    REDEEM_FAILED,    /* the store; the fault says why */
};

const char *redeem_result_text(enum redeem_result result);

struct redemption {
    const char *token; /* as the peer typed it: secret */
    const struct public_key *key;
    const char *host; /* where the peer is */
    int64_t now_s;
    /* Is the site enabled? */
    bool (*site_enabled)(void *owner, int64_t site);
    void *owner;
};

/* `row` is filled as soon as the secret fitted, else row->id is "". */
enum redeem_result enrolment_redeem(struct store *store, const struct redemption *redemption,
                                    struct keyfile_row *row, struct fault *fault);

/* The state as people see it: an unused keyfile may have expired. */
const char *keyfile_display_state(const struct keyfile_row *row, int64_t now_s);

#endif
