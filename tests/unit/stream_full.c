/*
 * A line that takes nothing for a moment, and then does, before anybody is told of it: the linker
 * leads our own sends through the function below, which refuses some.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "ssh_pair.h"
#include "suite.h"

#include "ssh/pace.h"

#define RATE  20000u /* bytes a second: pieces so small that they are gathered */
#define BYTES 10000u /* less than what widens a window: nothing else comes of it */

#define MOST 9000u /* the last may be refused, and nothing comes after them */

ssize_t __real_sendto(int socket, const void *bytes, size_t length, int flags,
                      const struct sockaddr *to, socklen_t size);
ssize_t __wrap_sendto(int socket, const void *bytes, size_t length, int flags,
                      const struct sockaddr *to, socklen_t size);

int __real_epoll_ctl(int set, int what, int descriptor, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int what, int descriptor, struct epoll_event *event);

static struct ssh_pair pair;
static bool refusing;
static unsigned sends, refused;

static bool is_ours(int socket)
{
    const struct tunnel *tunnel = pair.tunnels;

    return socket == tunnel->visitor || socket == tunnel->target || socket == tunnel->hub_socket ||
           socket == tunnel->site_socket;
}

ssize_t __wrap_sendto(int socket, const void *bytes, size_t length, int flags,
                      const struct sockaddr *to, socklen_t size)
{
    if (refusing && !is_ours(socket) && sends++ % 4 > 0) {
        refused++;
        errno = EAGAIN;
        return -1;
    }
    return __real_sendto(socket, bytes, length, flags, to, size);
}

/* Nor does the loop tell when the line takes something again: that is found out by trying. */
int __wrap_epoll_ctl(int set, int what, int descriptor, struct epoll_event *event)
{
    struct epoll_event told = {.events = 0};

    if (event)
        told = *event;
    if (refusing && !is_ours(descriptor))
        told.events &= ~(uint32_t)EPOLLOUT;
    return __real_epoll_ctl(set, what, descriptor, event ? &told : NULL);
}

START_TEST(who_waits_goes_on)
{
    static char bytes[BYTES];
    size_t received = 0;
    struct pace *pace;

    memset(&pair, 0, sizeof pair);
    ssh_pair_open(&pair);
    ssh_pair_tunnels(&pair, 1, false);
    pace = pace_new(&pair.loop);
    pace_set_rate(pace, RATE);
    stream_set_pace(pair.tunnels[0].hub, pace, NULL);
    ck_assert_int_eq(send(pair.tunnels[0].visitor, bytes, BYTES, 0), BYTES);
    refusing = true;
    for (int i = 0; i < 10000 && received < MOST; i++) { /* some 10 s */
        ssh_pair_step(&pair, false);
        ssize_t got = recv(pair.tunnels[0].target, bytes, BYTES, MSG_DONTWAIT);
        received += got > 0 ? (size_t)got : 0;
        (void)poll(NULL, 0, 1);
    }
    ck_assert_uint_ge(received, MOST);
    ck_assert_uint_gt(refused, 10);
    refusing = false;
    pace_close(pace);
    ssh_pair_close(&pair);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream_full");
    TCase *cases = tcase_create("full");

    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, who_waits_goes_on);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
