/* Bytes as a blob and as a line: what is accepted is read back from its own line. */
#undef NDEBUG /* the checks are the point */
#include "keys/public_key.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct public_key *key)
{
    struct public_key again;
    struct fault fault = {""};
    char line[PUBLIC_KEY_LINE_SIZE];
    char fingerprint[FINGERPRINT_SIZE];
    int result = public_key_from_line(public_key_line(key, line), &again, &fault);
    assert(result == 0 && again.length == key->length && again.bits == key->bits);
    assert(memcmp(again.blob, key->blob, key->length) == 0);
    assert(strlen(public_key_fingerprint(key, fingerprint)) == FINGERPRINT_SIZE - 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct public_key key;
    struct fault fault = {""};
    if (public_key_from_blob(data, size, &key, &fault) == 0)
        check(&key);
    else
        assert(fault.text[0] != '\0');
    char *line = malloc(size + 1);
    if (line == NULL)
        return 0;
    if (size > 0)
        memcpy(line, data, size);
    line[size] = '\0';
    if (public_key_from_line(line, &key, &fault) == 0)
        check(&key);
    free(line);
    return 0;
}
