/* Messages between parent and worker: round trips, and what is refused. */
#include <stdio.h>
#include <string.h>

#include "ipc/message.h"
#include "suite.h"

static uint8_t wire[MESSAGE_WIRE_MAX];

static const enum message_direction DIRECTIONS[] = {TO_WORKER, TO_PARENT};

/* Every field set, so that a field that is lost or swapped shows. */
static void fill(struct message *message, enum message_type type)
{
    static const uint8_t key[] = {1, 2, 3}, data[] = {9, 0, 8, 7};

    message_init(message, type);
    message->request = 1;
    message->sid = UINT64_MAX;
    message->cid = 3;
    message->generation = 4;
    message->port = 65535;
    message->code = VERDICT_PARTIAL;
    message->flags = 1;
    message->count = 8;
    message->bytes_in = 9;
    message->bytes_out = 10;
    message->rtt_us = 11;
    message->timeout_ms = 12;
    message->rate_in = 13;
    message->rate_out = 14;
    strcpy(message->user, "user");
    strcpy(message->peer, "[2001:db8::1]:443");
    strcpy(message->address, "");
    memset(message->text, 't', MESSAGE_TEXT_SIZE - 1);
    message->key = key;
    message->key_length = sizeof key;
    message->data = data;
    message->data_length = sizeof data;
}

static int decode(size_t length, enum message_direction direction, struct message *message)
{
    struct fault fault = {0};
    int code = message_decode(wire, length, direction, message, &fault);

    ck_assert_int_eq(code < 0, fault.text[0] != '\0');
    return code;
}

static enum message_direction direction_of(enum message_type type)
{
    return type < MESSAGE_READY || type == MESSAGE_PING ? TO_WORKER : TO_PARENT;
}

START_TEST(every_type_survives_the_wire)
{
    enum message_type type = (enum message_type)_i;
    struct message sent, got = {.descriptor = 7};
    uint8_t again[MESSAGE_WIRE_MAX];

    fill(&sent, type);
    long length = message_encode(&sent, wire);
    ck_assert_int_gt(length, 2);
    ck_assert_int_eq(decode((size_t)length, direction_of(type), &got), 0);
    ck_assert_int_eq(got.type, type);
    ck_assert_int_eq(got.descriptor, 7);
    ck_assert_int_eq(message_encode(&got, again), length);
    ck_assert_mem_eq(again, wire, (size_t)length);
    ck_assert_str_ne(message_name(type), "unknown");
}
END_TEST

START_TEST(a_record_of_the_other_direction_is_refused)
{
    struct message message;

    fill(&message, (enum message_type)_i);
    size_t length = (size_t)message_encode(&message, wire);
    ck_assert_int_eq(
        decode(length, DIRECTIONS[direction_of((enum message_type)_i) == TO_WORKER], &message), -1);
}
END_TEST

START_TEST(every_shorter_or_longer_record_is_refused)
{
    struct message message;

    fill(&message, (enum message_type)_i);
    size_t length = (size_t)message_encode(&message, wire);
    wire[length] = 0;
    ck_assert_int_eq(decode(length + 1, direction_of((enum message_type)_i), &message), -1);
    for (size_t cut = 0; cut < length; cut++)
        ck_assert_int_eq(decode(cut, direction_of((enum message_type)_i), &message), -1);
}
END_TEST

START_TEST(an_identify_keeps_each_field)
{
    struct message message, got = {0};

    fill(&message, MESSAGE_IDENTIFY);
    size_t length = (size_t)message_encode(&message, wire);
    ck_assert_int_eq(decode(length, TO_PARENT, &got), 0);
    ck_assert_uint_eq(got.request, 1);
    ck_assert_uint_eq(got.sid, UINT64_MAX);
    ck_assert_uint_eq(got.flags, MESSAGE_PROVEN);
    ck_assert_str_eq(got.user, "user");
    ck_assert_uint_eq(got.key_length, 3);
    ck_assert_mem_eq(got.key, "\1\2\3", 3);
    ck_assert_uint_eq(got.cid, 0);
    ck_assert_str_eq(got.text, "");
}
END_TEST

START_TEST(values_out_of_bounds_are_not_encoded)
{
    struct message message;

    message_init(&message, MESSAGE_PUBLISH);
    message.port = 65536;
    ck_assert_int_eq(message_encode(&message, wire), -1);
    message_init(&message, MESSAGE_STATS);
    message.data = wire;
    message.data_length = MESSAGE_DATA_MAX + 1;
    ck_assert_int_eq(message_encode(&message, wire), -1);
    message_init(&message, MESSAGE_GONE);
    memset(message.text, 'x', sizeof message.text);
    ck_assert_int_eq(message_encode(&message, wire), -1);
    message_init(&message, MESSAGE_TYPE_END);
    ck_assert_int_eq(message_encode(&message, wire), -1);
}
END_TEST

START_TEST(values_out_of_bounds_are_not_decoded)
{
    struct message message;
    size_t length;

    /* The port stands last: request, sid, port, address. */
    message_init(&message, MESSAGE_PUBLISH);
    length = (size_t)message_encode(&message, wire);
    ck_assert_int_eq(decode(length, TO_PARENT, &message), 0);
    wire[2 + 16 + 2] = 1;
    ck_assert_int_eq(decode(length, TO_PARENT, &message), -1);

    /* A text's length that counts past the record, and one past the text's own bound. */
    message_init(&message, MESSAGE_READY);
    length = (size_t)message_encode(&message, wire);
    wire[2] = 1;
    ck_assert_int_eq(decode(length, TO_PARENT, &message), -1);
    memset(wire + 2, 0, 4 + MESSAGE_TEXT_SIZE);
    wire[3] = MESSAGE_TEXT_SIZE >> 8;
    memset(wire + 6, 'x', MESSAGE_TEXT_SIZE);
    ck_assert_int_eq(decode(6 + MESSAGE_TEXT_SIZE, TO_PARENT, &message), -1);
}
END_TEST

START_TEST(texts_to_the_parent_are_printable)
{
    static const char *const bad[] = {"a\nb", "\x1b[2J", "caf\xc3\xa9", "\x7f"};
    struct message message;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        message_init(&message, MESSAGE_GONE);
        (void)snprintf(message.text, sizeof message.text, "%s", bad[i]);
        size_t length = (size_t)message_encode(&message, wire);
        ck_assert_int_eq(decode(length, TO_PARENT, &message), -1);
    }
    message_init(&message, MESSAGE_DRAIN);
    strcpy(message.text, "caf\xc3\xa9");
    size_t length = (size_t)message_encode(&message, wire);
    ck_assert_int_eq(decode(length, TO_WORKER, &message), 0);
    wire[length - 1] = 0;
    ck_assert_int_eq(decode(length, TO_WORKER, &message), -1);
}
END_TEST

START_TEST(unknown_types_are_refused)
{
    struct message message;

    for (unsigned type = 0; type < 70000; type += type < 40 ? 1 : 97) {
        if (type >= MESSAGE_HELLO && type < MESSAGE_TYPE_END)
            continue;
        wire[0] = (uint8_t)type;
        wire[1] = (uint8_t)(type >> 8);
        if (type <= 65535)
            ck_assert_int_eq(decode(2, TO_WORKER, &message), -1);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message");
    TCase *group = tcase_create("message");

    tcase_add_loop_test(group, every_type_survives_the_wire, MESSAGE_HELLO, MESSAGE_TYPE_END);
    tcase_add_loop_test(group, a_record_of_the_other_direction_is_refused, MESSAGE_HELLO,
                        MESSAGE_TYPE_END);
    tcase_add_loop_test(group, every_shorter_or_longer_record_is_refused, MESSAGE_HELLO,
                        MESSAGE_TYPE_END);
    tcase_add_test(group, an_identify_keeps_each_field);
    tcase_add_test(group, values_out_of_bounds_are_not_encoded);
    tcase_add_test(group, values_out_of_bounds_are_not_decoded);
    tcase_add_test(group, texts_to_the_parent_are_printable);
    tcase_add_test(group, unknown_types_are_refused);
    suite_add_tcase(suite, group);
    return suite_run(suite);
}
