/*
 * A stream in steady state allocates nothing of its own: the linker leads every allocation of our
 * objects, and of theirs alone (the libraries are shared), through the counters below.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "ssh_pair.h"
#include "suite.h"

#define MIB (1u << 20)

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static unsigned allocations;

void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    allocations++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    allocations++;
    return __real_realloc(old, size);
}

static struct ssh_pair pair;
static uint8_t bytes[256 << 10];

static void setup(void)
{
    memset(&pair, 0, sizeof pair);
    ssh_pair_open(&pair);
}

static void teardown(void)
{
    ssh_pair_close(&pair);
}

static size_t take_all(int socket)
{
    size_t taken = 0;
    ssize_t got;

    while ((got = recv(socket, bytes, sizeof bytes, 0)) > 0)
        taken += (size_t)got;
    if (got == 0 || errno != EAGAIN)
        ck_abort_msg("the stream ended"); /* ck_assert would allocate each time */
    return taken;
}

/* As much as a line has under way, so that the other side never falls behind. */
static void pass(int from, int to, size_t size)
{
    size_t sent = 0, received = 0;

    while (received < size) {
        size_t more = size - sent < 65536 ? size - sent : 65536;
        ssize_t put = more > 0 && sent == received ? send(from, bytes, more, MSG_NOSIGNAL) : 0;
        if (put > 0)
            sent += (size_t)put;
        ssh_pair_step(&pair, false);
        received += take_all(to);
    }
}

START_TEST(bytes_cost_no_allocation)
{
    ssh_pair_tunnels(&pair, 8, false);
    ck_assert_uint_gt(allocations, 0); /* they are counted */
    for (int round = 0; round < 2; round++) {
        allocations = 0;
        for (size_t i = 0; i < pair.count; i++) {
            pass(pair.tunnels[i].visitor, pair.tunnels[i].target, 4 * MIB);
            pass(pair.tunnels[i].target, pair.tunnels[i].visitor, 4 * MIB);
        }
    }
    ck_assert_uint_eq(allocations, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream_allocations");
    TCase *group = tcase_create("stream_allocations");

    tcase_add_checked_fixture(group, setup, teardown);
    tcase_set_timeout(group, 60);
    tcase_add_test(group, bytes_cost_no_allocation);
    suite_add_tcase(suite, group);
    return suite_run(suite);
}
