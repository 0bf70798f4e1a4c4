/* The file of `apply`: whatever is read is printed as something that reads the same. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tunnelctl/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *print(const json_t *document, size_t *length)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, length);
    if (!out)
        abort();
    document_print(out, document);
    if (fclose(out) != 0)
        abort();
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fault fault = {""};
    json_t *first = NULL, *second = NULL;
    if (document_parse((const char *)data, size, "fuzz", &first, &fault) != 0)
        return 0;
    size_t length;
    char *text = print(first, &length);
    if (length > 0 &&
        (document_parse(text, length, "again", &second, &fault) != 0 || !json_equal(first, second)))
        abort();
    free(text);
    json_decref(first);
    json_decref(second);
    return 0;
}
