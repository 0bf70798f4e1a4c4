/*
 * libssh copies each packet four times on its way out and clears a buffer twice, and three times on
 * its way in.  Some of that is done through functions of its own interface, ssh_buffer_add_data,
 * ssh_buffer_get_data and ssh_buffer_get_len, and by the C library's explicit_bzero.  They are
 * found in the executable first, as the functions in wire.c are:
 *
 * - Out, the encrypted packet is put in the socket's buffer, to be sent from there.  With nothing
 *   in that buffer, it is sent from where it is.
 * - So are libssh's own small packets, such as window adjusts.  After each that it sends itself, it
 *   asks whether the socket takes more, and tells all channels of the session that it does.
 * - In, a packet's bytes are put in the channel's buffer, which its reader is shown.  With nothing
 *   in that, the reader is shown them where they are, and then an empty buffer.
 * - Before that they are copied out of the packet, by ssh_buffer_get_data.  They are left in it,
 * and whoever is given the copy next, which is ssh_buffer_add_data, is given them there.
 * - A packet's header is put before its bytes, which moves them all, unless the buffer has read
 *   bytes at its beginning: so it gets some.
 * - A packet is encrypted into a block of its own, which is wiped then as if it were a secret.
 *
 * Built with TUNNEL_WIRE off, or with a libssh whose buffers nobody has looked at, none of it.
 */
#define _GNU_SOURCE
#include "ssh/shortcut.h"

#include "ssh/buffers.h"
#include "ssh/writing.h"

#ifdef TUNNEL_WIRE

#include <stdlib.h>
#include <string.h>

#define CHANNEL_DATA 94 /* RFC 4254, 9: a packet of a channel's bytes begins with it */
#define HEADER_ROOM  17 /* its header has 5 bytes, and what is encrypted begins aligned */

/* Other threads have none. */
static _Thread_local const struct shortcut *out, *small;
static _Thread_local struct shortcut *in;

typedef int add_data(ssh_buffer buffer, const void *bytes, uint32_t length);
typedef uint32_t get_data(ssh_buffer buffer, void *bytes, uint32_t length);

/* How libssh reads a packet of a channel's bytes, and no other: so much at once. */
static const uint32_t reads[] = {
    1, /* how much it is padded */
    1, /* CHANNEL_DATA */
    4, /* the channel */
    4, /* how many bytes follow */
};

static _Thread_local struct {
    ssh_buffer packet;
    size_t count;       /* of `reads` that it has seen */
    const void *copy;   /* of its bytes, which was not made; NULL: none */
    const uint8_t *are; /* where they are instead */
    uint32_t length;
} reading;

/* What libssh is about to send: the buffer that it has added to last has so many bytes. */
static _Thread_local uint32_t packet_length;

static bool is_empty(ssh_buffer buffer)
{
    return ssh_buffer_get_len(buffer) == 0;
}

static void make_room(ssh_buffer buffer, add_data *add)
{
    uint8_t room[HEADER_ROOM] = {0};

    if (add(buffer, room, sizeof room) == 0)
        (void)ssh_buffer_get_data(buffer, room, sizeof room);
}

static void note_read(ssh_buffer buffer, const uint8_t *bytes, uint32_t length)
{
    bool is_next = buffer == reading.packet && reading.count < sizeof reads / sizeof reads[0] &&
                   length == reads[reading.count] && (reading.count != 1 || *bytes == CHANNEL_DATA);

    reading.packet = buffer;
    if (is_next)
        reading.count++;
    else
        reading.count = length == reads[0] ? 1 : 0;
}

/* The packet stays as it is until the bytes have been added; nothing behind them is read. */
static bool leave_in_packet(ssh_buffer buffer, const void *copy, uint32_t length)
{
    if (!in->past || buffer != reading.packet || reading.count < sizeof reads / sizeof reads[0] ||
        length < SHORTCUT_BYTES || ssh_buffer_get_len(buffer) < length)
        return false;
    reading.count = 0;
    reading.copy = copy;
    reading.are = ssh_buffer_get(buffer);
    reading.length = length;
    return true;
}

uint32_t on_get_data(ssh_buffer buffer, void *bytes, uint32_t length)
    INSTEAD_OF("ssh_buffer_get_data");

uint32_t on_get_data(ssh_buffer buffer, void *bytes, uint32_t length)
{
    static get_data *get;

    if (!get)
        buffers_find("ssh_buffer_get_data", &get);
    if (!in)
        return get(buffer, bytes, length);
    reading.copy = NULL;
    if (leave_in_packet(buffer, bytes, length))
        return length;
    length = get(buffer, bytes, length);
    note_read(buffer, bytes, length);
    return length;
}

static size_t take(const struct shortcut *shortcut, ssh_buffer buffer, const void *bytes,
                   uint32_t length)
{
    if (!shortcut || shortcut->past != buffer || !is_empty(buffer))
        return 0;
    return shortcut->take(shortcut->owner, bytes, length);
}

static size_t take_any(ssh_buffer buffer, const void *bytes, uint32_t length)
{
    size_t taken;

    if (length < SHORTCUT_BYTES)
        return take(small, buffer, bytes, length);
    taken = take(out, buffer, bytes, length);
    return taken > 0 ? taken : take(in, buffer, bytes, length);
}

int on_add_data(ssh_buffer buffer, const void *bytes, uint32_t length)
    INSTEAD_OF("ssh_buffer_add_data");

int on_add_data(ssh_buffer buffer, const void *bytes, uint32_t length)
{
    static add_data *add;
    size_t taken = 0;

    if (!add)
        buffers_find("ssh_buffer_add_data", &add);
    if (!buffer || !bytes)
        return add(buffer, bytes, length);
    if (writing_is_narrow(bytes, length))
        return -1;
    if (bytes == reading.copy && length == reading.length)
        bytes = reading.are;
    reading.copy = NULL;
    if (out && length == 1 && *(const uint8_t *)bytes == CHANNEL_DATA && is_empty(buffer))
        make_room(buffer, add);
    taken = take_any(buffer, bytes, length);
    if (taken == length)
        return 0;
    int code = add(buffer, (const uint8_t *)bytes + taken, length - (uint32_t)taken);
    if (out)
        packet_length = ssh_buffer_get_len(buffer);
    /* libssh frees a channel's buffer then. */
    if (code < 0 && in && in->past == buffer)
        in->past = NULL;
    return code;
}

/* --- wiping --- */

void on_wipe(void *block, size_t length, size_t room) INSTEAD_OF("__explicit_bzero_chk");

/* A block that is as long as the packet which libssh is about to send is a copy of it that libssh
 * has just encrypted: what goes over the wire is no secret. */
void on_wipe(void *block, size_t length, size_t room)
{
    if (length > room)
        abort();
    if (out && out->past && length >= SHORTCUT_BYTES && length == packet_length)
        return;
    memset(block, 0, length);
    __asm__ volatile("" : : "r"(block) : "memory");
}

/* --- which buffers --- */

static _Thread_local ssh_buffer asked[2];

static void note(ssh_buffer buffer, uint32_t length)
{
    (void)length;
    if (!asked[0])
        asked[0] = buffer;
    else if (!asked[1])
        asked[1] = buffer;
}

/* 0.11 goes through its buffers in other ways: bytes were lost; nobody has looked at 0.9. */
bool shortcut_is_known(void)
{
    return buffers_are_known() && ssh_version(SSH_VERSION_INT(0, 10, 0)) != NULL &&
           ssh_version(SSH_VERSION_INT(0, 11, 0)) == NULL;
}

static void begin_noting(void)
{
    asked[0] = asked[1] = NULL;
    buffers_on_length(shortcut_is_known() ? note : NULL);
}

/* For its status, libssh asks how much the socket's buffers hold, first what was read. */
void shortcut_of_session(ssh_session session, ssh_buffer *received, ssh_buffer *to_send)
{
    begin_noting();
    (void)ssh_get_status(session);
    buffers_on_length(NULL);
    *received = asked[0];
    *to_send = asked[1];
}

/* A poll asks for the length of the channel's buffer first of all. */
int shortcut_of_channel(ssh_channel channel, ssh_buffer *past)
{
    int waiting;

    begin_noting();
    waiting = ssh_channel_poll(channel, 0);
    buffers_on_length(NULL);
    *past = asked[0];
    return waiting;
}

void shortcut_out(const struct shortcut *shortcut)
{
    out = shortcut;
    packet_length = 0;
}

void shortcut_small(const struct shortcut *shortcut)
{
    small = shortcut;
}

void shortcut_in(struct shortcut *shortcut)
{
    in = shortcut;
    reading.packet = NULL;
    reading.copy = NULL;
}

#else

bool shortcut_is_known(void)
{
    return false;
}

void shortcut_of_session(ssh_session session, ssh_buffer *received, ssh_buffer *to_send)
{
    (void)session;
    *received = *to_send = NULL;
}

int shortcut_of_channel(ssh_channel channel, ssh_buffer *past)
{
    *past = NULL;
    return ssh_channel_poll(channel, 0);
}

void shortcut_out(const struct shortcut *shortcut)
{
    (void)shortcut;
}

void shortcut_small(const struct shortcut *shortcut)
{
    (void)shortcut;
}

void shortcut_in(struct shortcut *shortcut)
{
    (void)shortcut;
}

#endif
