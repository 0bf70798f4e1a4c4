/* A keepalive's answer is found where it came, however quick the peer was; nothing else is asked,
 * and a request that had to wait for it goes on. */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ssh_pair.h"
#include "suite.h"

#include "ssh/buffers.h"

static struct ssh_pair pair;
static unsigned quick; /* answers that are there before the call that asks has looked */
static unsigned looks; /* of the site's libssh at its socket */

/* libssh's: it looks for input before ssh_send_keepalive returns. */
int on_poll(struct pollfd *polls, nfds_t count, int timeout_ms) INSTEAD_OF("poll");

int on_poll(struct pollfd *polls, nfds_t count, int timeout_ms)
{
    struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};

    int arrived = 0;

    looks += pair.site.session && polls->fd == ssh_get_fd(pair.site.session);
    if (quick > 0 && ioctl(ssh_get_fd(pair.hub.session), FIONREAD, &arrived) == 0 && arrived > 0) {
        quick--;
        ck_assert_ptr_null(ssh_message_get(pair.hub.session)); /* libssh answers by itself */
    }
    return (int)syscall(SYS_ppoll, polls, count, timeout_ms < 0 ? NULL : &timeout, NULL, 0);
}

static void settle(void)
{
    for (int i = 0; i < 200; i++) {
        ssh_pair_step(&pair, false);
        usleep(100);
    }
}

/* One keepalive each time, answered within the call or after it. */
START_TEST(asks_once)
{
    const unsigned answers[] = {0, 1, 1, 0, 1};

    pair = (struct ssh_pair){0};
    ssh_pair_open(&pair);
    settle();
    unsigned messages = pair.hub.messages;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        uint64_t sent = transport_bytes_out(pair.site.transport);
        uint64_t heard = transport_bytes_in(pair.site.transport);
        quick = answers[i];
        looks = 0;
        transport_probe(pair.site.transport);
        settle();
        ck_assert_uint_le(looks, 2); /* after asking, and for the answer */
        ck_assert_uint_eq(quick, 0);
        ck_assert_uint_gt(transport_bytes_out(pair.site.transport), sent);
        ck_assert_uint_gt(transport_bytes_in(pair.site.transport), heard);
        ck_assert_uint_gt(transport_rtt_us(pair.site.transport), 0);
    }
    ck_assert_uint_eq(pair.hub.messages, messages);
    ssh_pair_close(&pair);
}
END_TEST

/* A request of the owner's that a probe was in the way of: nothing else comes that could wake it.
 */
START_TEST(a_request_goes_on_behind_the_answer)
{
    pair = (struct ssh_pair){0};
    ssh_pair_open(&pair);
    settle();
    transport_probe(pair.site.transport);
    while (!transport_probe_pending(pair.site.transport))
        ssh_pair_step(&pair, false);
    pair.site.wants_global = true;
    transport_kick(pair.site.transport);
    settle();
    ck_assert_uint_gt(transport_rtt_us(pair.site.transport), 0);
    ck_assert(!pair.site.wants_global);
    transport_global_end(pair.site.transport);
    ssh_pair_close(&pair);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("probe");
    TCase *tests = tcase_create("keepalive");

    tcase_add_test(tests, asks_once);
    tcase_add_test(tests, a_request_goes_on_behind_the_answer);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
