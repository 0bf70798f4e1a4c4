/*
 * A hub whose workers, but for the first, are hostile: each plays one trick on the parent, once,
 * and its successor is an honest worker.  $HOSTILE_DIR holds what the test steers it with: a trick
 * is played when go.NAME is there, and leaves played.NAME.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "dialer/dialer.h"
#include "ipc/message.h"
#include "parent/hub.h"
#include "worker/worker.h"

#define PIPE 3

static uint8_t wire[2 * MESSAGE_WIRE_MAX];

static void put(const void *bytes, size_t length)
{
    while (send(PIPE, bytes, length, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

static size_t encode(const struct message *message)
{
    long length = message_encode(message, wire);
    return length > 0 ? (size_t)length : 0;
}

static void say(enum message_type type, uint64_t id)
{
    struct message message;
    message_init(&message, type);
    message.sid = message.cid = message.request = id;
    put(wire, encode(&message));
}

static void say_ready(void)
{
    say(MESSAGE_READY, 0);
}

/* The id of a session that it was given.  Descriptors that come along stay open. */
static uint64_t own_session(void)
{
    static uint8_t received[MESSAGE_WIRE_MAX];
    struct message message;
    struct fault fault;
    for (;;) {
        ssize_t length = recv(PIPE, received, sizeof received, 0);
        if (length <= 0)
            _exit(1);
        message.descriptor = -1;
        if (message_decode(received, (size_t)length, TO_WORKER, &message, &fault) == 0 &&
            message.type == MESSAGE_SESSION)
            return message.sid;
    }
}

/* --- tricks; the pipe is ready, and SIGKILL is expected at their end --- */

static void garbage(void)
{
    memset(wire, 0xa5, 300);
    put(wire, 300);
}

static void too_long(void)
{
    memset(wire, 0, sizeof wire);
    put(wire, MESSAGE_WIRE_MAX + 1000);
}

static void trailing(void)
{
    struct message message;
    message_init(&message, MESSAGE_STATS);
    put(wire, encode(&message) + 7);
}

static void unprintable(void)
{
    struct message message;
    message_init(&message, MESSAGE_REFUSAL);
    memcpy(message.text, "\033[2J", 4);
    put(wire, encode(&message));
}

static void wrong_way(void)
{
    say(MESSAGE_PROBE, 1);
}

static void ready_twice(void)
{
    say_ready();
}

static void unasked_pong(void)
{
    say(MESSAGE_PONG, 4711);
}

static void dialer_s_words(void)
{
    say(MESSAGE_UNDIALLED, 1);
}

/* Ids are given in turn: the first sessions are the first worker's. */
static void foreign_session(void)
{
    say(MESSAGE_GONE, 1);
}

static void foreign_connection(void)
{
    for (uint64_t id = 1; id < 64; id++)
        say(MESSAGE_CLOSED, id);
}

static void send_descriptors(size_t count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(64 * sizeof(int))];
    } control = {.bytes = {0}};
    struct message message;
    message_init(&message, MESSAGE_STATS);
    struct iovec part = {wire, encode(&message)};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (size_t i = 0; i < count; i++) {
        int null = 0;
        memcpy(CMSG_DATA(rights) + i * sizeof(int), &null, sizeof null);
    }
    (void)sendmsg(PIPE, &header, MSG_NOSIGNAL);
}

static void descriptor(void)
{
    send_descriptors(1);
}

static void descriptors(void)
{
    send_descriptors(60);
}

static void too_early(void)
{
    say(MESSAGE_QUERY, own_session());
}

static void up_ungranted(void)
{
    say(MESSAGE_UP, own_session());
}

static void flood_of(enum message_type type, uint64_t id)
{
    struct message message;
    message_init(&message, type);
    message.sid = id;
    size_t length = encode(&message);
    for (;;)
        put(wire, length);
}

static void flood_session(void)
{
    flood_of(MESSAGE_REFUSAL, own_session());
}

static void flood_stats(void)
{
    static uint8_t nobody[24 * 1300];
    struct message message;
    message_init(&message, MESSAGE_STATS);
    message.data = nobody;
    message.data_length = sizeof nobody;
    size_t length = encode(&message);
    for (;;)
        put(wire, length);
}

static bool there(const char *what, const char *name, bool make);

static void answer_pings(void)
{
    static uint8_t received[MESSAGE_WIRE_MAX];
    struct message message;
    struct fault fault;
    ssize_t length;
    while ((length = recv(PIPE, received, sizeof received, MSG_DONTWAIT)) > 0) {
        message.descriptor = -1;
        if (message_decode(received, (size_t)length, TO_WORKER, &message, &fault) == 0 &&
            message.type == MESSAGE_PING)
            say(MESSAGE_PONG, message.request);
    }
}

/* Lines in the parent's name, a terminal's commands, half a line without end; in all else it keeps
 * to the rules, until it is told to break one. */
static void log_flood(void)
{
    static char lines[65536];
    static const char forged[] = "2026-01-01T00:00:00.000Z info tunneld site=forged added\n"
                                 "\033[2Jcleared\n";
    for (size_t i = 0; i + sizeof forged < sizeof lines / 2; i += sizeof forged - 1)
        memcpy(lines + i, forged, sizeof forged - 1);
    memset(lines + sizeof lines / 2, 'x', sizeof lines / 2);
    (void)fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
    while (!there("enough", "log_flood", false)) {
        for (size_t at = 0; at < sizeof lines; at += 4096)
            (void)!write(STDERR_FILENO, lines + at, 4096);
        answer_pings();
    }
    garbage();
}

static const struct {
    const char *name;
    void (*play)(void);
} tricks[] = {
    {"garbage", garbage},
    {"too_long", too_long},
    {"trailing", trailing},
    {"unprintable", unprintable},
    {"wrong_way", wrong_way},
    {"ready_twice", ready_twice},
    {"unasked_pong", unasked_pong},
    {"dialer_s_words", dialer_s_words},
    {"foreign_session", foreign_session},
    {"foreign_connection", foreign_connection},
    {"descriptor", descriptor},
    {"descriptors", descriptors},
    {"too_early", too_early},
    {"up_ungranted", up_ungranted},
    {"flood_session", flood_session},
    {"flood_stats", flood_stats},
    {"log_flood", log_flood},
};
#define TRICKS (sizeof tricks / sizeof *tricks)

static bool there(const char *what, const char *name, bool make)
{
    char path[512];
    const char *directory = getenv("HOSTILE_DIR");
    (void)snprintf(path, sizeof path, "%s/%s.%s", directory ? directory : "", what, name);
    int file = make ? open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) : -1;
    if (file >= 0)
        (void)close(file);
    return access(path, F_OK) == 0;
}

static int play(size_t number)
{
    while (!there("go", tricks[number].name, false))
        (void)usleep(50000);
    (void)there("played", tricks[number].name, true);
    say_ready();
    tricks[number].play();
    (void)sleep(60); /* it is killed */
    return EXIT_FAILURE;
}

int main(int count, char **arguments)
{
    struct hub_options options = {0};
    struct fault fault = {""};
    if (count == 3 && strcmp(arguments[1], "--worker") == 0) {
        size_t number = (size_t)atoi(arguments[2]);
        if (number < 2 || number - 2 >= TRICKS || there("played", tricks[number - 2].name, false))
            return worker_main((int)number);
        return play(number - 2);
    }
    if (count == 2 && strcmp(arguments[1], "--dialer") == 0)
        return dialer_main();
    if (count == 2 && strcmp(arguments[1], "--tricks") == 0) {
        for (size_t i = 0; i < TRICKS; i++)
            (void)printf("%s\n", tricks[i].name);
        return EXIT_SUCCESS;
    }
    options.settings_path = count == 3 ? arguments[2] : NULL; /* -c FILE */
    if (hub_run(&options, &fault) == 0)
        return EXIT_SUCCESS;
    (void)fprintf(stderr, "hostile: %s\n", fault.text);
    return EXIT_FAILURE;
}
