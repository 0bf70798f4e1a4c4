/*
 * The pipe: whole records in and out of a SOCK_SEQPACKET socket, each with at most one descriptor.
 * What the kernel does not take waits in a bounded queue.  Who the other side is, and what its
 * messages mean, is not known here; a record that is not exactly right breaks the pipe.
 */
#define _GNU_SOURCE
#include "ipc/pipe.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"

#define RECORDS_A_TURN    256         /* then the loop's other sources have their turn */
#define QUEUE_BYTES_MAX   (64u << 20) /* beside PIPE_QUEUE_MAX messages */
#define SOCKET_BUFFER     (1 << 20)
#define RETRY_MS          10 /* when the kernel is short of something that no poll tells of */
#define DESCRIPTORS_TAKEN 4  /* more than one is refused, but must be received to be closed */

/* A record that waits for the socket. */
struct record {
    struct record *next;
    int descriptor; /* ours, -1: none */
    size_t length;
    uint8_t bytes[];
};

struct pipe {
    uv_poll_t poll;
    uv_timer_t timer; /* tells of trouble later, and tries again */
    int handles;      /* open handles; the last one's close callback frees the pipe */
    int events;       /* watched for */
    int descriptor;
    enum message_direction incoming;
    const struct pipe_handlers *handlers;
    void *owner;
    struct record *first, **last;
    size_t queued, queued_bytes;
    uint64_t busy_us;
    const char *broken; /* why; NULL while whole */
    bool told, closing;
    struct fault fault; /* holds the sentence that `broken` points to */
    uint8_t received[MESSAGE_WIRE_MAX];
    uint8_t encoded[MESSAGE_WIRE_MAX];
};

static void on_timer(uv_timer_t *timer);
static void on_poll(uv_poll_t *poll, int status, int events);

static void record_free(struct record *record)
{
    if (record->descriptor >= 0)
        close(record->descriptor);
    secret_wipe(record->bytes, record->length);
    free(record);
}

static void queue_drop(struct pipe *pipe)
{
    while (pipe->first) {
        struct record *record = pipe->first;
        pipe->first = record->next;
        record_free(record);
    }
    pipe->last = &pipe->first;
    pipe->queued = pipe->queued_bytes = 0;
}

/* Nothing is read or sent from now on; the owner hears of it at the loop's next turn. */
static void pipe_break(struct pipe *pipe, const char *reason)
{
    if (pipe->broken || pipe->closing)
        return;
    pipe->broken = reason;
    queue_drop(pipe);
    uv_poll_stop(&pipe->poll);
    uv_timer_start(&pipe->timer, on_timer, 0, 0);
}

/* Starting anew what is watched already would cost two system calls. */
static void watch(struct pipe *pipe)
{
    int events = UV_READABLE | (pipe->first ? UV_WRITABLE : 0);

    if (events == pipe->events)
        return;
    pipe->events = events;
    uv_poll_start(&pipe->poll, events, on_poll);
}

/* 1: sent, 0: not now, -1: never. */
static int send_record(struct pipe *pipe, const uint8_t *bytes, size_t length, int descriptor)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

    if (descriptor >= 0) {
        memset(&control, 0, sizeof control);
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof control.bytes;
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
    }
    for (;;) {
        if (sendmsg(pipe->descriptor, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return 1;
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN)
            return 0;
        if (errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM) {
            uv_timer_start(&pipe->timer, on_timer, RETRY_MS, 0);
            return 0;
        }
        return -1;
    }
}

static void queue_flush(struct pipe *pipe)
{
    while (pipe->first) {
        struct record *record = pipe->first;
        int sent = send_record(pipe, record->bytes, record->length, record->descriptor);
        if (sent < 0)
            pipe_break(pipe, "the other side is gone");
        if (sent <= 0)
            return;
        pipe->first = record->next;
        if (!pipe->first)
            pipe->last = &pipe->first;
        pipe->queued--;
        pipe->queued_bytes -= record->length;
        record_free(record);
    }
}

static void queue_add(struct pipe *pipe, size_t length, int descriptor)
{
    struct record *record;

    if (pipe->queued >= PIPE_QUEUE_MAX || pipe->queued_bytes + length > QUEUE_BYTES_MAX) {
        pipe_break(pipe, "the other side does not read: too many messages wait");
        return;
    }
    record = malloc(sizeof *record + length);
    if (!record) {
        pipe_break(pipe, "out of memory for messages");
        return;
    }
    record->next = NULL;
    record->length = length;
    record->descriptor = -1;
    memcpy(record->bytes, pipe->encoded, length);
    if (descriptor >= 0 && (record->descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)) < 0) {
        record_free(record);
        pipe_break(pipe, "out of descriptors for messages");
        return;
    }
    *pipe->last = record;
    pipe->last = &record->next;
    pipe->queued++;
    pipe->queued_bytes += length;
    watch(pipe);
}

void pipe_send(struct pipe *pipe, const struct message *message)
{
    int sent = 0;
    long length;

    if (pipe->broken || pipe->closing)
        return;
    length = message_encode(message, pipe->encoded);
    assert(length > 0);
    assert(message_wants_descriptor(message->type) == (message->descriptor >= 0));
    if (length <= 0)
        return;
    if (!pipe->first)
        sent = send_record(pipe, pipe->encoded, (size_t)length, message->descriptor);
    if (sent < 0)
        pipe_break(pipe, "the other side is gone");
    else if (sent == 0)
        queue_add(pipe, (size_t)length, message->descriptor);
    secret_wipe(pipe->encoded, (size_t)length);
}

/* Collects the descriptors that came along; all but the first are closed.  Returns their count. */
static size_t take_descriptors(struct msghdr *header, int *first)
{
    size_t count = 0;

    *first = -1;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t inside = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < inside; i++, count++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(part) + i * sizeof(int), sizeof descriptor);
            if (count == 0)
                *first = descriptor;
            else
                close(descriptor);
        }
    }
    return count;
}

/* Decodes what was received and hands it on.  At the bound of descriptors the kernel keeps back
 * what came along: no fault of the other side. */
static void deliver(struct pipe *pipe, size_t length, int flags, size_t count, int descriptor)
{
    struct message message = {.descriptor = -1};
    bool no_room = (flags & MSG_CTRUNC) && count == 0;

    if ((flags & MSG_TRUNC) || ((flags & MSG_CTRUNC) && !no_room)) {
        fault_set(&pipe->fault, "a record was cut off");
    } else if (message_decode(pipe->received, length, pipe->incoming, &message, &pipe->fault) ==
               0) {
        bool wanted = message_wants_descriptor(message.type);
        if ((wanted ? 1u : 0u) == (no_room ? 1u : count)) {
            message.descriptor = descriptor;
            pipe->handlers->on_message(pipe->owner, &message);
            secret_wipe(&message, sizeof message);
            return;
        }
        fault_set(&pipe->fault, "%s came with %zu descriptors", message_name(message.type), count);
    }
    if (descriptor >= 0)
        close(descriptor);
    pipe_break(pipe, pipe->fault.text);
}

/* Receives one record; false when there is none now, or never again. */
static bool receive(struct pipe *pipe)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(DESCRIPTORS_TAKEN * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = pipe->received, .iov_len = sizeof pipe->received};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes};
    ssize_t length = recvmsg(pipe->descriptor, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    int descriptor;

    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (length <= 0) {
        pipe_break(pipe, "the other side is gone");
        return false;
    }
    size_t count = take_descriptors(&header, &descriptor);
    deliver(pipe, (size_t)length, header.msg_flags, count, descriptor);
    secret_wipe(pipe->received, (size_t)length);
    return !pipe->broken && !pipe->closing;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct pipe *pipe = poll->data;
    bool measured = pipe->incoming == TO_PARENT; /* a worker has but one parent */
    uint64_t began_us = measured ? clock_processor_us() : 0;

    if (status < 0) {
        pipe_break(pipe, "the other side is gone");
        return;
    }
    if (events & UV_WRITABLE)
        queue_flush(pipe);
    /* libuv tells of a hang-up as both; the read then finds the end. */
    if ((events & UV_READABLE) && !pipe->broken) {
        for (int i = 0; i < RECORDS_A_TURN && receive(pipe); i++)
            ;
    }
    if (!pipe->broken && !pipe->closing)
        watch(pipe);
    if (measured)
        pipe->busy_us += clock_processor_us() - began_us;
}

size_t pipe_queued(const struct pipe *pipe)
{
    return pipe->queued;
}

uint64_t pipe_busy_us(const struct pipe *pipe)
{
    return pipe->busy_us;
}

static void on_timer(uv_timer_t *timer)
{
    struct pipe *pipe = timer->data;

    if (!pipe->broken) {
        queue_flush(pipe);
    } else if (!pipe->told) {
        pipe->told = true;
        pipe->handlers->on_broken(pipe->owner, pipe->broken);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct pipe *pipe = handle->data;

    if (--pipe->handles == 0)
        free(pipe);
}

int pipe_open(uv_loop_t *loop, int descriptor, enum message_direction incoming,
              const struct pipe_handlers *handlers, void *owner, struct pipe **out)
{
    const int size = SOCKET_BUFFER;
    struct pipe *pipe = calloc(1, sizeof *pipe);

    if (!pipe)
        return -1;
    pipe->descriptor = descriptor;
    pipe->incoming = incoming;
    pipe->handlers = handlers;
    pipe->owner = owner;
    pipe->last = &pipe->first;
    if (uv_poll_init(loop, &pipe->poll, descriptor) < 0) {
        free(pipe);
        return -1;
    }
    /* More room than the default saves queueing; less is no failure. */
    (void)setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    uv_timer_init(loop, &pipe->timer);
    pipe->poll.data = pipe->timer.data = pipe;
    pipe->handles = 2;
    watch(pipe);
    *out = pipe;
    return 0;
}

void pipe_close(struct pipe *pipe)
{
    if (!pipe || pipe->closing)
        return;
    pipe->closing = true;
    queue_drop(pipe);
    uv_close((uv_handle_t *)&pipe->poll, on_closed);
    uv_close((uv_handle_t *)&pipe->timer, on_closed);
    close(pipe->descriptor);
}
