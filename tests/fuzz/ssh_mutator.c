/*
 * How ssh_port's inputs change: packet by packet.  Records are inserted, dropped, doubled, swapped,
 * cut and come in another way; name-lists lose, swap and repeat names; lengths inside of packets
 * lie; what is left is bytes, which libFuzzer changes inside of one record's payload.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>

#include "ssh_records.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_size, const uint8_t *second,
                                 size_t second_size, uint8_t *out, size_t max_out, unsigned seed);

#define KEXINIT     20
#define LISTS_BEGIN 17 /* type and cookie */
#define LISTS       10

#define NAME(text)  "\0\0\0" text
#define SITE        NAME("\x08hannover")
#define CONNECTION  NAME("\x0essh-connection")
#define LOGIN       "\x32" SITE CONNECTION
#define CHANNEL     "\0\0\0\x2b" /* the server's first */
#define OWN_CHANNEL "\0\0\0\0\0\x20\0\0\0\0\x80\0"
#define LOCALHOST   NAME("\x09localhost") "\0\0\x20\xfb"

struct text {
    const char *bytes;
    size_t length;
};

#define TEXT(literal)                                                                              \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

/* Packets that a client may send, or should not. */
static const struct text packets[] = {
    TEXT("\x01\0\0\0\x0b" NAME("\x03"
                               "bye") "\0\0\0\0"),
    TEXT("\x02" NAME("\x04noise")),
    TEXT("\x03\0\0\0\x05"),
    TEXT("\x04\x01" NAME("\x05"
                         "debug") "\0\0\0\0"),
    TEXT("\x05" NAME("\x0cssh-userauth")),
    TEXT("\x05" CONNECTION),
    TEXT("\x06" NAME("\x0cssh-userauth")),
    TEXT("\x07\0\0\0\x01" NAME("\x0fserver-sig-algs") NAME("\x07ssh-rsa")),
    TEXT("\x14"),
    TEXT("\x15"),
    TEXT("\x1e\0\0\0\0"),
    TEXT("\x1e\0\0\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    TEXT("\x1f"),
    TEXT("\x20\0\0\0\1"),
    TEXT("\x22\0\0\x04\0\0\0\x08\0\0\0\x20\0"),
    TEXT(LOGIN NAME("\x04none")),
    TEXT(LOGIN NAME("\x08password") "\0" NAME("\x05wrong")),
    TEXT(LOGIN NAME("\x08password") "\1" NAME("\x03old") NAME("\x03new")),
    TEXT(LOGIN NAME("\x14keyboard-interactive") "\0\0\0\0\0\0\0\0"),
    TEXT(LOGIN NAME("\x09hostbased") NAME("\x07ssh-rsa") "\0\0\0\0\0\0\0\0\0\0\0\0"),
    TEXT(LOGIN NAME("\x0fgssapi-with-mic") "\0\0\0\0"),
    TEXT(LOGIN NAME("\x09publickey") "\0" NAME("\x0bssh-ed25519") "\0\0\0\0"),
    TEXT("\x32" NAME("\x05"
                     "enrol") CONNECTION NAME("\x14keyboard-interactive") "\0\0\0\0\0\0\0\0"),
    TEXT("\x32\0\0\0\0\0\0\0\0\0\0\0\0"),
    TEXT("\x33"),
    TEXT("\x34"),
    TEXT("\x3c\0\0\0\0"),
    TEXT("\x3d\0\0\0\0"),
    TEXT("\x3d\0\0\0\1\0\0\0\0"),
    TEXT("\x3d\0\0\0\1" NAME("\x08"
                             "aaaa.bbb")),
    TEXT("\x3d\x7f\xff\xff\xff"),
    TEXT("\x50" NAME("\x0dtcpip-forward") "\1" LOCALHOST),
    TEXT("\x50" NAME("\x14"
                     "cancel-tcpip-forward") "\1" LOCALHOST),
    TEXT("\x50" NAME("\x15keepalive@openssh.com") "\1"),
    TEXT("\x50" NAME("\x1fno-more-sessions@openssh.com...") "\0"),
    TEXT("\x51\0\0\x20\xfb"),
    TEXT("\x52"),
    TEXT("\x5a" NAME("\x07session") OWN_CHANNEL),
    TEXT("\x5a" NAME("\x0c"
                     "direct-tcpip") OWN_CHANNEL LOCALHOST LOCALHOST),
    TEXT("\x5a" NAME("\x0f"
                     "forwarded-tcpip") OWN_CHANNEL LOCALHOST LOCALHOST),
    TEXT("\x5a" NAME("\x03x11") OWN_CHANNEL LOCALHOST),
    TEXT("\x5a" NAME("\x16"
                     "auth-agent@openssh.com") OWN_CHANNEL),
    TEXT("\x5b" CHANNEL OWN_CHANNEL),
    TEXT("\x5c" CHANNEL "\0\0\0\1\0\0\0\0\0\0\0\0"),
    TEXT("\x5d" CHANNEL "\0\x20\0\0"),
    TEXT("\x5d" CHANNEL "\xff\xff\xff\xff"),
    TEXT("\x5e" CHANNEL NAME("\x21{\"generation\":1,\"refused\":[]}\n...")),
    TEXT("\x5f" CHANNEL "\0\0\0\1" NAME("\x03"
                                        "err")),
    TEXT("\x60" CHANNEL),
    TEXT("\x61" CHANNEL),
    TEXT("\x62" CHANNEL NAME("\x04"
                             "exec") "\1" NAME("\x06status")),
    TEXT("\x62" CHANNEL NAME("\x04"
                             "exec") "\1" NAME("\x08"
                                               "forwards")),
    TEXT("\x62" CHANNEL NAME("\x05shell") "\1"),
    TEXT("\x62" CHANNEL NAME("\x09subsystem") "\1" NAME("\x04sftp")),
    TEXT("\x62" CHANNEL NAME("\x07pty-req") "\1" NAME("\x05xterm") "\0\0\0\x50\0\0\0\x18\0\0\0\0"),
    TEXT("\x62" CHANNEL NAME("\x03"
                             "env") "\1" NAME("\x04LANG") NAME("\x01"
                                                               "C")),
    TEXT("\x62" CHANNEL NAME("\x07x11-req") "\1\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    TEXT("\x63" CHANNEL),
    TEXT("\x64" CHANNEL),
    TEXT("SSH-1.5-old\n"),
    TEXT("SSH-2.0-\r\n"),
    TEXT("GET / HTTP/1.1\r\n\r\n"),
};

/* Values that lengths and numbers like to be wrong with. */
static const uint32_t extremes[] = {0,      1,      35000,      262144,     0x7fffffff,
                                    0xffff, 0x8000, 0x80000000, 0xfffffffb, 0xffffffff};

static uint64_t state;

/* One of `count` (at least 1). */
static size_t one_of(size_t count)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state >> 33) % count;
}

static uint32_t get32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void put32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* --- the list --- */

struct list {
    struct record records[RECORDS_MAX];
    size_t count;
};

static void insert(struct list *list, size_t at, struct record record)
{
    if (list->count == RECORDS_MAX)
        return;
    memmove(&list->records[at + 1], &list->records[at], (list->count - at) * sizeof record);
    list->records[at] = record;
    list->count++;
}

static void insert_packet(struct list *list)
{
    const struct text *text = &packets[one_of(sizeof packets / sizeof *packets)];
    uint8_t kind = (uint8_t)(text->bytes[0] >= 'G' && one_of(2) ? RECORD_RAW : RECORD_PACKET);

    if (one_of(8) == 0) /* time, a parent, a lie or a signature instead */
        kind = (uint8_t)one_of(RECORD_KINDS);
    insert(list, one_of(list->count + 1),
           (struct record){.how = (uint8_t)(kind | one_of(4) << 3),
                           .what = (uint8_t)one_of(kind == RECORD_TIME ? 256 : 8),
                           .length = text->length,
                           .payload = (const uint8_t *)text->bytes});
}

static void drop(struct list *list)
{
    size_t at = one_of(list->count);

    list->count--;
    memmove(&list->records[at], &list->records[at + 1], (list->count - at) * sizeof *list->records);
}

static void repeat(struct list *list)
{
    struct record record = list->records[one_of(list->count)];

    for (size_t times = one_of(16) == 0 ? 1 + one_of(RECORDS_MAX) : 1; times > 0; times--)
        insert(list, one_of(list->count + 1), record);
}

static void swap(struct list *list)
{
    struct record *first = &list->records[one_of(list->count)];
    struct record *second = &list->records[one_of(list->count)];
    struct record kept = *first;

    *first = *second;
    *second = kept;
}

static void come_otherwise(struct list *list)
{
    static const uint8_t bits[] = {RECORD_AT_ONCE, RECORD_HALVES, 8, 16, 1, 2, 4};
    struct record *record = &list->records[one_of(list->count)];

    if (one_of(4) == 0)
        record->what = (uint8_t)one_of(256);
    else
        record->how ^= bits[one_of(sizeof bits)];
}

/* --- inside of a packet --- */

static void resize(uint8_t *payload, size_t *length)
{
    size_t more = one_of(RECORD_MAX - *length + 1);

    if (*length > 0 && one_of(3) > 0) {
        *length = one_of(*length);
        return;
    }
    memset(payload + *length, (int)one_of(256), more);
    *length += more;
}

/* Where a string's length stands, most likely: the number is small, and fits. */
static void lie_about_length(uint8_t *payload, size_t length)
{
    size_t found = 0, at = 0;

    for (size_t i = 0; i + 4 <= length; i++) {
        if (get32(payload + i) <= length - i - 4 && one_of(++found) == 0)
            at = i;
    }
    if (found > 0)
        put32(payload + at, one_of(2) ? extremes[one_of(sizeof extremes / sizeof *extremes)]
                                      : get32(payload + at) + (uint32_t)one_of(5) - 2);
}

/* Where the name-list with that number stands, and its length; 0: there is none. */
static size_t find_list(const uint8_t *payload, size_t length, size_t number)
{
    size_t at = LISTS_BEGIN;

    for (; at + 4 <= length && get32(payload + at) <= length - at - 4; number--) {
        if (number == 0)
            return at;
        at += 4 + get32(payload + at);
    }
    return 0;
}

/* Moves the list's first names behind the others, or has some of them only. */
static void change_names(uint8_t *payload, size_t *length)
{
    static uint8_t names[RECORD_MAX];
    size_t at = find_list(payload, *length, one_of(LISTS));
    size_t size = at ? get32(payload + at) : 0;
    uint8_t *list = payload + at + 4;
    size_t comma = size ? one_of(size) : 0;

    while (comma < size && list[comma] != ',')
        comma++;
    if (comma >= size)
        return;
    memcpy(names, list, size);
    if (one_of(3) > 0) { /* a,b -> b,a */
        size_t rest = size - comma - 1;
        memcpy(list, names + comma + 1, rest);
        list[rest] = ',';
        memcpy(list + rest + 1, names, comma);
        return;
    }
    put32(payload + at, (uint32_t)comma); /* a,b -> a */
    memmove(list + comma, list + size, *length - at - 4 - size);
    *length -= size - comma;
}

/* On a copy, which the list then points to until it is written. */
static void change_payload(struct list *list)
{
    static uint8_t copy[RECORD_MAX];
    struct record *record = &list->records[one_of(list->count)];
    size_t length = record->length;

    memcpy(copy, record->payload, length);
    if (length > LISTS_BEGIN && copy[0] == KEXINIT && one_of(4) > 0)
        change_names(copy, &length);
    else if (one_of(4) == 0)
        resize(copy, &length);
    else if (one_of(3) == 0)
        lie_about_length(copy, length);
    else if (length > 0 && one_of(8) == 0)
        copy[0] = (uint8_t)one_of(101);
    else
        length = LLVMFuzzerMutate(copy, length, RECORD_MAX);
    record->payload = copy;
    record->length = length;
}

/* --- what libFuzzer calls --- */

static size_t write_back(const struct list *list, uint8_t *data, size_t room)
{
    static uint8_t written[RECORDS_MAX * (RECORD_MAX + RECORD_HEAD)];
    size_t size = records_write(list->records, list->count, written,
                                room < sizeof written ? room : sizeof written);

    memcpy(data, written, size);
    return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static void (*const changes[])(struct list *) = {
        insert_packet,  insert_packet,  drop,           repeat,         swap,
        come_otherwise, change_payload, change_payload, change_payload,
    };
    struct list list;

    state = seed;
    list.count = records_read(data, size, list.records);
    if (list.count == 0)
        insert_packet(&list);
    else
        changes[one_of(sizeof changes / sizeof *changes)](&list);
    return write_back(&list, data, max_size);
}

/* The beginning of one, the end of the other. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_size, const uint8_t *second,
                                 size_t second_size, uint8_t *out, size_t max_out, unsigned seed)
{
    struct list begin, end;

    state = seed;
    begin.count = records_read(first, first_size, begin.records);
    end.count = records_read(second, second_size, end.records);
    begin.count = one_of(begin.count + 1);
    for (size_t i = one_of(end.count + 1); i < end.count; i++)
        insert(&begin, begin.count, end.records[i]);
    return write_back(&begin, out, max_out);
}
