/* What goes by a shortcut, and what is put in libssh's buffer all the same. */
#define _GNU_SOURCE
#include "ssh/shortcut.h"

#include <string.h>

#include "ssh_pair.h"
#include "suite.h"

#include "ssh/stream_internal.h"

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
        bytes[i] = (uint8_t)(i * 7 + i / 251);
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
    tcase_add_test(group, room_for_a_header);
    if (shortcut_is_known())
        tcase_add_test(group, of_a_real_session);
    suite_add_tcase(suite, group);
    return suite_run(suite);
}
