/*
 * A swarm: many agents in one process, on libssh2, against one hub.  What its files share.
 */
#ifndef BENCH_SWARM_H
#define BENCH_SWARM_H

#include <libssh2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "control/frames.h"
#include "tests/regress/client/key.h"
#include "tunnel-agent/retry.h"

#define FORWARDS_MAX 16 /* of one site */
#define NAME_SIZE    64
#define TOKEN_SIZE   128
#define REASON_SIZE  160

struct options {
    const char *address, *sites, *seed;
    const char *user; /* of a stock sshd: all log in as this one with one key; NULL: a hub */
    int port;
    uint64_t seconds;     /* 0: until a signal */
    uint64_t logins;      /* drop whoever has published, until there were so many */
    unsigned drops;       /* a second, at random */
    bool one_source;      /* all from one address, as behind a CGNAT */
    bool until_published; /* end with the first time that all are */
    bool json;
    bool show_key;
};

enum agent_state {
    AGENT_WAITING, /* for its next try */
    AGENT_CONNECTING,
    AGENT_KEY_EXCHANGE,
    AGENT_PROVING_KEY, /* as `enrol` */
    AGENT_REDEEMING,   /* the token */
    AGENT_LOGGING_IN,  /* as the site */
    AGENT_OPENING,     /* the channel for `forwards` */
    AGENT_ASKING,      /* the command */
    AGENT_LISTING,     /* until the first list is there */
    AGENT_PUBLISHING,
    AGENT_UP,
    AGENT_STATES
};

/* A forward of the hub's list. */
struct published {
    char address[NAME_SIZE];
    int port;
    bool wanted;                /* is in the last list */
    LIBSSH2_LISTENER *listener; /* NULL: not yet */
};

/* A connection that is echoed. */
struct served {
    TAILQ_ENTRY(served) entry;
    LIBSSH2_CHANNEL *channel;
    char *rest; /* what the channel's window had no room for */
    size_t length, sent;
    bool ended, closing;
};

/* Bytes for the socket.  libssh2 always gets rid of what it sends, so that no call of it ends
 * half-way. */
struct outgoing {
    char *data;
    size_t length, sent, size;
};

struct agent {
    struct swarm *swarm; /* borrowed */
    unsigned number;
    char name[NAME_SIZE], token[TOKEN_SIZE]; /* an empty token: is enrolled */
    struct key key;
    void *signing; /* the key, for libssh2: it keeps the address of this pointer */
    enum agent_state state;
    uint64_t due_ms; /* the next try; the state's time limit; the next keepalive */
    uint64_t began_ms, heard_ms, up_ms;
    struct retry retry;
    int socket;
    bool cut; /* libssh2 is to believe that the line is dead */
    bool watching_out;
    uint64_t moved; /* bytes to and fro, anywhere: whoever waits for others' may go on */
    LIBSSH2_SESSION *ssh;
    LIBSSH2_CHANNEL *channel;
    struct outgoing out;
    struct frames frames;
    bool has_list;
    json_int_t answered, generation;
    char answer[NAME_SIZE]; /* to the hub, while the channel has no room */
    struct published forwards[FORWARDS_MAX];
    size_t forward_count;
    TAILQ_HEAD(served_list, served) served;
};

struct tally {
    uint64_t logins, published, lost, refused, timeouts, channels, echoed_bytes;
    unsigned up, waiting, open_channels;
    uint32_t *login_ms; /* of each login, from connecting to its forwards being published */
    size_t login_count, login_size;
    char last_reason[REASON_SIZE];
};

struct swarm {
    struct options options;
    int epoll;
    struct agent *agents;
    unsigned count;
    struct tally tally;
    uint64_t began_ms, incomplete_ms; /* since when not all are published; 0: all are */
    uint64_t first_all_ms, last_all_ms;
    unsigned completions;
};

/* agent.c: one agent's states */
void agent_dial(struct agent *agent);
/* Does what can be done now: bytes are there, or the socket has room. */
void agent_turn(struct agent *agent, uint32_t events);
/* Its time limit is over, or its next try is due. */
void agent_due(struct agent *agent);
/* Closes without goodbye, and comes back as after a lost line. */
void agent_drop(struct agent *agent);
void agent_release(struct agent *agent);
void agent_failed(struct agent *agent, const char *reason);
const char *agent_state_name(enum agent_state state);

/* wire.c: connecting, and libssh2's way to the socket */
bool wire_connect(struct agent *agent);
bool wire_open_ssh(struct agent *agent);
/* false: the line is dead. */
bool wire_flush(struct agent *agent);
void wire_close(struct agent *agent);
bool wire_is_full(const struct agent *agent);

/* list.c: the `forwards` channel, and publishing what it lists.  1: done, 0: later, -1: lost */
int list_read(struct agent *agent);
int list_publish(struct agent *agent);
int list_answer(struct agent *agent);

/* serve.c: connections */
/* false: the session is lost. */
bool serve_turn(struct agent *agent);
void serve_release(struct agent *agent);

/* report.c */
void report_login(struct swarm *swarm, uint64_t took_ms);
void report_up(struct swarm *swarm, int change);
void report_second(struct swarm *swarm);
void report_summary(struct swarm *swarm);

#endif
