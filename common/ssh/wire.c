/*
 * libssh reads 4 KiB a call, and asks before each whether there is something to read.  Here are the
 * functions of the C library that it calls for it, poll, recv and send: a shared library finds
 * those of the executable first.  They know the descriptors that a wire was opened for, and do for
 * all others, and for all other callers, what the C library's do.
 *
 * - One read of up to 256 KiB feeds many of libssh's.  The block is borrowed while it holds
 *   something, so that sessions at rest have none.
 * - A poll is answered from what the loop said and from the last read and write.
 * - EAGAIN, which would end libssh's session, is a send of no bytes.
 * - Small packets are gathered in a block of the same kind, and leave together at the turn's end.
 *
 * Built with TUNNEL_WIRE off, this file is empty of all that, and wireless.c is not: libssh asks
 * the kernel itself.
 */
#define _GNU_SOURCE
#include "ssh/wire.h"

#ifdef TUNNEL_WIRE

#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>

#include "ssh/buffers.h"
#include "ssh/padding.h"
#include "ssh/shortcut.h"

#define BLOCK_BYTES (256u << 10)
#define AHEAD_BYTES (124u << 10) /* with what libssh asks for, four packets */
#define SPARE_MAX   2            /* blocks that nobody borrows */
#define SMALL_BYTES 2048         /* of what is written: larger ones are not copied */
#define NUMBER_MAX  (1 << 20)

#define HEAP_BLOCK_BYTES (1 << 20)
#define HEAP_SPARE_BYTES (2 << 20)
#define HEAP_STEP_BYTES  (256 << 10)

struct block {
    SLIST_ENTRY(block) next;
    uint8_t bytes[BLOCK_BYTES];
};

struct wire {
    ssh_session session;
    int number, descriptor;
    struct block *block; /* borrowed while it holds something */
    size_t start, end;
    bool readable, writable; /* for all that is known */
    bool more;               /* is to be written at once */
    bool gathering;          /* see wire_gather */
    bool corked;             /* the last write was not */
    bool ended;
    int error;       /* of reading */
    int write_error; /* that libssh has not seen */
    struct shortcut out;
    ssh_buffer received;  /* libssh's, or NULL */
    ssh_counter bytes;    /* borrowed; libssh counts what goes through its own hands */
    struct block *unsent; /* borrowed while it holds something */
    size_t unsent_start, unsent_end;
    bool may_wait; /* what is written next */
    bool urgent;   /* some of `unsent` may not */
    wire_kick *kick;
    void *owner;
};

static SLIST_HEAD(, block) spares = SLIST_HEAD_INITIALIZER(spares);
static size_t spare_count;

/* By number; other threads (those that resolve names) find none. */
static struct wire **wires;
static int wires_end;
static _Thread_local bool has_wires;

/* A number that libssh has closed may be somebody else's socket before its wire is closed. */
static struct wire *find(int number)
{
    struct wire *wire = has_wires && number >= 0 && number < wires_end ? wires[number] : NULL;

    return wire && ssh_get_fd(wire->session) == number ? wire : NULL;
}

/* --- blocks --- */

static struct block *borrow(void)
{
    struct block *block = SLIST_FIRST(&spares);

    if (!block)
        return malloc(sizeof *block);
    SLIST_REMOVE_HEAD(&spares, next);
    spare_count--;
    return block;
}

static void give_back(struct block **borrowed)
{
    struct block *block = *borrowed;

    *borrowed = NULL;
    if (!block)
        return;
    if (spare_count == SPARE_MAX) {
        free(block);
        return;
    }
    SLIST_INSERT_HEAD(&spares, block, next);
    spare_count++;
}

/* --- reading --- */

/* False: there is nothing now. */
static bool fill(struct wire *wire)
{
    ssize_t got;

    wire->block = borrow();
    if (!wire->block) {
        wire->error = ENOMEM;
        return true;
    }
    do {
        got = recvfrom(wire->descriptor, wire->block->bytes, BLOCK_BYTES, MSG_DONTWAIT, NULL, NULL);
    } while (got < 0 && errno == EINTR);
    /* What comes after a short read is reported by the loop. */
    wire->readable = got == (ssize_t)BLOCK_BYTES;
    wire->start = 0;
    wire->end = got > 0 ? (size_t)got : 0;
    if (got > 0)
        return true;
    if (got < 0 && errno != EAGAIN)
        wire->error = errno;
    wire->ended = got == 0;
    give_back(&wire->block);
    return wire->ended || wire->error;
}

static bool has_input(struct wire *wire)
{
    if (wire->block || wire->ended || wire->error)
        return true;
    return wire->readable && fill(wire);
}

/* libssh reads to the end of a buffer, and then goes through all that the buffer holds: so it may
 * hold more than libssh has asked for. */
static void add_more(struct wire *wire, const uint8_t *end)
{
    size_t length = wire->end - wire->start;

    if (length > AHEAD_BYTES)
        length = AHEAD_BYTES;
    if (length == 0 || !wire->received ||
        (uint8_t *)ssh_buffer_get(wire->received) + ssh_buffer_get_len(wire->received) != end ||
        ssh_buffer_add_data(wire->received, wire->block->bytes + wire->start, (uint32_t)length) < 0)
        return;
    wire->start += length;
    wire->bytes->in_bytes += length;
}

static ssize_t take(struct wire *wire, void *bytes, size_t length)
{
    size_t held;

    if (!has_input(wire)) {
        errno = EAGAIN;
        return -1;
    }
    if (!wire->block) {
        errno = wire->error;
        return wire->error ? -1 : 0;
    }
    held = wire->end - wire->start;
    if (length > held)
        length = held;
    memcpy(bytes, wire->block->bytes + wire->start, length);
    wire->start += length;
    add_more(wire, (uint8_t *)bytes + length);
    if (wire->start == wire->end)
        give_back(&wire->block);
    return (ssize_t)length;
}

/* --- writing --- */

/* What the kernel takes of it. */
static ssize_t give(struct wire *wire, const void *bytes, size_t length, bool more)
{
    int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    ssize_t sent;

    if (wire->write_error) {
        errno = wire->write_error;
        return -1;
    }
    do {
        sent = sendto(wire->descriptor, bytes, length, flags, NULL, 0);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN && errno != ENOBUFS)
        return -1;
    if (sent < 0)
        sent = 0;
    wire->writable = (size_t)sent == length;
    wire->corked = more;
    return sent;
}

/* False: the kernel does not take all of it now. */
static bool send_unsent(struct wire *wire, bool more)
{
    ssize_t sent;

    if (!wire->unsent)
        return true;
    sent = give(wire, wire->unsent->bytes + wire->unsent_start,
                wire->unsent_end - wire->unsent_start, more);
    if (sent < 0)
        wire->write_error = errno;
    wire->unsent_start = sent < 0 ? wire->unsent_end : wire->unsent_start + (size_t)sent;
    if (wire->unsent_start < wire->unsent_end)
        return false;
    wire->urgent = false;
    give_back(&wire->unsent);
    return true;
}

/* False: it is to be written by itself. */
static bool gather(struct wire *wire, const void *bytes, size_t length)
{
    if (length > SMALL_BYTES || wire->write_error)
        return false;
    if (!wire->unsent) {
        wire->unsent_start = wire->unsent_end = 0;
        wire->unsent = borrow();
    }
    if (!wire->unsent || wire->unsent_end + length > BLOCK_BYTES)
        return false;
    memcpy(wire->unsent->bytes + wire->unsent_end, bytes, length);
    wire->unsent_end += length;
    wire->urgent = wire->urgent || !wire->may_wait;
    wire->may_wait = false;
    wire->kick(wire->owner);
    return true;
}

static ssize_t pass(struct wire *wire, const void *bytes, size_t length)
{
    if (gather(wire, bytes, length))
        return (ssize_t)length;
    if (!send_unsent(wire, true))
        return 0;
    return give(wire, bytes, length, wire->more || wire->gathering);
}

/* libssh hears of an error when it sends the same bytes itself. */
static size_t pass_at_once(void *owner, const void *bytes, size_t length)
{
    struct wire *wire = owner;
    ssize_t sent = wire->writable ? pass(wire, bytes, length) : 0;

    if (sent < 0)
        wire->write_error = errno;
    if (sent <= 0)
        return 0;
    wire->bytes->out_bytes += (uint64_t)sent;
    return (size_t)sent;
}

static int answer(struct wire *wire, struct pollfd *question)
{
    question->revents = 0;
    if ((question->events & POLLIN) && has_input(wire))
        question->revents |= POLLIN;
    if ((question->events & POLLOUT) && wire->writable)
        question->revents |= POLLOUT;
    return question->revents ? 1 : 0;
}

/* --- the C library's names --- */

ssize_t on_recv(int number, void *bytes, size_t length, int flags) INSTEAD_OF("recv");
ssize_t on_send(int number, const void *bytes, size_t length, int flags) INSTEAD_OF("send");
int on_poll(struct pollfd *questions, nfds_t count, int timeout_ms) INSTEAD_OF("poll");

ssize_t on_recv(int number, void *bytes, size_t length, int flags)
{
    struct wire *wire = find(number);

    return wire ? take(wire, bytes, length) : recvfrom(number, bytes, length, flags, NULL, NULL);
}

ssize_t on_send(int number, const void *bytes, size_t length, int flags)
{
    struct wire *wire = find(number);

    return wire ? pass(wire, bytes, length) : sendto(number, bytes, length, flags, NULL, 0);
}

int on_poll(struct pollfd *questions, nfds_t count, int timeout_ms)
{
    struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    struct wire *wire = count == 1 && timeout_ms == 0 ? find(questions->fd) : NULL;

    return wire ? answer(wire, questions)
                : ppoll(questions, count, timeout_ms < 0 ? NULL : &timeout, NULL);
}

/* --- wires --- */

static bool make_place(int number)
{
    int end = wires_end > 0 ? wires_end : 64;
    struct wire **larger;

    if (number < wires_end)
        return true;
    if (number < 0 || number >= NUMBER_MAX)
        return false;
    while (end <= number)
        end *= 2;
    larger = realloc(wires, (size_t)end * sizeof(struct wire *));
    if (!larger)
        return false;
    memset(larger + wires_end, 0, (size_t)(end - wires_end) * sizeof(struct wire *));
    wires = larger;
    wires_end = end;
    return true;
}

/* libssh allocates and frees a block or two of 32 KiB for each packet.  Those at the heap's end
 * would come from the kernel, a page fault each 4 KiB, and go back to it, each time; rest.c gives
 * them back once it is quiet. */
static void keep_pages(void)
{
    static bool kept;

    if (kept)
        return;
    kept = true;
    (void)mallopt(M_MMAP_THRESHOLD, HEAP_BLOCK_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, HEAP_SPARE_BYTES);
    (void)mallopt(M_TOP_PAD, HEAP_STEP_BYTES);
}

struct wire *wire_open(ssh_session session, int descriptor, ssh_counter bytes, wire_kick *kick,
                       void *owner)
{
    int number = ssh_get_fd(session);
    struct wire *wire = make_place(number) ? calloc(1, sizeof *wire) : NULL;

    if (!wire)
        return NULL;
    keep_pages();
    padding_prepare();
    wire->session = session;
    wire->number = number;
    wire->descriptor = descriptor;
    wire->readable = wire->writable = true;
    wire->kick = kick;
    wire->owner = owner;
    wire->bytes = bytes;
    shortcut_of_session(session, &wire->received, &wire->out.past);
    wire->out.take = pass_at_once;
    wire->out.owner = wire;
    wires[number] = wire;
    has_wires = true;
    return wire;
}

void wire_close(struct wire *wire)
{
    if (!wire)
        return;
    if (wires[wire->number] == wire)
        wires[wire->number] = NULL;
    (void)send_unsent(wire, false);
    give_back(&wire->unsent);
    give_back(&wire->block);
    free(wire);
}

void wire_note(struct wire *wire, bool readable, bool writable)
{
    if (!wire)
        return;
    wire->readable = wire->readable || readable;
    wire->writable = wire->writable || writable;
}

size_t wire_held(const struct wire *wire)
{
    return wire && wire->block ? wire->end - wire->start : 0;
}

size_t wire_coming(const struct wire *wire)
{
    size_t read = wire && wire->received ? ssh_buffer_get_len(wire->received) : 0;

    return wire_held(wire) + read;
}

void wire_expect_more(struct wire *wire, bool more)
{
    if (wire)
        wire->more = more;
}

void wire_gather(struct wire *wire)
{
    if (wire)
        wire->gathering = true;
}

void wire_may_wait(struct wire *wire, bool may_wait)
{
    if (wire)
        wire->may_wait = may_wait;
}

void wire_hurry(struct wire *wire)
{
    if (wire && wire->unsent)
        wire->urgent = true;
}

bool wire_is_full(const struct wire *wire)
{
    return wire && wire->unsent && !wire->writable;
}

bool wire_push(struct wire *wire, bool all)
{
    const int on = 1;

    if (!wire)
        return true;
    wire->more = wire->gathering = false;
    if (wire->unsent && !wire->urgent && !all)
        return false;
    (void)send_unsent(wire, false);
    if (!wire->corked)
        return true;
    wire->corked = false;
    /* Setting it again sends what waits. */
    (void)setsockopt(wire->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return true;
}

void wire_enter(struct wire *wire)
{
    shortcut_small(wire ? &wire->out : NULL);
}

const struct shortcut *wire_out(const struct wire *wire)
{
    return wire ? &wire->out : NULL;
}

#endif
