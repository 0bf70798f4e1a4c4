/*
 * Accepting.  It pauses when the process has no descriptors left, or no room, because the kernel
 * keeps such a socket readable.
 */
#define _GNU_SOURCE
#include "net/acceptor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/timeout.h"

#define ACCEPTS_PER_TURN 64
#define PAUSE_MS         100
#define COMPLAIN_MS      1000

struct acceptor {
    uv_poll_t poll;
    struct timeout *pause;
    int descriptor; /* -1: closed */
    const char *text;
    uint64_t complained_ms;
    acceptor_accepted *accepted;
    acceptor_has_room *has_room;
    void *owner;
};

void tcp_reset(int descriptor)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    (void)close(descriptor);
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void resume(void *owner)
{
    struct acceptor *acceptor = owner;
    (void)uv_poll_start(&acceptor->poll, UV_READABLE, on_acceptable);
}

static void pause_accepting(struct acceptor *acceptor, const char *reason)
{
    uint64_t now = clock_monotonic_ms();
    if (acceptor->complained_ms == 0 || now - acceptor->complained_ms >= COMPLAIN_MS) {
        log_warning(KV("listen", acceptor->text), SAY("accepting pauses"), KV("reason", reason));
        acceptor->complained_ms = now;
    }
    (void)uv_poll_stop(&acceptor->poll);
    if (timeout_set(acceptor->poll.loop, &acceptor->pause, PAUSE_MS, resume, acceptor) != 0)
        resume(acceptor);
}

static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static bool may_accept(const struct acceptor *acceptor)
{
    return !acceptor->has_room || acceptor->has_room(acceptor->owner);
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct acceptor *acceptor = poll->data;
    for (int i = 0; i < ACCEPTS_PER_TURN && acceptor->descriptor >= 0; i++) {
        if (!may_accept(acceptor)) {
            pause_accepting(acceptor, "there is no room for more");
            return;
        }
        struct sockaddr_storage peer;
        socklen_t length = sizeof peer;
        int descriptor = accept4(acceptor->descriptor, (struct sockaddr *)&peer, &length,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor >= 0) {
            acceptor->accepted(acceptor->owner, descriptor, (struct sockaddr *)&peer);
            continue;
        }
        int error = errno;
        if (is_shortage(error))
            pause_accepting(acceptor, strerror(error));
        /* Other errors belong to a connection that broke in the queue (accept(2)). */
        if (error != EINTR && error != ECONNABORTED)
            return;
    }
}

int acceptor_open(uv_loop_t *loop, int descriptor, const char *text, acceptor_accepted *accepted,
                  acceptor_has_room *has_room, void *owner, struct acceptor **out)
{
    struct acceptor *acceptor = calloc(1, sizeof *acceptor);
    if (!acceptor || uv_poll_init(loop, &acceptor->poll, descriptor) != 0) {
        free(acceptor);
        return -1;
    }
    acceptor->poll.data = acceptor;
    acceptor->descriptor = descriptor;
    acceptor->text = text;
    acceptor->accepted = accepted;
    acceptor->has_room = has_room;
    acceptor->owner = owner;
    (void)uv_poll_start(&acceptor->poll, UV_READABLE, on_acceptable);
    *out = acceptor;
    return 0;
}

static void on_close(uv_handle_t *handle)
{
    free(handle->data);
}

void acceptor_close(struct acceptor *acceptor)
{
    if (!acceptor)
        return;
    timeout_clear(&acceptor->pause);
    acceptor->descriptor = -1;
    uv_close((uv_handle_t *)&acceptor->poll, on_close);
}
