/*
 * libssh has no call that makes its buffers smaller, and does not tell where they are.  But it
 * empties them through functions of its own interface, ssh_buffer_reinit and ssh_buffer_get_len,
 * which are found in the executable first, as the functions in wire.c are.  Here they do what
 * libssh's do; and while a session comes to rest, the pages of a buffer that is empty are handed
 * back, as its bytes mean nothing any more:
 *
 * - ssh_buffer_reinit empties the buffers of packets, one each way, with the next packet: one that
 *   means nothing is sent, and the peer's next keepalive brings the other.
 * - ssh_get_status asks for the lengths of the socket's two buffers.  A buffer of length 0 begins
 *   at its block's beginning, because the functions that shorten these two start over when they
 *   have emptied them.
 *
 * Built with TUNNEL_WIRE off, or with a libssh whose buffers nobody has looked at, only the heap is
 * trimmed.
 */
#define _GNU_SOURCE
#include "ssh/rest.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ssh/buffers.h"

#define TRIM_EVERY_MS 30000

bool rest_is_due(struct rest *rest, uint64_t bytes, uint64_t now_ms)
{
    bool quiet = bytes - rest->since_bytes < REST_BYTES;

    if (quiet && rest->since_ms > 0 && now_ms - rest->since_ms < REST_AFTER_MS)
        return false;
    bool due = quiet && rest->since_ms > 0 && !rest->rested;
    rest->rested = quiet && (due || rest->rested);
    rest->since_ms = now_ms;
    rest->since_bytes = bytes;
    return due;
}

#ifdef TUNNEL_WIRE

#define WORTH_BYTES 8192 /* smaller blocks hold no whole page for sure */
#define ALIGNMENT   16   /* of every block of the heap */

/* Do emptied buffers give their pages back?  Another thread's never do. */
static _Thread_local bool emptied;

/* The block of an empty buffer. */
static void hand_back(void *block)
{
    static size_t page;
    uintptr_t begin = (uintptr_t)block, first, end;
    size_t size = block && begin % ALIGNMENT == 0 ? malloc_usable_size(block) : 0;

    if (size < WORTH_BYTES)
        return;
    if (page == 0)
        page = (size_t)sysconf(_SC_PAGESIZE);
    first = (begin + page - 1) / page * page;
    end = (begin + size) / page * page;
    if (end > first)
        (void)madvise((uint8_t *)block + (first - begin), end - first, MADV_DONTNEED);
}

int on_reinit(ssh_buffer buffer) INSTEAD_OF("ssh_buffer_reinit");

int on_reinit(ssh_buffer buffer)
{
    static int (*reinit)(ssh_buffer);
    int code;

    if (!reinit)
        buffers_find("ssh_buffer_reinit", &reinit);
    code = reinit(buffer);
    if (emptied && code == 0)
        hand_back(ssh_buffer_get(buffer));
    return code;
}

static void on_length(ssh_buffer buffer, uint32_t length)
{
    if (length == 0)
        hand_back(ssh_buffer_get(buffer));
}

static void watch_emptied(bool on)
{
    emptied = on && buffers_are_known();
}

static void ask(ssh_session session)
{
    buffers_on_length(buffers_are_known() ? on_length : NULL);
    (void)ssh_get_status(session);
    buffers_on_length(NULL);
}

#else

static void watch_emptied(bool on)
{
    (void)on;
}

static void ask(ssh_session session)
{
    (void)session;
}

#endif

static void trim_heap(uint64_t now_ms)
{
    static uint64_t trimmed_ms;

    if (trimmed_ms > 0 && now_ms - trimmed_ms < TRIM_EVERY_MS)
        return;
    trimmed_ms = now_ms;
    (void)malloc_trim(0);
}

void rest_turn_begins(struct rest *rest, const struct ssh_counter_struct *bytes,
                      const struct ssh_counter_struct *packets, uint64_t now_ms)
{
    if (rest_is_due(rest, bytes->in_bytes + bytes->out_bytes, now_ms)) {
        rest->due = rest->awaiting = true;
        rest->in_packets = packets->in_packets;
    }
    watch_emptied(rest->awaiting);
}

/* Before the key exchange a message that means nothing is not allowed (strict key exchange). */
void rest_turn_ends(struct rest *rest, ssh_session session,
                    const struct ssh_counter_struct *packets, uint64_t now_ms)
{
    if (rest->due && ssh_is_connected(session) && ssh_get_cipher_out(session)) {
        (void)ssh_send_ignore(session, "");
        ask(session);
        trim_heap(now_ms);
    }
    watch_emptied(false);
    rest->due = false;
    if (packets->in_packets != rest->in_packets)
        rest->awaiting = false;
}

void rest_note(struct rest *rest, const struct ssh_counter_struct *bytes, uint64_t now_ms)
{
    uint64_t moved = bytes->in_bytes + bytes->out_bytes;

    if (moved - rest->since_bytes < REST_BYTES)
        return;
    rest->rested = false;
    rest->since_ms = now_ms;
    rest->since_bytes = moved;
}
