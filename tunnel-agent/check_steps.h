/*
 * The steps of `check`, and what one step finds out for the next.  Only check*.c include this.
 */
#ifndef AGENT_CHECK_STEPS_H
#define AGENT_CHECK_STEPS_H

#include <jansson.h>
#include <libssh/libssh.h>

#include "check_net.h"
#include "check_text.h"
#include "config/agent_settings.h"
#include "handshake.h"
#include "keys/keyfile.h"
#include "net/proxy.h"
#include "options.h"
#include "state.h"

#define CHECK_TIMEOUT_MS     5000 /* of each single question */
#define CHECK_NO_ANSWER      "no answer within 5 s"
#define CHECK_CLOCK_SLACK_S  300
#define CHECK_ENDPOINTS_MAX  64
#define CHECK_ALGORITHM_SIZE 160

enum check_verdict { CHECK_PASS, CHECK_FAIL, CHECK_SKIP };

/* How one hub is reached. */
struct way {
    struct proxy proxy;          /* on the way there; PROXY_NONE: dialled directly */
    const struct host_port *hop; /* what is dialled first, the hub or the proxy; borrowed */
    struct fault wrong;          /* why the proxy is not known; "": it is, or there is none */
};

/* One address of one hub or of the proxy before it, and how far it goes. */
struct endpoint {
    const struct host_port *hub; /* borrowed */
    const struct way *way;       /* borrowed */
    struct attempt attempt;      /* its socket is closed again */
    char name[HOST_PORT_SIZE];   /* of the address; behind a proxy, of the hub */
    bool opened;                 /* by the proxy, or there is none */
    bool answers_ssh;
    enum handshake_result handshake;
    struct fault why; /* of a handshake that failed */
    char algorithms[CHECK_ALGORITHM_SIZE];
    char host_key[FINGERPRINT_SIZE];
};

struct check {
    const struct options *options;
    const struct check_step *step; /* that runs */
    json_t *rows;
    unsigned failed;

    struct state state;
    enum state_stage stage;
    char path[STATE_PATH_SIZE]; /* of the keyfile or agent.yaml */
    struct keyfile keyfile;
    bool has_keyfile; /* one that was not used yet, for all this machine knows */
    struct agent_settings settings;

    /* Of settings or keyfile. */
    const char *site;
    const struct host_port_list *hubs;
    const struct text_list *host_keys, *allow_targets;
    ssh_key key; /* NULL: none yet */
    char fingerprint[FINGERPRINT_SIZE];

    struct way *ways;       /* one for each hub */
    struct lookup *lookups; /* two for each hub: A, then AAAA */
    size_t endpoint_count;
    struct endpoint endpoints[CHECK_ENDPOINTS_MAX];
    const struct endpoint *door; /* the first with the right host key */
    ssh_session session;         /* logged in as the site; NULL: is not */
    int64_t hub_ahead_s;         /* of this clock, when the hub's is known */
    bool hub_clock_known;
    size_t granted_count;
    struct granted *granted;
    size_t outbound_count;
    struct granted *outbound;
};

struct check_step {
    const char *component;
    const char *needs;                          /* the component that has to pass; NULL: none */
    bool (*applies)(const struct check *check); /* NULL: always */
    void (*run)(struct check *check);
};

/* One row of the running step.  `target` and `advice` may be NULL. */
void check_say(struct check *check, enum check_verdict verdict, const char *target,
               const char *advice, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* A failure in the words of a fault, "what is wrong; what to do"; `advice` when that names none. */
void check_say_fault(struct check *check, const char *target, const struct fault *fault,
                     const char *advice);
/* Skipped, because that component did not pass. */
void check_say_needs(struct check *check, const char *target, const char *component);
/* Has any row of it passed? */
bool check_passed(const struct check *check, const char *component);

/* check_files.c: what is on this machine. */
void check_state(struct check *check);
void check_file(struct check *check);
void check_date(struct check *check);
void check_site_key(struct check *check);

/* check_hub.c: the way to the hub, and whether it is the hub. */
void check_dns_a(struct check *check);
void check_dns_aaaa(struct check *check);
void check_tcp(struct check *check);
void check_banner(struct check *check);
void check_algorithms(struct check *check);
void check_host_key(struct check *check);

/* check_proxy.c: proxies on the way to the hub. */
bool check_find_ways(struct check *check); /* false: out of memory */
void check_forget_ways(struct check *check);
bool check_has_proxies(const struct check *check);
void check_proxy(struct check *check);
/* Another connection to the hub over this endpoint; -1: the fault says why there is none. */
int check_open(const struct endpoint *endpoint, struct fault *fault) MUST_CHECK;

/* check_session.c: what the hub says to this site. */
void check_login(struct check *check);
void check_token(struct check *check);
void check_forwards(struct check *check);
void check_outbound(struct check *check);
void check_round_trip(struct check *check);
/* Keys exchanged over the socket, which it takes; the session is the caller's when DONE. */
enum handshake_result check_shake_hands(struct check *check, int socket, const char *user,
                                        char seen[FINGERPRINT_SIZE], ssh_session *out,
                                        struct fault *fault);
void check_hang_up(ssh_session session); /* NULL is fine */

/* check_targets.c: this site. */
void check_targets(struct check *check);
void check_clock(struct check *check);

#endif
