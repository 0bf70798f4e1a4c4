/* Networks as people write them: whatever is taken must hold its own first address. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parent/cidr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[256];
    struct cidr cidr;
    struct fault fault;
    size_t length = size < sizeof text - 1 ? size : sizeof text - 1;
    if (length > 0)
        memcpy(text, data, length);
    text[length] = '\0';
    if (cidr_parse(text, &cidr, &fault) != 0)
        return 0;
    text[strcspn(text, "/")] = '\0';
    if (!cidr_contains(&cidr, text))
        abort();
    return 0;
}
