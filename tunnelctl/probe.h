/*
 * `probe`: the whole way to a site's port, in six steps.  probe.c reads the command line and shows
 * the steps; probe_operator.c goes the way over SSH, probe_visitor.c as a visitor on the hub.
 */
#ifndef TUNNELCTL_PROBE_H
#define TUNNELCTL_PROBE_H

#include <stdint.h>

#include "tunnelctl/command.h"

#define DETAIL_SIZE     512
#define FIRST_BYTES_MAX 64

enum step {
    STEP_HUB,
    STEP_HOST_KEY,
    STEP_LOGIN,
    STEP_FORWARD,
    STEP_TARGET,
    STEP_FIRST_BYTES,
    STEP_END,
};

enum verdict {
    VERDICT_SKIP,
    VERDICT_PASS,
    VERDICT_FAIL,
};

struct probe {
    struct invocation *invocation; /* borrowed */
    const char *site;
    uint16_t port;
    unsigned wait_ms; /* for the first bytes */
    uint8_t *send;    /* what the target gets first; owned */
    size_t send_length;

    enum step next;      /* not yet judged */
    uint64_t started_ms; /* that step */
    json_t *steps;       /* owned */
    struct fault cause;  /* empty: nothing failed */
};

/* The next step's verdict; its time is counted from the step before. */
void probe_pass(struct probe *probe, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One answer told of two steps: the time is the next one's. */
void probe_pass_with_next(struct probe *probe, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void probe_skip(struct probe *probe, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The probe's cause is `cause` and the advice behind it, which may be a part of `cause` already,
 * behind "; ".  Returns false, so that a step can say `return probe_fail(...)`. */
bool probe_fail(struct probe *probe, const char *advice, const char *cause, ...)
    __attribute__((format(printf, 3, 4)));

/* What the target said first. */
struct first_bytes {
    enum {
        FIRST_SILENCE, /* nothing, and the connection is open */
        FIRST_BYTES,
        FIRST_END, /* it closed the connection */
        FIRST_LOST,
    } what;
    uint8_t bytes[FIRST_BYTES_MAX];
    size_t length;
    struct fault fault; /* FIRST_LOST */
};
/* The last step. */
bool probe_first_bytes(struct probe *probe, const struct first_bytes *first);

/* Goes the way, until the end or the first step that fails.  Other outcomes than DONE: it could not
 * be gone at all. */
enum outcome probe_as_operator(struct probe *probe, struct fault *fault) MUST_CHECK;
enum outcome probe_as_visitor(struct probe *probe, struct fault *fault) MUST_CHECK;

#endif
