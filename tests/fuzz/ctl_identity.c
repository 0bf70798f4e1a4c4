/* A private key file: what is taken has a public key, what is refused has a sentence. */
#undef NDEBUG /* the checks are the point */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tunnelctl/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct public_key key = {.length = 0};
    struct fault fault = {""};
    bool encrypted;
    char *text = malloc(size + 1);
    assert(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (identity_parse(text, &key, &encrypted, &fault) == 0)
        assert(key.length > 0);
    else
        assert(fault.text[0] != '\0');
    free(text);
    return 0;
}
