/*
 * The wire form of messages.  Two tables say everything: what a field is and how large it may be,
 * and which fields a type has, which way it travels, and whether a descriptor rides along.
 * Encoding and decoding walk them; neither knows any type by name.  What a message means is not
 * decided here, nor who may send it about whom.
 */
#define _GNU_SOURCE
#include "ipc/message.h"

#include <string.h>

enum kind { NUMBER, TEXT, BLOB };

/* `max`: the largest value of a number, the longest text or blob in bytes.  `second`: where a
 * blob's length stands in the struct. */
static const struct field {
    const char *name;
    enum kind kind;
    size_t offset;
    size_t second;
    uint64_t max;
} fields[FIELD_END] = {
#define NUMBER_FIELD(member, largest)                                                              \
    {                                                                                              \
        .name = #member, .kind = NUMBER, .offset = offsetof(struct message, member),               \
        .max = (largest)                                                                           \
    }
#define TEXT_FIELD(member)                                                                         \
    {                                                                                              \
        .name = #member, .kind = TEXT, .offset = offsetof(struct message, member),                 \
        .max = MESSAGE_TEXT_SIZE - 1                                                               \
    }
#define BLOB_FIELD(member, largest)                                                                \
    {                                                                                              \
        .name = #member, .kind = BLOB, .offset = offsetof(struct message, member),                 \
        .second = offsetof(struct message, member##_length), .max = (largest)                      \
    }
    [FIELD_REQUEST] = NUMBER_FIELD(request, UINT64_MAX),
    [FIELD_SID] = NUMBER_FIELD(sid, UINT64_MAX),
    [FIELD_CID] = NUMBER_FIELD(cid, UINT64_MAX),
    [FIELD_GENERATION] = NUMBER_FIELD(generation, UINT64_MAX),
    [FIELD_PORT] = NUMBER_FIELD(port, 65535),
    [FIELD_CODE] = NUMBER_FIELD(code, VERDICT_OPERATOR),
    [FIELD_FLAGS] = NUMBER_FIELD(flags, MESSAGE_OUTBOUND),
    [FIELD_COUNT] = NUMBER_FIELD(count, UINT32_MAX),
    [FIELD_BYTES_IN] = NUMBER_FIELD(bytes_in, UINT64_MAX),
    [FIELD_BYTES_OUT] = NUMBER_FIELD(bytes_out, UINT64_MAX),
    [FIELD_RTT_US] = NUMBER_FIELD(rtt_us, UINT64_MAX),
    [FIELD_TIMEOUT_MS] = NUMBER_FIELD(timeout_ms, UINT64_MAX),
    [FIELD_RATE_IN] = NUMBER_FIELD(rate_in, UINT64_MAX),
    [FIELD_RATE_OUT] = NUMBER_FIELD(rate_out, UINT64_MAX),
    [FIELD_USER] = TEXT_FIELD(user),
    [FIELD_PEER] = TEXT_FIELD(peer),
    [FIELD_ADDRESS] = TEXT_FIELD(address),
    [FIELD_TEXT] = TEXT_FIELD(text),
    [FIELD_KEY] = BLOB_FIELD(key, MESSAGE_KEY_MAX),
    [FIELD_DATA] = BLOB_FIELD(data, MESSAGE_DATA_MAX),
};

#define HAS(field) (1u << FIELD_##field)

static const struct shape {
    const char *name;
    enum message_direction direction;
    bool descriptor;
    uint32_t fields;
} shapes[MESSAGE_TYPE_END] = {
    [MESSAGE_HELLO] = {"HELLO", TO_WORKER, false, HAS(CID) | HAS(KEY) | HAS(DATA) | HAS(COUNT)},
    [MESSAGE_SESSION] = {"SESSION", TO_WORKER, true, HAS(SID) | HAS(PEER)},
    [MESSAGE_REPLY] = {"REPLY", TO_WORKER, false,
                       HAS(REQUEST) | HAS(CODE) | HAS(PORT) | HAS(TEXT) | HAS(DATA)},
    [MESSAGE_SNAPSHOT] = {"SNAPSHOT", TO_WORKER, false,
                          HAS(SID) | HAS(GENERATION) | HAS(FLAGS) | HAS(DATA)},
    [MESSAGE_CONNECT] = {"CONNECT", TO_WORKER, true,
                         HAS(CID) | HAS(SID) | HAS(PORT) | HAS(ADDRESS) | HAS(PEER) |
                             HAS(TIMEOUT_MS) | HAS(DATA)},
    [MESSAGE_PROBE] = {"PROBE", TO_WORKER, false, HAS(SID)},
    [MESSAGE_CLOSE] = {"CLOSE", TO_WORKER, false, HAS(SID) | HAS(CID) | HAS(TEXT)},
    [MESSAGE_SETTINGS] = {"SETTINGS", TO_WORKER, false, HAS(DATA)},
    [MESSAGE_HOST_KEY] = {"HOST_KEY", TO_WORKER, false, HAS(KEY)},
    [MESSAGE_DRAIN] = {"DRAIN", TO_WORKER, false, HAS(COUNT) | HAS(TEXT)},
    [MESSAGE_POLICY] = {"POLICY", TO_WORKER, false,
                        HAS(SID) | HAS(PORT) | HAS(RATE_IN) | HAS(RATE_OUT) | HAS(TIMEOUT_MS)},
    [MESSAGE_ATTACH] = {"ATTACH", TO_WORKER, true, HAS(REQUEST) | HAS(CID)},
    [MESSAGE_LOG] = {"LOG", TO_WORKER, false, HAS(SID) | HAS(TEXT)},
    [MESSAGE_LISTEN] = {"LISTEN", TO_WORKER, true,
                        HAS(SID) | HAS(GENERATION) | HAS(PORT) | HAS(ADDRESS) | HAS(TIMEOUT_MS)},
    [MESSAGE_UNLISTEN] = {"UNLISTEN", TO_WORKER, false, HAS(SID) | HAS(PORT)},
    [MESSAGE_DIAL] = {"DIAL", TO_WORKER, false,
                      HAS(REQUEST) | HAS(ADDRESS) | HAS(PORT) | HAS(TIMEOUT_MS)},
    [MESSAGE_ABANDON] = {"ABANDON", TO_WORKER, false, HAS(REQUEST)},
    [MESSAGE_READY] = {"READY", TO_PARENT, false, HAS(TEXT)},
    [MESSAGE_IDENTIFY] = {"IDENTIFY", TO_PARENT, false,
                          HAS(REQUEST) | HAS(SID) | HAS(USER) | HAS(KEY) | HAS(FLAGS)},
    [MESSAGE_REDEEM] = {"REDEEM", TO_PARENT, false, HAS(REQUEST) | HAS(SID) | HAS(KEY) | HAS(TEXT)},
    [MESSAGE_UP] = {"UP", TO_PARENT, false, HAS(SID) | HAS(TEXT) | HAS(ADDRESS)},
    [MESSAGE_QUERY] = {"QUERY", TO_PARENT, false, HAS(REQUEST) | HAS(SID) | HAS(TEXT)},
    [MESSAGE_PUBLISH] = {"PUBLISH", TO_PARENT, false,
                         HAS(REQUEST) | HAS(SID) | HAS(ADDRESS) | HAS(PORT)},
    [MESSAGE_UNPUBLISH] = {"UNPUBLISH", TO_PARENT, false,
                           HAS(REQUEST) | HAS(SID) | HAS(ADDRESS) | HAS(PORT)},
    [MESSAGE_REPORT] = {"REPORT", TO_PARENT, false,
                        HAS(SID) | HAS(GENERATION) | HAS(PORT) | HAS(FLAGS) | HAS(ADDRESS) |
                            HAS(TEXT)},
    [MESSAGE_REFUSAL] = {"REFUSAL", TO_PARENT, false, HAS(SID) | HAS(TEXT)},
    [MESSAGE_OPENED] = {"OPENED", TO_PARENT, false, HAS(CID) | HAS(CODE) | HAS(TEXT)},
    [MESSAGE_CLOSED] = {"CLOSED", TO_PARENT, false,
                        HAS(CID) | HAS(BYTES_IN) | HAS(BYTES_OUT) | HAS(TEXT)},
    [MESSAGE_VISITOR] = {"VISITOR", TO_PARENT, true,
                         HAS(CID) | HAS(SID) | HAS(GENERATION) | HAS(PORT) | HAS(COUNT) |
                             HAS(CODE) | HAS(PEER)},
    [MESSAGE_VISITED] = {"VISITED", TO_PARENT, false,
                         HAS(CID) | HAS(SID) | HAS(PORT) | HAS(COUNT) | HAS(BYTES_IN) |
                             HAS(BYTES_OUT) | HAS(PEER) | HAS(TEXT)},
    [MESSAGE_ALIVE] = {"ALIVE", TO_PARENT, false, HAS(SID) | HAS(RTT_US)},
    [MESSAGE_STATS] = {"STATS", TO_PARENT, false, HAS(DATA)},
    [MESSAGE_GONE] = {"GONE", TO_PARENT, false, HAS(SID) | HAS(TEXT)},
    [MESSAGE_OPEN] = {"OPEN", TO_PARENT, false,
                      HAS(REQUEST) | HAS(SID) | HAS(ADDRESS) | HAS(PORT) | HAS(PEER)},
    [MESSAGE_ROTATE] = {"ROTATE", TO_PARENT, false, HAS(REQUEST) | HAS(SID) | HAS(KEY)},
    [MESSAGE_DIALLED] = {"DIALLED", TO_PARENT, true, HAS(REQUEST)},
    [MESSAGE_UNDIALLED] = {"UNDIALLED", TO_PARENT, false, HAS(REQUEST) | HAS(TEXT)},
    [MESSAGE_PING] = {"PING", TO_WORKER, false, HAS(REQUEST)},
    [MESSAGE_PONG] = {"PONG", TO_PARENT, false, HAS(REQUEST)},
    [MESSAGE_HEARD] = {"HEARD", TO_PARENT, false, HAS(SID)},
};

static bool known(uint64_t type)
{
    return type < MESSAGE_TYPE_END && shapes[type].name;
}

void message_init(struct message *message, enum message_type type)
{
    memset(message, 0, sizeof *message);
    message->type = type;
    message->descriptor = -1;
}

const char *message_name(enum message_type type)
{
    return known((uint64_t)type) ? shapes[type].name : "unknown";
}

bool message_wants_descriptor(enum message_type type)
{
    return known((uint64_t)type) && shapes[type].descriptor;
}

static uint64_t get_number(const uint8_t *from, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

static void put_number(uint8_t *to, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

/* Where encoding stands; `fits` turns false once and for all. */
struct writer {
    uint8_t *wire;
    size_t used;
    bool fits;
};

static void write_bytes(struct writer *writer, const void *bytes, size_t length, uint64_t max)
{
    if (!writer->fits || length > max || writer->used + 4 + length > MESSAGE_WIRE_MAX) {
        writer->fits = false;
        return;
    }
    put_number(writer->wire + writer->used, 4, length);
    if (length > 0)
        memcpy(writer->wire + writer->used + 4, bytes, length);
    writer->used += 4 + length;
}

static void write_number(struct writer *writer, uint64_t value, uint64_t max)
{
    if (!writer->fits || value > max || writer->used + 8 > MESSAGE_WIRE_MAX) {
        writer->fits = false;
        return;
    }
    put_number(writer->wire + writer->used, 8, value);
    writer->used += 8;
}

static void write_field(struct writer *writer, const struct message *message,
                        const struct field *field)
{
    const char *at = (const char *)message + field->offset;
    uint64_t number;
    const uint8_t *blob;
    size_t length;

    switch (field->kind) {
    case NUMBER:
        memcpy(&number, at, sizeof number);
        write_number(writer, number, field->max);
        break;
    case TEXT:
        write_bytes(writer, at, strnlen(at, MESSAGE_TEXT_SIZE), field->max);
        break;
    case BLOB:
        memcpy(&blob, at, sizeof blob);
        memcpy(&length, (const char *)message + field->second, sizeof length);
        write_bytes(writer, blob, length, field->max);
        break;
    }
}

long message_encode(const struct message *message, uint8_t *wire)
{
    struct writer writer = {.wire = wire, .used = 2, .fits = known((uint64_t)message->type)};

    put_number(wire, 2, (uint64_t)message->type);
    for (unsigned i = 0; i < FIELD_END && writer.fits; i++) {
        if (shapes[message->type].fields & (1u << i))
            write_field(&writer, message, &fields[i]);
    }
    return writer.fits ? (long)writer.used : -1;
}

struct reader {
    const uint8_t *wire;
    size_t length, used;
    enum message_direction direction;
};

static int read_number(struct reader *reader, const struct field *field, char *at,
                       struct fault *fault)
{
    uint64_t number;

    if (reader->length - reader->used < 8)
        return fault_set(fault, "%s is cut off", field->name);
    number = get_number(reader->wire + reader->used, 8);
    if (number > field->max)
        return fault_set(fault, "%s is out of bounds", field->name);
    memcpy(at, &number, sizeof number);
    reader->used += 8;
    return 0;
}

/* A worker hands on what strangers sent: the parent prints it, and writes it as JSON. */
static bool printable(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] < 0x20 || bytes[i] > 0x7e)
            return false;
    }
    return true;
}

/* Where the bytes stand in the record, or NULL. */
static const uint8_t *read_bytes(struct reader *reader, const struct field *field, size_t *length,
                                 struct fault *fault)
{
    const uint8_t *bytes;
    uint64_t announced;

    if (reader->length - reader->used < 4) {
        fault_set(fault, "%s is cut off", field->name);
        return NULL;
    }
    announced = get_number(reader->wire + reader->used, 4);
    if (announced > field->max) {
        fault_set(fault, "%s is too long", field->name);
        return NULL;
    }
    if (announced > reader->length - reader->used - 4) {
        fault_set(fault, "%s is cut off", field->name);
        return NULL;
    }
    bytes = reader->wire + reader->used + 4;
    *length = (size_t)announced;
    reader->used += 4 + *length;
    return bytes;
}

static int read_text(struct reader *reader, const struct field *field, char *at,
                     struct fault *fault)
{
    size_t length;
    const uint8_t *bytes = read_bytes(reader, field, &length, fault);

    if (!bytes)
        return -1;
    if (memchr(bytes, '\0', length) ||
        (reader->direction == TO_PARENT && !printable(bytes, length)))
        return fault_set(fault, "%s is no printable text", field->name);
    memcpy(at, bytes, length);
    at[length] = '\0';
    return 0;
}

static int read_field(struct reader *reader, const struct field *field, struct message *message,
                      struct fault *fault)
{
    char *at = (char *)message + field->offset;
    const uint8_t *blob;
    size_t length;

    if (field->kind == NUMBER)
        return read_number(reader, field, at, fault);
    if (field->kind == TEXT)
        return read_text(reader, field, at, fault);
    blob = read_bytes(reader, field, &length, fault);
    if (!blob)
        return -1;
    memcpy(at, &blob, sizeof blob);
    memcpy((char *)message + field->second, &length, sizeof length);
    return 0;
}

static int read_record(struct reader *reader, struct message *message, struct fault *fault)
{
    uint64_t type;

    if (reader->length < 2)
        return fault_set(fault, "a record without a type");
    type = get_number(reader->wire, 2);
    reader->used = 2;
    if (!known(type))
        return fault_set(fault, "a record of unknown type %u", (unsigned)type);
    if (shapes[type].direction != reader->direction)
        return fault_set(fault, "%s travels the other way", shapes[type].name);
    message->type = (enum message_type)type;
    for (unsigned i = 0; i < FIELD_END; i++) {
        if (!(shapes[type].fields & (1u << i)))
            continue;
        if (read_field(reader, &fields[i], message, fault) < 0)
            return fault_prefix(fault, "%s", shapes[type].name);
    }
    if (reader->used != reader->length)
        return fault_set(fault, "%s: bytes behind the last field", shapes[type].name);
    return 0;
}

int message_decode(const uint8_t *wire, size_t length, enum message_direction direction,
                   struct message *message, struct fault *fault)
{
    struct reader reader = {.wire = wire, .length = length, .direction = direction};
    int descriptor = message->descriptor;

    message_init(message, MESSAGE_TYPE_END);
    message->descriptor = descriptor;
    return read_record(&reader, message, fault);
}
