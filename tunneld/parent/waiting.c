/*
 * Visitors that wait for a publisher.  Their sockets are watched for a hang-up, never read: the
 * kernel tells how many bytes are there, which is how a visitor that gave up differs from one
 * that has sent its request and closed its side.
 */
#define _GNU_SOURCE
#include "parent/waiting.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "parent/connections.h"
#include "parent/enforce.h"
#include "parent/opens.h"
#include "parent/sites.h"
#include "parent/tcp_listener.h"
#include "parent/tracing.h"

#define TRIES_MAX 3
#define RETRY_MS  250

struct visitor {
    uv_poll_t poll;
    TAILQ_ENTRY(visitor) entry;
    struct forward *forward;
    struct open *open; /* an operator's channel; NULL: a visitor's connection */
    int descriptor;
    unsigned tries;
    uint64_t since_ms;
    char address[ENDPOINT_SIZE];
};

static void on_close(uv_handle_t *handle)
{
    free(handle->data);
}

/* Ends the waiting.  The descriptor is the caller's; the visitor is freed at the loop's turn. */
static int take_out(struct visitor *visitor)
{
    struct forward *forward = visitor->forward;
    TAILQ_REMOVE(&forward->waiting, visitor, entry);
    forward->waiting_count--;
    forward->site->hub->waiting_count--;
    uv_close((uv_handle_t *)&visitor->poll, on_close);
    return visitor->descriptor;
}

static void on_hang_up(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct visitor *visitor = poll->data;
    int unread = 0;
    if (status == 0 && ioctl(visitor->descriptor, FIONREAD, &unread) == 0 && unread > 0) {
        (void)uv_poll_stop(poll); /* it closed its side only; the event would come again */
        return;
    }
    int before = tracing_enter(visitor->forward->site);
    log_debug(KV("site", visitor->forward->site->row.name),
              KV("forward", visitor->forward->grant->port), SAY("waiting visitor hung up"),
              KV("visitor", visitor->address),
              KV("waited_ms", clock_monotonic_ms() - visitor->since_ms));
    (void)log_scope(before);
    open_refuse(visitor->open, "offline: the wait ended");
    tcp_reset(take_out(visitor));
}

void visitor_cancel(struct visitor *visitor)
{
    tcp_reset(take_out(visitor));
}

const struct forward *visitor_forward(const struct visitor *visitor)
{
    return visitor->forward;
}

static void on_retry(void *owner)
{
    struct forward *forward = owner;
    int before = tracing_enter(forward->site);
    if (forward->session)
        visitors_connect(forward);
    (void)log_scope(before);
}

/* A visitor that came back while its forward still counts as published: either the session's end
 * is about to be reported, or it deserves another try. */
static void schedule_retry(struct forward *forward)
{
    struct hub *hub = forward->site->hub;
    if (!forward->retry &&
        timeout_set(hub->loop, &forward->retry, RETRY_MS, on_retry, forward) != 0)
        visitors_reset(forward, "the hub is out of memory");
}

static void turn_away(struct forward *forward, int descriptor, struct open *open,
                      const char *reason)
{
    forward_error(forward, reason);
    open_refuse(open, "busy: %s", reason);
    tcp_reset(descriptor);
}

void visitor_wait(struct forward *forward, int descriptor, const char *address, unsigned tries,
                  struct open *open)
{
    struct hub *hub = forward->site->hub;
    if (!forward->session && !forward_is_held(forward)) {
        open_refuse(open, "offline: %s", forward_reason(forward));
        tcp_reset(descriptor);
        return;
    }
    if (forward->waiting_count >= hub->settings.max_waiting) {
        forward_refuse(forward, POLICY_WAITING, address);
        open_refuse(open, "busy: %s", policy_verdict_text(POLICY_WAITING));
        tcp_reset(descriptor);
        return;
    }
    struct visitor *visitor = tries <= TRIES_MAX ? calloc(1, sizeof *visitor) : NULL;
    if (!visitor || uv_poll_init(hub->loop, &visitor->poll, descriptor) != 0) {
        free(visitor);
        turn_away(forward, descriptor, open, "the visitor could not be handed to any session");
        return;
    }
    visitor->poll.data = visitor;
    visitor->forward = forward;
    visitor->open = open;
    visitor->descriptor = descriptor;
    visitor->tries = tries;
    visitor->since_ms = clock_monotonic_ms();
    (void)text_copy(visitor->address, sizeof visitor->address, address);
    TAILQ_INSERT_TAIL(&forward->waiting, visitor, entry);
    forward->waiting_count++;
    hub->waiting_count++;
    open_waits(open, visitor);
    (void)uv_poll_start(&visitor->poll, UV_DISCONNECT, on_hang_up);
    if (forward->session)
        schedule_retry(forward);
}

void visitors_connect(struct forward *forward)
{
    /* Those that come back while we are at it are not taken a second time. */
    for (size_t left = forward->waiting_count; left > 0 && forward->session; left--) {
        struct visitor *visitor = TAILQ_FIRST(&forward->waiting);
        int descriptor = take_out(visitor);
        connection_start(forward, descriptor, visitor->address, visitor->tries, visitor->open);
    }
}

void visitors_judge(struct forward *forward)
{
    struct visitor *visitor, *following;
    for (visitor = TAILQ_FIRST(&forward->waiting); visitor; visitor = following) {
        following = TAILQ_NEXT(visitor, entry);
        const char *reason =
            forward_reason_to_cut(forward, visitor->address, visitor->open != NULL);
        if (!reason)
            continue;
        open_refuse(visitor->open, "policy: %s", reason);
        tcp_reset(take_out(visitor));
    }
}

void visitors_reset(struct forward *forward, const char *reason)
{
    struct visitor *visitor;
    while ((visitor = TAILQ_FIRST(&forward->waiting))) {
        open_refuse(visitor->open, "offline: %s", reason);
        tcp_reset(take_out(visitor));
    }
}
