/* Reads and writes lists of records; knows nothing of what they mean. */
#include "ssh_records.h"

#include <string.h>

size_t records_read(const uint8_t *data, size_t size, struct record records[RECORDS_MAX])
{
    size_t count = 0;
    size_t at = 0;

    for (; count < RECORDS_MAX && size - at >= RECORD_HEAD; count++) {
        size_t length = (size_t)data[at + 2] << 8 | data[at + 3];
        size_t left = size - at - RECORD_HEAD;
        if (length > left)
            length = left;
        records[count] = (struct record){.how = data[at],
                                         .what = data[at + 1],
                                         .length = length < RECORD_MAX ? length : RECORD_MAX,
                                         .payload = data + at + RECORD_HEAD};
        at += RECORD_HEAD + length;
    }
    return count;
}

size_t records_write(const struct record *records, size_t count, uint8_t *data, size_t room)
{
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        size_t length = records[i].length;
        if (room - at < RECORD_HEAD + length)
            break;
        data[at] = records[i].how;
        data[at + 1] = records[i].what;
        data[at + 2] = (uint8_t)(length >> 8);
        data[at + 3] = (uint8_t)length;
        memcpy(data + at + RECORD_HEAD, records[i].payload, length);
        at += RECORD_HEAD + length;
    }
    return at;
}
