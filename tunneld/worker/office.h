/*
 * The state of a worker process: its pipe to the parent, its settings, and the peers it serves.
 * One instance, owned by worker_main.
 */
#ifndef WORKER_OFFICE_H
#define WORKER_OFFICE_H

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

#include "ipc/message.h"
#include "ipc/pipe.h"
#include "worker/deadlines.h"
#include "worker/index.h"
#include "worker/settings.h"

struct peer;
struct relay;

TAILQ_HEAD(peer_list, peer);
TAILQ_HEAD(relay_list, relay);
TAILQ_HEAD(question_list, question);
TAILQ_HEAD(visit_list, visit);

struct office {
    uv_loop_t loop;
    uv_timer_t seconds; /* statistics, and channels that take too long to open */
    struct deadlines deadlines;
    struct pipe *pipe; /* NULL once closed */
    char name[32];     /* in log lines: "tunneld[2]" */
    struct settings settings;
    ssh_bind bind; /* the host key and the algorithms; NULL before HELLO */
    struct index peers, relays, questions;
    struct peer_list all_peers;
    size_t peer_count, peer_peak; /* now, and the most since memory was last given back */
    struct relay_list all_relays;
    size_t opening_count;    /* relays on the lists of their peers that are opening */
    struct visit_list young; /* accepted here, and the parent does not know of them yet */
    struct visit_list over;  /* the same, and gone again */
    size_t over_count;
    uv_timer_t moment;     /* when it is told of them (visits.c) */
    uint64_t last_visitor; /* the number of the last that was accepted here */
    uint64_t next_question;
    bool stopping; /* no new sessions; the process ends with the last of them */
    int exit_code;
};

/* What a peer asked the parent about.  The handler is called at most once, never after
 * office_forget. */
typedef void answer_handler(struct peer *peer, void *subject, const struct message *reply);

struct question {
    uint64_t number; /* first: the index compares it */
    TAILQ_ENTRY(question) next;
    struct peer *peer;
    void *subject;
    answer_handler *handler;
};

/* `descriptor`: the worker's end of its pipe, taken; on failure still the caller's.  The owner runs
 * the loop until it ends by itself, then closes (worker.c). */
int office_open(struct office *office, int descriptor, int number) MUST_CHECK;
void office_close(struct office *office);

/* To the parent. */
void office_send(struct office *office, const struct message *message);
/* Fills in sid and request number, sends, and has the answer handled.  -1: out of memory. */
int office_ask(struct peer *peer, struct message *message, answer_handler *handler,
               void *subject) MUST_CHECK;
/* A REPLY or ATTACH.  False: who asked is gone, and what the message brought is the caller's. */
bool office_answer(struct office *office, const struct message *reply);
/* Who waits for the answer; NULL: nobody any more. */
struct peer *office_asker(const struct office *office, uint64_t request);
/* Nobody waits for the answers any more: those about `subject`, or (NULL) all of the peer's. */
void office_forget(struct peer *peer, const void *subject);

/* `from` as a text for the parent: printable ASCII, cut to fit. */
void office_text(char to[MESSAGE_TEXT_SIZE], const char *from);

/* After the last peer of a stopping office: lets the process end. */
void office_stop_if_idle(struct office *office);

#endif
