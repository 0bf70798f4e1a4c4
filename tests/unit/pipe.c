/* The pipe between parent and worker: order, descriptors, bounds, and how it breaks. */
#define _GNU_SOURCE
#include "ipc/pipe.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "suite.h"

static uv_loop_t loop;
static int ends[2];
static struct pipe *parent, *worker;

struct side {
    size_t received;
    uint64_t last_sid;
    bool in_order;
    int descriptor;
    size_t data_length;
    char reason[256];
    unsigned broken;
};
static struct side parent_side, worker_side;

static void on_message(void *owner, struct message *message)
{
    struct side *side = owner;

    side->in_order = side->in_order && message->sid == side->last_sid + 1;
    side->last_sid = message->sid;
    side->received++;
    side->data_length += message->data_length;
    if (message->descriptor >= 0)
        side->descriptor = message->descriptor;
}

static void on_broken(void *owner, const char *reason)
{
    struct side *side = owner;

    side->broken++;
    snprintf(side->reason, sizeof side->reason, "%s", reason);
}

static const struct pipe_handlers HANDLERS = {on_message, on_broken};

static void setup(void)
{
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
                     0);
    parent_side = worker_side = (struct side){.in_order = true, .descriptor = -1};
    ck_assert_int_eq(pipe_open(&loop, ends[0], TO_PARENT, &HANDLERS, &parent_side, &parent), 0);
}

static void open_worker(void)
{
    ck_assert_int_eq(pipe_open(&loop, ends[1], TO_WORKER, &HANDLERS, &worker_side, &worker), 0);
}

static void teardown(void)
{
    pipe_close(parent);
    pipe_close(worker);
    pipe_close(worker);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    worker = NULL;
}

static void turn(int count)
{
    for (int i = 0; i < count; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
}

static void send_snapshot(uint64_t sid, size_t length)
{
    static uint8_t data[MESSAGE_DATA_MAX];
    struct message message;

    message_init(&message, MESSAGE_SNAPSHOT);
    message.sid = sid;
    message.data = data;
    message.data_length = length;
    pipe_send(parent, &message);
}

START_TEST(messages_arrive_in_order_though_the_kernel_is_full)
{
    open_worker();
    for (uint64_t sid = 1; sid <= 500; sid++)
        send_snapshot(sid, MESSAGE_DATA_MAX);
    while (worker_side.received < 500 && !worker_side.broken && !parent_side.broken)
        uv_run(&loop, UV_RUN_ONCE);
    ck_assert_uint_eq(worker_side.received, 500);
    ck_assert(worker_side.in_order);
    ck_assert_uint_eq(worker_side.data_length, 500ul * MESSAGE_DATA_MAX);
}
END_TEST

START_TEST(descriptors_ride_along_also_when_queued)
{
    struct message message;
    int line[2];
    char byte = 0;

    for (uint64_t sid = 1; sid <= 200; sid++)
        send_snapshot(sid, MESSAGE_DATA_MAX);
    ck_assert_int_eq(pipe2(line, O_CLOEXEC), 0);
    message_init(&message, MESSAGE_SESSION);
    message.sid = 201;
    message.descriptor = line[1];
    pipe_send(parent, &message);
    close(line[1]);
    open_worker();
    while (worker_side.descriptor < 0 && !worker_side.broken)
        uv_run(&loop, UV_RUN_ONCE);
    ck_assert_uint_eq(worker_side.received, 201);
    ck_assert_int_eq(fcntl(worker_side.descriptor, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(write(worker_side.descriptor, "x", 1), 1);
    ck_assert_int_eq(read(line[0], &byte, 1), 1);
    close(worker_side.descriptor);
    ck_assert_int_eq(read(line[0], &byte, 1), 0); /* no copy was left behind */
    close(line[0]);
}
END_TEST

START_TEST(the_end_of_the_other_side_is_told_once)
{
    open_worker();
    pipe_close(parent);
    parent = NULL;
    turn(5);
    ck_assert_uint_eq(worker_side.broken, 1);
    ck_assert_str_eq(worker_side.reason, "the other side is gone");
}
END_TEST

START_TEST(sending_to_nobody_is_told_later)
{
    close(ends[1]);
    send_snapshot(1, 10);
    ck_assert_uint_eq(parent_side.broken, 0);
    turn(5);
    ck_assert_uint_eq(parent_side.broken, 1);
    send_snapshot(2, 10);
    turn(5);
    ck_assert_uint_eq(parent_side.broken, 1);
}
END_TEST

START_TEST(a_malformed_record_breaks)
{
    ck_assert_int_eq(write(ends[1], "\1\2\3", 3), 3);
    turn(5);
    ck_assert_uint_eq(parent_side.broken, 1);
    ck_assert_ptr_nonnull(strstr(parent_side.reason, "unknown type"));
    close(ends[1]);
}
END_TEST

START_TEST(a_record_over_the_bound_breaks)
{
    static uint8_t large[MESSAGE_WIRE_MAX + 1] = {MESSAGE_GONE};

    ck_assert_int_eq(write(ends[1], large, sizeof large), sizeof large);
    turn(5);
    ck_assert_uint_eq(parent_side.broken, 1);
    ck_assert_str_eq(parent_side.reason, "a record was cut off");
    close(ends[1]);
}
END_TEST

/* Sends a raw record with `count` copies of one descriptor. */
static void send_raw(const uint8_t *wire, size_t length, int descriptor, size_t count)
{
    char control[CMSG_SPACE(8 * sizeof(int))] = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)wire, .iov_len = length};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

    if (count > 0) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(count * sizeof(int));
        for (size_t i = 0; i < count; i++)
            memcpy(CMSG_DATA(rights) + i * sizeof(int), &descriptor, sizeof descriptor);
    }
    ck_assert_int_eq(sendmsg(ends[0], &header, 0), (ssize_t)length);
}

static const struct {
    enum message_type type;
    size_t descriptors;
    const char *reason;
} WRONG_DESCRIPTORS[] = {
    {MESSAGE_PROBE, 1, "PROBE came with 1 descriptors"},
    {MESSAGE_SESSION, 0, "SESSION came with 0 descriptors"},
    {MESSAGE_SESSION, 2, "SESSION came with 2 descriptors"},
    {MESSAGE_CONNECT, 8, "a record was cut off"},
};

START_TEST(wrong_descriptors_break_and_are_closed)
{
    uint8_t wire[MESSAGE_WIRE_MAX];
    struct message message;
    int line[2];
    char byte;

    open_worker();
    ck_assert_int_eq(pipe2(line, O_CLOEXEC), 0);
    message_init(&message, WRONG_DESCRIPTORS[_i].type);
    send_raw(wire, (size_t)message_encode(&message, wire), line[1],
             WRONG_DESCRIPTORS[_i].descriptors);
    close(line[1]);
    turn(5);
    ck_assert_str_eq(worker_side.reason, WRONG_DESCRIPTORS[_i].reason);
    ck_assert_uint_eq(worker_side.received, 0);
    ck_assert_int_eq(read(line[0], &byte, 1), 0);
    close(line[0]);
}
END_TEST

/* One stranger more than this process has descriptors for is no reason to lose all others. */
START_TEST(without_room_for_a_descriptor_the_message_arrives_alone)
{
    struct rlimit limit, full;
    struct message message;
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);

    open_worker();
    message_init(&message, MESSAGE_SESSION);
    message.sid = 1;
    strcpy(message.peer, "192.0.2.1:1");
    message.descriptor = lowest;
    pipe_send(parent, &message);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    full = (struct rlimit){.rlim_cur = 3, .rlim_max = limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &full), 0);
    turn(2);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_eq(worker_side.received, 1);
    ck_assert_int_eq(worker_side.descriptor, -1);
    ck_assert_uint_eq(worker_side.broken, 0);
    message.sid = 2;
    pipe_send(parent, &message);
    turn(2);
    ck_assert_uint_eq(worker_side.received, 2);
    ck_assert_int_ge(worker_side.descriptor, 0);
    close(worker_side.descriptor);
    close(lowest);
}
END_TEST

START_TEST(a_queue_over_its_bound_breaks)
{
    for (uint64_t sid = 1; sid <= PIPE_QUEUE_MAX + 5000 && !parent_side.broken; sid++) {
        send_snapshot(sid, 0);
        if (sid % 1024 == 0)
            turn(1);
    }
    turn(3);
    ck_assert_uint_eq(parent_side.broken, 1);
    ck_assert_ptr_nonnull(strstr(parent_side.reason, "too many messages"));
    close(ends[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pipe");
    TCase *group = tcase_create("pipe");

    tcase_add_checked_fixture(group, setup, teardown);
    tcase_set_timeout(group, 30);
    tcase_add_test(group, messages_arrive_in_order_though_the_kernel_is_full);
    tcase_add_test(group, descriptors_ride_along_also_when_queued);
    tcase_add_test(group, without_room_for_a_descriptor_the_message_arrives_alone);
    tcase_add_test(group, the_end_of_the_other_side_is_told_once);
    tcase_add_test(group, sending_to_nobody_is_told_later);
    tcase_add_test(group, a_malformed_record_breaks);
    tcase_add_test(group, a_record_over_the_bound_breaks);
    tcase_add_loop_test(group, wrong_descriptors_break_and_are_closed, 0,
                        (int)(sizeof WRONG_DESCRIPTORS / sizeof *WRONG_DESCRIPTORS));
    tcase_add_test(group, a_queue_over_its_bound_breaks);
    suite_add_tcase(suite, group);
    return suite_run(suite);
}
