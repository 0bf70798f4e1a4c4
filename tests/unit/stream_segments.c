/*
 * What the kernel is told to keep back until more comes, and what it takes to send that after all:
 * the linker leads our own calls of setsockopt through the counter below.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ssh_pair.h"
#include "suite.h"

#include "ssh/shortcut.h"
#include "ssh/turns.h"

int __real_setsockopt(int socket, int level, int name, const void *value, socklen_t size);
int __wrap_setsockopt(int socket, int level, int name, const void *value, socklen_t size);

static struct ssh_pair pair;
static uint8_t bytes[256 << 10];
static unsigned sent_after_all;

static bool is_targets(int socket)
{
    for (size_t i = 0; i < pair.count; i++) {
        if (pair.tunnels[i].site_socket == socket)
            return true;
    }
    return false;
}

int __wrap_setsockopt(int socket, int level, int name, const void *value, socklen_t size)
{
    sent_after_all += level == IPPROTO_TCP && name == TCP_NODELAY && is_targets(socket);
    return __real_setsockopt(socket, level, name, value, size);
}

static void setup(void)
{
    memset(&pair, 0, sizeof pair);
    ssh_pair_open(&pair);
}

static void teardown(void)
{
    ssh_pair_close(&pair);
}

/* A turn's worth from each visitor, until each target has so many of them. */
static void pass(size_t turns)
{
    size_t received = 0, wanted = turns * TURN_LEAST * pair.count;
    ssize_t moved;

    for (size_t turn = 0; received < wanted; turn++) {
        for (size_t i = 0; turn < turns && i < pair.count; i++) {
            moved = send(pair.tunnels[i].visitor, bytes, TURN_LEAST, MSG_NOSIGNAL);
            ck_assert_int_eq(moved, TURN_LEAST);
        }
        for (size_t until = (turn + 1) * TURN_LEAST * pair.count; received < until;) {
            ssh_pair_step(&pair, false);
            for (size_t i = 0; i < pair.count; i++) {
                moved = recv(pair.tunnels[i].target, bytes, sizeof bytes, 0);
                received += moved > 0 ? (size_t)moved : 0;
            }
        }
    }
}

START_TEST(nothing_is_kept_back_from_turn_to_turn)
{
    ssh_pair_tunnels(&pair, 8, false);
    pass(1);
    sent_after_all = 0;
    pass(20);
    ck_assert_uint_eq(sent_after_all, 0);
}
END_TEST

START_TEST(segments_of_one_stream_are_full)
{
    ssh_pair_tunnels(&pair, 1, false);
    sent_after_all = 0;
    pass(20);
    ck_assert_uint_gt(sent_after_all, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream_segments");
    TCase *group = tcase_create("stream_segments");

    tcase_add_checked_fixture(group, setup, teardown);
    tcase_set_timeout(group, 60);
    tcase_add_test(group, nothing_is_kept_back_from_turn_to_turn);
    if (shortcut_is_known())
        tcase_add_test(group, segments_of_one_stream_are_full);
    else
        printf("skipped: libssh's buffers are not looked into, which tells what is to come\n");
    suite_add_tcase(suite, group);
    return suite_run(suite);
}
