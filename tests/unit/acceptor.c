/* Accepting: in turns, with room or without, until it is closed. */
#define _GNU_SOURCE
#include "net/acceptor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

static uv_loop_t loop;
static struct acceptor *acceptor;
static int listener, accepted;
static bool room;
static struct sockaddr_in address;

static void on_accepted(void *owner, int descriptor, const struct sockaddr *peer)
{
    ck_assert_ptr_eq(owner, &accepted);
    ck_assert_int_eq(peer->sa_family, AF_INET);
    accepted++;
    close(descriptor);
}

static bool has_room(void *owner)
{
    ck_assert_ptr_eq(owner, &accepted);
    return room;
}

static void setup(void)
{
    socklen_t length = sizeof address;

    address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 256), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    accepted = 0;
    room = true;
    ck_assert_int_eq(
        acceptor_open(&loop, listener, "a test", on_accepted, has_room, &accepted, &acceptor), 0);
}

static void teardown(void)
{
    acceptor_close(acceptor);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    close(listener);
}

static void come(int count)
{
    for (int i = 0; i < count; i++) {
        int visitor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(visitor, (struct sockaddr *)&address, sizeof address), 0);
        close(visitor);
    }
}

static void run_for(uint64_t ms)
{
    uint64_t end = uv_hrtime() + ms * 1000000;

    while (uv_hrtime() < end) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

START_TEST(all_who_come)
{
    come(200);
    run_for(50);
    ck_assert_int_eq(accepted, 200);
}
END_TEST

START_TEST(nobody_without_room)
{
    room = false;
    come(3);
    run_for(250);
    ck_assert_int_eq(accepted, 0);
    room = true;
    run_for(250);
    ck_assert_int_eq(accepted, 3);
}
END_TEST

START_TEST(nobody_once_closed)
{
    room = false;
    come(1);
    run_for(50); /* it waits for room */
    acceptor_close(acceptor);
    acceptor = NULL;
    room = true;
    run_for(250);
    ck_assert_int_eq(accepted, 0);
    int left = accept(listener, NULL, NULL);
    ck_assert_int_ge(left, 0); /* the socket is the owner's */
    close(left);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("acceptor");
    TCase *group = tcase_create("acceptor");

    tcase_add_checked_fixture(group, setup, teardown);
    tcase_add_test(group, all_who_come);
    tcase_add_test(group, nobody_without_room);
    tcase_add_test(group, nobody_once_closed);
    suite_add_tcase(suite, group);
    return suite_run(suite);
}
