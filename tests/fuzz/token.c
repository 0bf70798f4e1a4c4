/* A token is the same token again; anything else is refused. */
#undef NDEBUG /* the checks are the point */
#include "keys/token.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct token token;
    struct token again;
    uint8_t digest[32];
    char *text = malloc(size + 1);
    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (token_parse(text, &token)) {
        assert(strlen(token.text) == TOKEN_TEXT_SIZE - 1);
        assert(strncmp(token.text, token.id, TOKEN_ID_SIZE - 1) == 0);
        assert(token_parse(token.text, &again) && strcmp(token.text, again.text) == 0);
        token_digest(&token, digest);
    }
    free(text);
    return 0;
}
