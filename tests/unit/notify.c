/* What systemd would hear: a real datagram socket, by path and in the abstract namespace. */
#define _GNU_SOURCE
#include "base/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "suite.h"

static char directory[] = "/tmp/notify-test.XXXXXX", path[64], name[64];
static int listener;

static void listen_at(const char *socket_name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(socket_name);
    memcpy(address.sun_path, socket_name, length);
    if (socket_name[0] == '@')
        address.sun_path[0] = '\0';
    listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(listener, 0);
    socklen_t all = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    ck_assert_int_eq(bind(listener, (const struct sockaddr *)&address, all), 0);
    setenv("NOTIFY_SOCKET", socket_name, 1);
}

static void hear(const char *expected)
{
    char text[1024] = "";
    ssize_t got = recv(listener, text, sizeof text - 1, 0);
    if (expected == NULL) {
        ck_assert_int_eq((int)got, -1);
        return;
    }
    ck_assert_int_eq((int)got, (int)strlen(expected));
    ck_assert_str_eq(text, expected);
}

static void set_up(void)
{
    snprintf(path, sizeof path, "%s/socket", directory);
    snprintf(name, sizeof name, "@notify-test-%d", (int)getpid());
    unlink(path);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

static void tear_down(void)
{
    close(listener);
    unlink(path);
}

START_TEST(says_everything)
{
    char status[1024];
    listen_at(_i == 0 ? path : name);
    notify_open();
    ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
    notify_ready();
    hear("READY=1");
    notify_alive();
    hear("WATCHDOG=1");
    notify_stopping();
    hear("STOPPING=1");
    notify_status("online");
    hear("STATUS=online");
    notify_status("online");
    hear(NULL);
    notify_status("offline\nREADY=1");
    hear("STATUS=offline");
    memset(status, 'x', sizeof status - 1);
    status[sizeof status - 1] = '\0';
    notify_status(status);
    ck_assert_int_gt((int)recv(listener, status, sizeof status, 0), 100);
    hear(NULL);
}
END_TEST

START_TEST(reloading_says_when)
{
    char text[256] = "", *end = NULL;
    static const char before[] = "RELOADING=1\nMONOTONIC_USEC=";
    listen_at(path);
    notify_open();
    notify_reloading();
    ck_assert_int_gt((int)recv(listener, text, sizeof text - 1, 0), 0);
    ck_assert_mem_eq(text, before, sizeof before - 1);
    ck_assert_uint_gt(strtoull(text + sizeof before - 1, &end, 10), 1000);
    ck_assert_str_eq(end, "");
}
END_TEST

START_TEST(watchdog_interval)
{
    char pid[32];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    static const struct {
        const char *usec, *pid;
        uint64_t every_ms;
    } rows[] = {{"30000000", NULL, 15000},
                {"30000000", "", 15000},
                {"30000000", "1", 0},
                {"2000", NULL, 1},
                {"0", NULL, 0},
                {"x", NULL, 0},
                {NULL, NULL, 0}};
    listen_at(path);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        setenv("NOTIFY_SOCKET", path, 1);
        unsetenv("WATCHDOG_USEC");
        unsetenv("WATCHDOG_PID");
        if (rows[i].usec != NULL)
            setenv("WATCHDOG_USEC", rows[i].usec, 1);
        if (rows[i].pid != NULL)
            setenv("WATCHDOG_PID", rows[i].pid[0] != '\0' ? rows[i].pid : pid, 1);
        notify_open();
        ck_assert_uint_eq(notify_alive_every_ms(), rows[i].every_ms);
        ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
    }
}
END_TEST

START_TEST(nobody_listens)
{
    static const char *const names[] = {"", "relative", "/nonexistent/socket", "@nobody", NULL};
    char endless[300];
    memset(endless, '/', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unsetenv("NOTIFY_SOCKET");
        if (names[i] != NULL)
            setenv("NOTIFY_SOCKET", names[i], 1);
        notify_open();
        notify_ready();
        notify_status("x");
    }
    setenv("NOTIFY_SOCKET", endless, 1);
    setenv("WATCHDOG_USEC", "1000000", 1);
    notify_open();
    notify_ready();
    ck_assert_uint_eq(notify_alive_every_ms(), 0);
    listener = -1;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notify");
    TCase *tests = tcase_create("notify");
    if (mkdtemp(directory) == NULL)
        return EXIT_FAILURE;
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, says_everything, 0, 2);
    tcase_add_test(tests, reloading_says_when);
    tcase_add_test(tests, watchdog_interval);
    tcase_add_test(tests, nobody_listens);
    suite_add_tcase(suite, tests);
    int code = suite_run(suite);
    rmdir(directory);
    return code;
}
