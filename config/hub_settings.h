/* tunneld's settings file (docs/man/tunneld.yaml.5). */
#ifndef CONFIG_HUB_SETTINGS_H
#define CONFIG_HUB_SETTINGS_H

#include "config/schema.h"

#define SETTINGS_FILE_MAX (1u << 20) /* bytes */

struct hub_settings {
    struct host_port_list listen;           /* SSH; default [::]:2222, dual-stack */
    struct host_port_list public_addresses; /* what keyfiles tell sites to dial; may be empty */
    char *state_dir;                        /* "" = default_state_dir("tunneld") */
    char *control_socket;                   /* "" = control_default_path() */
    char *control_group;                    /* group that may use the socket; "" = owner only */
    uint64_t workers;                       /* 0 = one for each core */
    char *user;                             /* workers' user when started as root */
    char *forward_address;                  /* for grants without an address */
    int log_level;                          /* enum log_level */
    int log_format;                         /* enum log_format */
    uint64_t keepalive_ms;                  /* 30 s */
    uint64_t dead_peer_ms;                  /* 75 s */
    uint64_t login_grace_ms;                /* 20 s */
    uint64_t login_tries;                   /* authentication requests a connection may make: 6 */
    uint64_t login_failures;                /* of one address, without consequence: 60 */
    uint64_t login_penalty_ms;              /* each counts for so long: 1 s; 0: never */
    bool legacy_mac;                        /* offer one without encrypt-then-MAC: true */
    uint64_t max_logins;                    /* unauthenticated connections at once: 1024 */
    uint64_t max_sessions;                  /* 20000 */
    uint64_t max_connections;               /* of all visitors at once: 65536 */
    uint64_t max_waiting; /* visitors that wait for an absent publisher, per forward: 64 */
    uint64_t hold_ms;     /* a listener outlives its publisher by this: 30 s */
    struct host_port_list metrics_listen; /* for Prometheus; may be empty */
    uint64_t target_check_ms; /* each target is tried once in this time; 0: never (the default) */
};

/* path NULL: all defaults.  Relative paths in the file are relative to the working directory. */
int hub_settings_load(const char *path, struct hub_settings *out, struct fault *fault) MUST_CHECK;
/* The same from a text in memory; `where` names it in faults. */
int hub_settings_parse(const char *text, size_t length, const char *where, struct hub_settings *out,
                       struct fault *fault) MUST_CHECK;
void hub_settings_release(struct hub_settings *settings);
void hub_settings_dump(const struct hub_settings *settings, FILE *out);

/* A setting has another value, as written in a file; `live`: it needs no restart. */
typedef void hub_setting_differs(void *owner, const char *name, bool live, const char *from,
                                 const char *to);
/* Tells of every setting that differs, in the order of the schema. */
int hub_settings_compare(const struct hub_settings *running, const struct hub_settings *fresh,
                         hub_setting_differs *differs, void *owner, struct fault *fault) MUST_CHECK;
/* `running` gets the fresh values of those that need no restart, `fresh` their former ones. */
void hub_settings_adopt_live(struct hub_settings *running, struct hub_settings *fresh);

/* $XDG_STATE_HOME/NAME, else ~/.local/state/NAME; for root /var/lib/NAME. */
int default_state_dir(const char *name, char *path, size_t size, struct fault *fault) MUST_CHECK;

#endif
