/*
 * What the hub remembers: sites, keys, keyfiles, grants, operators, audit.  SQLite (WAL, full
 * sync), opened by the parent alone; the store_*.c files are the only ones that see sqlite3.h.
 *
 * Every change is one transaction and durable when the call returns.  Times are wall seconds.
 */
#ifndef PARENT_STORE_H
#define PARENT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "keys/public_key.h"
#include "keys/token.h"
#include "parent/cidr.h"
#include "parent/grants.h"
#include "parent/scope.h"

#define STORE_AUDIT_MAX 100000 /* rows kept */
#define STORE_EXISTS    (-2)   /* the name or address is taken */

struct store;

/* Makes the file if there is none.  A damaged file, another program's or a newer hub's is refused
 * and left as it is.  An older schema is migrated after a copy was put beside ("FILE.v1"). */
int store_open(const char *path, struct store **out, struct fault *fault) MUST_CHECK;
void store_close(struct store *store);
const char *store_library_version(void);

/* --- sites --- */
#define REASON_SIZE 160

struct site_row {
    int64_t id;
    char name[NAME_SIZE];
    bool enabled;
    int64_t created_s;
    int64_t last_seen_s;       /* 0: never */
    int64_t last_disconnect_s; /* 0: never */
    char last_reason[REASON_SIZE];
    int64_t reconnects;
};

/* Rows are handed out in order; a callback's row lives for the call. */
int store_sites(struct store *store, void (*on_site)(void *owner, const struct site_row *row),
                void *owner, struct fault *fault) MUST_CHECK;
/* The new id, or a negative code. */
int store_site_add(struct store *store, const char *name, int64_t created_s, int64_t *id,
                   struct fault *fault) MUST_CHECK;
/* With its keys, keyfiles and grants. */
int store_site_remove(struct store *store, int64_t id, struct fault *fault) MUST_CHECK;
int store_site_enable(struct store *store, int64_t id, bool enabled,
                      struct fault *fault) MUST_CHECK;
/* last_*, reconnects. */
int store_site_seen(struct store *store, const struct site_row *row,
                    struct fault *fault) MUST_CHECK;

/* --- keys --- */
enum key_state {
    KEY_NONE,    /* not the site's */
    KEY_PENDING, /* bound by a keyfile or by the site itself, not yet used */
    KEY_CURRENT,
};
struct key_row {
    int64_t site;
    enum key_state state;
    bool rotation; /* pending, and bound by the site itself */
    char fingerprint[FINGERPRINT_SIZE];
    char keyfile[TOKEN_ID_SIZE]; /* by which the site came in, before any rotation */
    int64_t since_s;
};

const char *key_state_name(enum key_state state);
/* 1 and *row, 0 when nobody has this key, or negative. */
int store_key_find(struct store *store, const struct public_key *key, struct key_row *row,
                   struct fault *fault) MUST_CHECK;
/* Current first. */
int store_keys(struct store *store, int64_t site,
               void (*on_key)(void *owner, const struct key_row *row), void *owner,
               struct fault *fault) MUST_CHECK;
/* Those of all sites, by the site's id, of each the current one first. */
int store_all_keys(struct store *store, void (*on_key)(void *owner, const struct key_row *row),
                   void *owner, struct fault *fault) MUST_CHECK;
/* Binds the key as pending and the keyfile to it; refused (-1) unless the keyfile is open.  It
 * takes the place of one that the site itself wanted. */
int store_key_bind(struct store *store, int64_t site, const struct public_key *key,
                   const char *keyfile, const char *from, int64_t now_s,
                   struct fault *fault) MUST_CHECK;
/* Binds the key as pending, in place of an older one that the site itself wanted.  STORE_EXISTS: a
 * key that a keyfile brought is pending, or the key is known already. */
int store_key_rotate(struct store *store, int64_t site, const struct public_key *key, int64_t now_s,
                     struct fault *fault) MUST_CHECK;
/* The pending key becomes current; the old key and the token die. */
int store_key_activate(struct store *store, int64_t site, const struct public_key *key,
                       int64_t now_s, struct fault *fault) MUST_CHECK;

/* --- keyfiles --- */
enum keyfile_state { KEYFILE_OPEN, KEYFILE_PENDING, KEYFILE_SPENT, KEYFILE_REVOKED };
struct keyfile_row {
    char id[TOKEN_ID_SIZE];
    int64_t site;
    char site_name[NAME_SIZE];
    uint8_t digest[32];
    int64_t issued_s, expires_s;
    char from[CIDR_TEXT_SIZE]; /* "": anywhere */
    bool replace;
    enum keyfile_state state;
    char used_key[FINGERPRINT_SIZE]; /* "" until used */
    int64_t used_s;
    char used_from[LISTEN_ADDRESS_SIZE];
};

const char *keyfile_state_name(enum keyfile_state state);
/* Revokes the site's keyfiles that are open or pending, with their keys, and adds this one. */
int store_keyfile_issue(struct store *store, const struct keyfile_row *row,
                        struct fault *fault) MUST_CHECK;
/* 1 and *row, 0 when there is none, or negative. */
int store_keyfile_find(struct store *store, const char *id, struct keyfile_row *row,
                       struct fault *fault) MUST_CHECK;
/* Of one site, or of all (0); newest first. */
int store_keyfiles(struct store *store, int64_t site,
                   void (*on_keyfile)(void *owner, const struct keyfile_row *row), void *owner,
                   struct fault *fault) MUST_CHECK;
/* And its pending key. */
int store_keyfile_revoke(struct store *store, const char *id, struct fault *fault) MUST_CHECK;
/* Used by a key that is the site's already. */
int store_keyfile_spend(struct store *store, const char *id, const char *fingerprint,
                        const char *from, int64_t now_s, struct fault *fault) MUST_CHECK;

/* --- grants --- */
/* Fails at a policy that cannot be read. */
int store_grants(struct store *store,
                 void (*on_grant)(void *owner, int64_t site, const struct grant *grant),
                 void *owner, struct fault *fault) MUST_CHECK;
/* Sets grant->id. */
int store_grant_add(struct store *store, int64_t site, struct grant *grant,
                    struct fault *fault) MUST_CHECK;
/* address, target, enabled, policy. */
int store_grant_set(struct store *store, const struct grant *grant, struct fault *fault) MUST_CHECK;
int store_grant_remove(struct store *store, int64_t id, struct fault *fault) MUST_CHECK;

/* --- outbound grants --- */
struct outbound_row {
    int64_t id;
    char host[HOST_SIZE]; /* what the hub dials for the site: a name in lower case, or a literal */
    uint16_t port;
    char listen_address[LISTEN_ADDRESS_SIZE]; /* where the agent listens at the site */
    uint16_t listen_port;
    int64_t created_s;
};

int store_outbounds(struct store *store,
                    void (*on_outbound)(void *owner, int64_t site, const struct outbound_row *row),
                    void *owner, struct fault *fault) MUST_CHECK;
/* Sets row->id. */
int store_outbound_add(struct store *store, int64_t site, struct outbound_row *row,
                       struct fault *fault) MUST_CHECK;
int store_outbound_remove(struct store *store, int64_t id, struct fault *fault) MUST_CHECK;
/* --- operators --- */
struct operator_row {
    int64_t id;
    char name[NAME_SIZE];
    struct public_key key;
    struct scopes scopes;
    int64_t expires_s; /* 0: never */
    int64_t created_s;
};

/* By name. */
int store_operators(struct store *store,
                    void (*on_operator)(void *owner, const struct operator_row *row), void *owner,
                    struct fault *fault) MUST_CHECK;
/* Sets row->id. */
int store_operator_add(struct store *store, struct operator_row *row,
                       struct fault *fault) MUST_CHECK;
/* key, scopes, expires_s. */
int store_operator_set(struct store *store, const struct operator_row *row,
                       struct fault *fault) MUST_CHECK;
int store_operator_remove(struct store *store, int64_t id, struct fault *fault) MUST_CHECK;
/* Whose key is it?  1 and the name, 0 when it is no operator's (no site's), or negative. */
int store_operator_of_key(struct store *store, const struct public_key *key, char name[NAME_SIZE],
                          struct fault *fault) MUST_CHECK;
int store_site_of_key(struct store *store, const struct public_key *key, char name[NAME_SIZE],
                      struct fault *fault) MUST_CHECK;

/* --- audit --- */
struct audit_row {
    int64_t time_s;
    const char *event;
    const char *site, *actor, *peer, *detail; /* "" where there is none */
};

/* Several rows (and the trimming of the oldest) may stand between store_begin and store_commit. */
int store_audit_add(struct store *store, const struct audit_row *row,
                    struct fault *fault) MUST_CHECK;
int store_audit_trim(struct store *store, struct fault *fault) MUST_CHECK;
/* The newest `max` rows at or after `since_s`, oldest first. */
int store_audit(struct store *store, int64_t since_s, size_t max,
                void (*on_audit)(void *owner, const struct audit_row *row), void *owner,
                struct fault *fault) MUST_CHECK;

/* For batches of small changes that one fsync may serve.  They do not nest. */
int store_begin(struct store *store, struct fault *fault) MUST_CHECK;
int store_commit(struct store *store, struct fault *fault) MUST_CHECK;
void store_rollback(struct store *store);

#endif
