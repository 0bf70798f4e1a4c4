/* message_decode on arbitrary records, both ways; what it takes must encode to the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "ipc/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static uint8_t wire[MESSAGE_WIRE_MAX];
    struct fault fault;
    struct message message;

    for (int direction = TO_WORKER; direction <= TO_PARENT; direction++) {
        if (message_decode(data, length, (enum message_direction)direction, &message, &fault) < 0)
            continue;
        long again = message_encode(&message, wire);
        if (again < 0 || (size_t)again != length || memcmp(wire, data, length) != 0)
            abort();
    }
    return 0;
}
