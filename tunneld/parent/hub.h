/*
 * The hub: everything the parent holds while it runs.  One for each process; every part of the
 * parent is handed it.
 */
#ifndef PARENT_HUB_H
#define PARENT_HUB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "config/hub_settings.h"
#include "control/server.h"
#include "net/timeout.h"
#include "parent/admission.h"
#include "parent/events.h"
#include "parent/host_keys.h"
#include "parent/registry.h"
#include "parent/store.h"
#include "parent/target_checks.h"

#define HUB_PATH_SIZE    4096
#define CONFINEMENT_SIZE 128
#define ENDPOINT_SIZE    64 /* "[address]:port" with its NUL */

struct connection;
struct dialer;
struct door;
struct hub_health;
struct hub_operator;
struct scrape;
struct site;
struct worker;

LIST_HEAD(forward_list, forward);
TAILQ_HEAD(connection_list, connection);
TAILQ_HEAD(operator_list, hub_operator);
TAILQ_HEAD(site_list, site);

struct hub {
    uv_loop_t *loop;           /* borrowed from hub_run's caller */
    const char *settings_path; /* borrowed; NULL: defaults */
    int verbosity;             /* -v given so many times */
    struct hub_settings settings;
    char state_dir[HUB_PATH_SIZE];
    char control_path[HUB_PATH_SIZE];
    char confinement[CONFINEMENT_SIZE]; /* of the parent: what is in force */
    int lock;
    int64_t started_s;
    uint64_t started_ms;

    struct host_keys keys;
    struct store *store;
    struct events events;
    struct control_server *control;
    struct door *doors; /* for SSH, one for each `listen` */
    size_t door_count;
    uv_signal_t signals[4];
    size_t signal_count;

    struct worker *workers;
    size_t worker_count;
    size_t next_worker;    /* where the choice begins */
    size_t workers_alive;  /* processes that have not been reaped, the dialer's too */
    struct dialer *dialer; /* owned; NULL until something is dialled */

    struct hub_health *health; /* owned */
    struct scrape *scrape;     /* owned; NULL: nobody may scrape */
    struct target_checks target_checks;

    uint64_t last_id;       /* of sessions and connections; never used twice */
    struct site_list sites; /* by name; owned */
    void *sites_by_name;    /* tsearch(3) */
    struct registry sites_by_id;
    struct forward_list *forwards_by_port; /* [UINT16_MAX + 1]; of all sites */
    size_t site_count, sites_online;
    struct operator_list operators; /* by name; owned */
    size_t operator_count;
    struct timeout *operator_tick;          /* while one with a session will expire */
    struct registry sessions;               /* owned, each also by its worker's list */
    struct registry connections;            /* owned */
    struct connection_list connection_list; /* the same, oldest first */
    size_t login_count, session_count;      /* unauthenticated with a slot; authenticated */
    size_t published_count, waiting_count;
    struct session **slots; /* of strangers, login_count of them; owned: the array */
    size_t slot_room;
    size_t leaving_count;    /* unauthenticated, without a slot any more: told to go */
    struct sources *sources; /* owned */
    struct capacity capacity;

    uint64_t refused_logins, refused_lately;
    struct timeout *minute;              /* to report refused logins */
    struct timeout *expiry;              /* of grants */
    int64_t expiry_due_s;                /* when it rings, by the wall clock */
    struct timeout *deadline;            /* of an orderly end */
    struct timeout *status_look, *alive; /* for systemd (parent/supervised.h) */
    struct timeout *heartbeat;           /* the next round of questions to the workers */
    bool stopping;
};

struct hub_options {
    const char *settings_path; /* NULL: defaults */
    int verbosity;
};
/* Starts, runs until told to end, cleans up.  -1: it could not start. */
int hub_run(const struct hub_options *options, struct fault *fault) MUST_CHECK;

/* The settings' level and format of log lines, and what -v adds. */
void hub_apply_log_settings(const struct hub *hub);

/* Validates settings and what they name, and touches nothing. */
int hub_check(const char *settings_path, struct fault *fault) MUST_CHECK;

/* Begins the orderly end; a second call ends at once. */
void hub_stop(struct hub *hub);
/* The last worker is gone. */
void hub_stopped(struct hub *hub);

#endif
