/*
 * STATE/agent.yaml: who this site is, which hub it dials, what it may dial at the site.
 * Written by `enrol` from the keyfile; only the site's people edit it afterwards.
 */
#ifndef CONFIG_AGENT_SETTINGS_H
#define CONFIG_AGENT_SETTINGS_H

#include "config/schema.h"

struct agent_settings {
    uint64_t version; /* of the file; a newer one is refused */
    char *site;
    struct host_port_list hubs;     /* `hub` in the file, as in a keyfile */
    struct text_list host_keys;     /* OpenSSH lines "ssh-ed25519 AAAA..."; any other is refused */
    struct text_list allow_targets; /* "HOST:PORT"; HOST may be "*", PORT may be "*" */
    struct text_list allow_listen;  /* "ADDR:PORT", likewise; ADDR is a literal */
    int log_level;
    int log_format;
    char *proxy;                 /* on the way to the hub; "": the environment says; a secret */
    uint64_t keepalive_ms;       /* 30 s */
    uint64_t dead_peer_ms;       /* 75 s */
    uint64_t connect_timeout_ms; /* to the hub: 10 s */
    uint64_t target_timeout_ms;  /* to a target: 10 s */
    uint64_t max_connections;    /* at once: 8192 */
    uint64_t key_max_age_ms;     /* then the site's key is rotated; 0: never */
};

int agent_settings_load(const char *path, struct agent_settings *out,
                        struct fault *fault) MUST_CHECK;
/* The same from a text in memory; `where` names it in faults. */
int agent_settings_parse(const char *text, size_t length, const char *where,
                         struct agent_settings *out, struct fault *fault) MUST_CHECK;
/* Atomic, 0600. */
int agent_settings_save(const char *path, const struct agent_settings *settings,
                        struct fault *fault) MUST_CHECK;
void agent_settings_release(struct agent_settings *settings);

/* May the agent dial it?  Names compare without case; no name is resolved for the comparison.
 * Entries were checked by agent_settings_load. */
bool agent_target_allowed(const struct text_list *allow_targets, const struct host_port *target);
/* May the agent listen there, for an outbound grant? */
bool agent_listen_allowed(const struct text_list *allow_listen, const struct host_port *listen);
/* The form of one allow_targets entry. */
int allow_target_check(const char *text, struct fault *fault) MUST_CHECK;

#endif
