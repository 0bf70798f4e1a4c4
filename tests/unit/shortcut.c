/* What goes by a shortcut, and what is put in libssh's buffer all the same. */
#define _GNU_SOURCE
#include "ssh/shortcut.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "ssh_pair.h"
#include "suite.h"

#include "ssh/stream_internal.h"

#define CHANNEL_DATA          94
#define CHANNEL_EXTENDED_DATA 95

static uint8_t bytes[2 * SHORTCUT_BYTES];
static uint8_t went[sizeof bytes];
static size_t went_length, may_go;
static unsigned asked;
static struct shortcut shortcut;
static ssh_buffer buffer;

static size_t take(void *owner, const void *taken, size_t length)
{
    size_t goes = length < may_go ? length : may_go;

    ck_assert_ptr_eq(owner, &shortcut);
    memcpy(went, taken, goes);
    went_length = goes;
    asked++;
    return goes;
}

static void setup(void)
{
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251 + 1);
    buffer = ssh_buffer_new();
    ck_assert_ptr_nonnull(buffer);
    shortcut = (struct shortcut){buffer, take, &shortcut};
    went_length = asked = 0;
    may_go = sizeof bytes;
}

static void teardown(void)
{
    shortcut_in(NULL);
    shortcut_out(NULL);
    shortcut_small(NULL);
    ssh_buffer_free(buffer);
}

static void holds(const uint8_t *expected, size_t length)
{
    ck_assert_uint_eq(ssh_buffer_get_len(buffer), length);
    if (length > 0)
        ck_assert_mem_eq(ssh_buffer_get(buffer), expected, length);
}

START_TEST(all_of_it_goes)
{
    if (_i == 0)
        shortcut_in(&shortcut);
    else
        shortcut_out(&shortcut);
    ck_assert_int_eq(ssh_buffer_add_data(buffer, bytes, sizeof bytes), 0);
    ck_assert_uint_eq(went_length, sizeof bytes);
    ck_assert_mem_eq(went, bytes, sizeof bytes);
    holds(bytes, 0);
}
END_TEST

START_TEST(what_does_not_go_stays)
{
    may_go = 1000;
    shortcut_in(&shortcut);
    ck_assert_int_eq(ssh_buffer_add_data(buffer, bytes, sizeof bytes), 0);
    ck_assert_uint_eq(went_length, 1000);
    holds(bytes + 1000, sizeof bytes - 1000);
}
END_TEST

START_TEST(nothing_overtakes)
{
    shortcut_out(&shortcut);
    ck_assert_int_eq(ssh_buffer_add_data(buffer, bytes, 1), 0);
    ck_assert_int_eq(ssh_buffer_add_data(buffer, bytes + 1, sizeof bytes - 1), 0);
    ck_assert_uint_eq(asked, 0);
    holds(bytes, sizeof bytes);
}
END_TEST

START_TEST(others_are_left_alone)
{
    ssh_buffer other = ssh_buffer_new();

    shortcut_in(&shortcut);
    shortcut_out(&shortcut);
    ck_assert_int_eq(ssh_buffer_add_data(other, bytes, sizeof bytes), 0);
    ck_assert_uint_eq(ssh_buffer_get_len(other), sizeof bytes);
    ck_assert_int_eq(ssh_buffer_add_data(buffer, bytes, SHORTCUT_BYTES - 1), 0);
    ck_assert_uint_eq(asked, 0);
    holds(bytes, SHORTCUT_BYTES - 1);
    ssh_buffer_free(other);
}
END_TEST

START_TEST(over_with_it)
{
    shortcut_in(&shortcut);
    shortcut_in(NULL);
    ck_assert_int_eq(ssh_buffer_add_data(buffer, bytes, sizeof bytes), 0);
    ck_assert_uint_eq(asked, 0);
    holds(bytes, sizeof bytes);
}
END_TEST

START_TEST(small_ones_have_their_own)
{
    shortcut_small(&shortcut);
    ck_assert_int_eq(ssh_buffer_add_data(buffer, bytes, SHORTCUT_BYTES - 1), 0);
    ck_assert_uint_eq(went_length, SHORTCUT_BYTES - 1);
    holds(bytes, 0);
    ck_assert_int_eq(ssh_buffer_add_data(buffer, bytes, SHORTCUT_BYTES), 0);
    ck_assert_int_eq(ssh_buffer_add_data(buffer, bytes + SHORTCUT_BYTES, 1), 0);
    ck_assert_uint_eq(asked, 1);
    holds(bytes, SHORTCUT_BYTES + 1);
}
END_TEST

/* A channel's packet: room is made before it, which nobody sees. */
START_TEST(room_for_a_header)
{
    const uint8_t begin = 94;
    void *before;

    shortcut_out(&shortcut);
    before = ssh_buffer_get(buffer);
    ck_assert_int_eq(ssh_buffer_add_data(buffer, &begin, 1), 0);
    ck_assert_ptr_eq(ssh_buffer_get(buffer), (uint8_t *)before + 17);
    holds(&begin, 1);
    ck_assert_int_eq(ssh_buffer_add_data(buffer, bytes, sizeof bytes), 0);
    ck_assert_uint_eq(ssh_buffer_get_len(buffer), 1 + sizeof bytes);
    ck_assert_int_eq(ssh_buffer_reinit(buffer), 0);
    holds(bytes, 0);
}
END_TEST

/* What libssh calls to wipe a block whose size the compiler does not know. */
void wipe(void *block, size_t length, size_t room) __asm__("__explicit_bzero_chk");

static bool is_wiped(size_t length)
{
    static const uint8_t zeroes[2 * sizeof bytes];
    uint8_t block[2 * sizeof bytes];

    memset(block, 1, sizeof block);
    wipe(block, length, sizeof block);
    ck_assert_uint_eq(block[length], 1);
    return memcmp(block, zeroes, length) == 0;
}

/* A block as long as what is about to be sent is a copy of it, encrypted. */
START_TEST(an_encrypted_packet_is_not_wiped)
{
    may_go = 0;
    ck_assert_int_eq(ssh_buffer_add_data(buffer, bytes, sizeof bytes), 0);
    ck_assert(is_wiped(sizeof bytes));
    ck_assert_int_eq(ssh_buffer_reinit(buffer), 0);
    shortcut_out(&shortcut);
    ck_assert(is_wiped(sizeof bytes));
    ck_assert_int_eq(ssh_buffer_add_data(buffer, bytes, sizeof bytes - 1), 0);
    ck_assert(is_wiped(sizeof bytes));
    ck_assert_int_eq(ssh_buffer_add_data(buffer, bytes, 1), 0);
    ck_assert(!is_wiped(sizeof bytes));
    ck_assert(is_wiped(sizeof bytes - 1));
    ck_assert(is_wiped(sizeof bytes + 1));
    shortcut.past = NULL; /* a libssh that nobody has looked at */
    ck_assert(is_wiped(sizeof bytes));
    shortcut.past = buffer;
    ck_assert(!is_wiped(sizeof bytes));
    shortcut_out(NULL);
    ck_assert(is_wiped(sizeof bytes));
    shortcut_out(&shortcut);
    ck_assert(is_wiped(sizeof bytes));
}
END_TEST

START_TEST(short_ones_are_wiped)
{
    shortcut_out(&shortcut);
    ck_assert_int_eq(ssh_buffer_add_data(buffer, bytes, SHORTCUT_BYTES - 1), 0);
    ck_assert(is_wiped(SHORTCUT_BYTES - 1));
}
END_TEST

static void read_all(ssh_buffer packet, void *into, uint32_t length)
{
    ck_assert_uint_eq(ssh_buffer_get_data(packet, into, length), length);
}

/* A packet of that kind, of which all but the bytes has been read; they end it. */
static ssh_buffer packet_of(uint8_t kind, uint32_t length)
{
    ssh_buffer packet = ssh_buffer_new();
    const uint8_t padding = 7;
    const uint32_t channel = htonl(3), more = htonl(length);
    uint8_t into[4];

    ck_assert_ptr_nonnull(packet);
    ck_assert_int_eq(ssh_buffer_add_data(packet, &padding, 1), 0);
    ck_assert_int_eq(ssh_buffer_add_data(packet, &kind, 1), 0);
    ck_assert_int_eq(ssh_buffer_add_data(packet, &channel, 4), 0);
    if (kind == CHANNEL_EXTENDED_DATA)
        ck_assert_int_eq(ssh_buffer_add_data(packet, &channel, 4), 0);
    ck_assert_int_eq(ssh_buffer_add_data(packet, &more, 4), 0);
    ck_assert_int_eq(ssh_buffer_add_data(packet, bytes, sizeof bytes), 0);
    read_all(packet, into, 1);
    read_all(packet, into, 1);
    read_all(packet, into, 4);
    if (kind == CHANNEL_EXTENDED_DATA)
        read_all(packet, into, 4);
    read_all(packet, into, 4);
    return packet;
}

/* Were they copied, or left where they are? */
static bool is_copied(ssh_buffer packet, uint8_t *copy, uint32_t length)
{
    static const uint8_t nothing[sizeof bytes];

    memset(copy, 0, length);
    read_all(packet, copy, length);
    if (memcmp(copy, nothing, length) == 0)
        return false;
    ck_assert_mem_eq(copy, bytes, length);
    return true;
}

START_TEST(bytes_stay_in_their_packet)
{
    static const size_t may[] = {sizeof bytes, 1000, 0};
    ssh_buffer packet = packet_of(CHANNEL_DATA, sizeof bytes);
    uint8_t copy[sizeof bytes];

    ssh_buffer_free(packet);
    may_go = may[_i];
    shortcut_in(&shortcut);
    packet = packet_of(CHANNEL_DATA, sizeof bytes);
    ck_assert(!is_copied(packet, copy, sizeof copy));
    ck_assert_int_eq(ssh_buffer_add_data(buffer, copy, sizeof copy), 0);
    ck_assert_uint_eq(went_length, may_go);
    ck_assert_mem_eq(went, bytes, may_go);
    holds(bytes + may_go, sizeof bytes - may_go);
    ssh_buffer_free(packet);
}
END_TEST

/* Whoever is given them, and whatever comes after. */
START_TEST(bytes_reach_other_buffers)
{
    ssh_buffer other = ssh_buffer_new(), packet;
    uint8_t copy[sizeof bytes];

    shortcut_in(&shortcut);
    for (size_t i = 1; i <= 2; i++) {
        packet = packet_of(CHANNEL_DATA, sizeof bytes);
        ck_assert(!is_copied(packet, copy, sizeof copy));
        ck_assert_int_eq(ssh_buffer_add_data(other, copy, sizeof copy), 0);
        ck_assert_uint_eq(ssh_buffer_get_len(other), i * sizeof bytes);
        ck_assert_mem_eq((uint8_t *)ssh_buffer_get(other) + (i - 1) * sizeof bytes, bytes,
                         sizeof bytes);
        ssh_buffer_free(packet);
    }
    memset(copy, 5, sizeof copy);
    ck_assert_int_eq(ssh_buffer_add_data(other, copy, sizeof copy), 0);
    ck_assert_mem_eq((uint8_t *)ssh_buffer_get(other) + 2 * sizeof bytes, copy, sizeof copy);
    ssh_buffer_free(other);
}
END_TEST

START_TEST(what_is_no_data_is_copied)
{
    uint8_t copy[sizeof bytes];
    ssh_buffer packet = packet_of(CHANNEL_DATA, sizeof bytes);

    ck_assert(is_copied(packet, copy, sizeof copy)); /* nobody pumps */
    ssh_buffer_free(packet);
    shortcut_in(&shortcut);
    packet = packet_of(CHANNEL_EXTENDED_DATA, sizeof bytes);
    ck_assert(is_copied(packet, copy, sizeof copy));
    ssh_buffer_free(packet);
    packet = packet_of(CHANNEL_DATA + 4, sizeof bytes);
    ck_assert(is_copied(packet, copy, sizeof copy));
    ssh_buffer_free(packet);
    packet = packet_of(CHANNEL_DATA, SHORTCUT_BYTES - 1);
    ck_assert(is_copied(packet, copy, SHORTCUT_BYTES - 1));
    ssh_buffer_free(packet);
    packet = packet_of(CHANNEL_DATA, 1);
    ck_assert(is_copied(packet, copy, 1));
    ck_assert_uint_eq(ssh_buffer_get_data(packet, copy, sizeof copy), 0); /* it has not so many */
    ssh_buffer_free(packet);
    shortcut.past = NULL; /* a libssh that nobody has looked at */
    packet = packet_of(CHANNEL_DATA, sizeof bytes);
    ck_assert(is_copied(packet, copy, sizeof copy));
    ssh_buffer_free(packet);
}
END_TEST

/* --- in a real session --- */

static size_t in_place, copied, foreign;
static size_t (*inner)(void *owner, const void *taken, size_t length);

/* libssh's copy begins 4 bytes behind a block's beginning, a packet's bytes 14, or 10 where the
 * packet's length is not encrypted. */
static size_t look_where(void *owner, const void *taken, size_t length)
{
    if ((uintptr_t)taken % 16 == 14 || (uintptr_t)taken % 16 == 10)
        in_place++;
    else
        copied++;
    return inner(owner, taken, length);
}

static void look_in(struct transport *transport)
{
    if (transport->in.take && transport->in.take != look_where) {
        inner = transport->in.take;
        transport->in.take = look_where;
    }
}

/* Sends from targets to visitors, with extended data in between, which nobody is shown. */
static void send_and_check(struct ssh_pair *pair, size_t total)
{
    static uint8_t out[65536], in[65536];
    size_t sent = 0, received = 0, offset = 0, wrong = 0;

    foreign = 0;
    while (received < total) {
        struct tunnel *tunnel = &pair->tunnels[0];
        for (size_t i = 0; i < sizeof out; i++)
            out[i] = (uint8_t)((sent + i) * 167 + (sent + i) / 251);
        size_t length = total - sent < sizeof out ? total - sent : sizeof out;
        ssize_t done = length > 0 ? send(tunnel->target, out, length, MSG_NOSIGNAL) : 0;
        sent += done > 0 ? (size_t)done : 0;
        if (sent >= total / 2 && foreign == 0)
            foreign = (size_t)ssh_channel_write_stderr(tunnel->site->channel, bytes, sizeof bytes);
        look_in(pair->hub.transport);
        ssh_pair_step(pair, false);
        ssize_t got = recv(tunnel->visitor, in, sizeof in, 0);
        for (ssize_t i = 0; i < got; i++, offset++)
            wrong += in[i] != (uint8_t)(offset * 167 + offset / 251);
        received += got > 0 ? (size_t)got : 0;
    }
    ck_assert_uint_eq(wrong, 0);
}

START_TEST(real_bytes_stay_in_their_packet)
{
    static const char *const ciphers[] = {"aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com",
                                          "aes128-ctr"};
    struct ssh_pair pair;

    memset(&pair, 0, sizeof pair);
    pair.ciphers = ciphers[_i];
    pair.rekey_bytes = 2u << 20;
    in_place = copied = 0;
    ssh_pair_open(&pair);
    ssh_pair_tunnels(&pair, 1, false);
    send_and_check(&pair, 8u << 20);
    ck_assert_uint_eq(foreign, sizeof bytes);
    ck_assert_uint_gt(in_place, 100);
    ck_assert_uint_eq(copied, 0);
    ssh_pair_close(&pair);
}
END_TEST

/* libssh's four buffers are found, and what a visitor and a target send comes through. */
START_TEST(of_a_real_session)
{
    ssh_buffer received = NULL, to_send = NULL;
    struct ssh_pair pair;

    memset(&pair, 0, sizeof pair);
    ssh_pair_open(&pair);
    ssh_pair_tunnels(&pair, 2, false);
    shortcut_of_session(pair.hub.session, &received, &to_send);
    ck_assert_ptr_nonnull(received);
    ck_assert_ptr_nonnull(to_send);
    ck_assert_ptr_ne(received, to_send);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_ptr_nonnull(pair.tunnels[i].hub->past);
        ck_assert_ptr_ne(pair.tunnels[i].hub->past, received);
        ck_assert_ptr_ne(pair.tunnels[i].hub->past, to_send);
    }
    ck_assert_ptr_ne(pair.tunnels[0].hub->past, pair.tunnels[1].hub->past);
    ssh_pair_close(&pair);
}
END_TEST

static unsigned told;

static int on_told(ssh_session session, ssh_channel channel, uint32_t window, void *userdata)
{
    (void)session, (void)channel, (void)window, (void)userdata;
    told++;
    return 0;
}

static void pass(struct ssh_pair *pair, size_t size)
{
    static uint8_t lump[65536];
    size_t sent = 0, received = 0;
    ssize_t moved;

    while (received < size) {
        moved = sent < size ? send(pair->tunnels->visitor, lump, sizeof lump, MSG_NOSIGNAL) : 0;
        sent += moved > 0 ? (size_t)moved : 0;
        ssh_pair_step(pair, false);
        moved = recv(pair->tunnels->target, lump, sizeof lump, 0);
        received += moved > 0 ? (size_t)moved : 0;
    }
}

/* Who receives announces windows all the time: libssh would tell each channel of a session that it
 * may write again, each time. */
START_TEST(no_channel_hears_of_a_window_adjust)
{
    struct ssh_pair pair;
    uint64_t said;

    memset(&pair, 0, sizeof pair);
    ssh_pair_open(&pair);
    ssh_pair_tunnels(&pair, 1, false);
    pass(&pair, 1u << 20);
    pair.tunnels->site->callbacks.channel_write_wontblock_function = on_told;
    said = pair.site.transport->messages.out_packets;
    told = 0;
    pass(&pair, 8u << 20);
    ck_assert_uint_ge(pair.site.transport->messages.out_packets, said + 4);
    ck_assert_uint_eq(told, 0);
    ssh_pair_close(&pair);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shortcut");
    TCase *group = tcase_create("shortcut");

    tcase_add_checked_fixture(group, setup, teardown);
    tcase_add_loop_test(group, all_of_it_goes, 0, 2);
    tcase_add_test(group, what_does_not_go_stays);
    tcase_add_test(group, nothing_overtakes);
    tcase_add_test(group, others_are_left_alone);
    tcase_add_test(group, over_with_it);
    tcase_add_test(group, small_ones_have_their_own);
    tcase_add_test(group, room_for_a_header);
    tcase_add_test(group, an_encrypted_packet_is_not_wiped);
    tcase_add_test(group, short_ones_are_wiped);
    tcase_add_loop_test(group, bytes_stay_in_their_packet, 0, 3);
    tcase_add_test(group, bytes_reach_other_buffers);
    tcase_add_test(group, what_is_no_data_is_copied);
    if (shortcut_is_known()) {
        tcase_add_test(group, of_a_real_session);
        tcase_add_loop_test(group, real_bytes_stay_in_their_packet, 0, 3);
        tcase_add_test(group, no_channel_hears_of_a_window_adjust);
    }
    suite_add_tcase(suite, group);
    return suite_run(suite);
}
