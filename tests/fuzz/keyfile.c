/* Whatever is accepted as a keyfile is written as one that is written alike. */
#undef NDEBUG /* the checks are the point */
#include "keys/keyfile.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keyfile keyfile;
    struct fault fault = {""};
    if (keyfile_parse((const char *)data, size, "f", &keyfile, &fault) != 0) {
        assert(strncmp(fault.text, "f:", 2) == 0);
        return 0;
    }
    char *first = keyfile_format(&keyfile);
    keyfile_release(&keyfile);
    if (first == NULL) /* longer than it was, and longer than allowed */
        return 0;
    int result = keyfile_parse(first, strlen(first), "f", &keyfile, &fault);
    assert(result == 0);
    char *second = keyfile_format(&keyfile);
    keyfile_release(&keyfile);
    assert(second != NULL && strcmp(first, second) == 0);
    free(first);
    free(second);
    return 0;
}
