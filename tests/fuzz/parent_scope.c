/* Scopes as people write them: what is taken comes back the same, allows a name that its own glob
 * spells, and matching ends. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parent/scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A name that the glob matches: its own letters, with one for each '?' and none for a '*'. */
static void spell(const char *glob, char *name)
{
    for (; *glob != '\0'; glob++) {
        if (*glob != '*')
            *name++ = *glob == '?' ? 'x' : *glob;
    }
    *name = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[4096], once[SCOPES_TEXT_MAX], twice[SCOPES_TEXT_MAX];
    struct scopes scopes, again;
    struct fault fault;
    size_t length = size < sizeof text - 1 ? size : sizeof text - 1;
    if (length > 0)
        memcpy(text, data, length);
    text[length] = '\0';
    if (scopes_parse(text, &scopes, &fault) != 0)
        return 0;
    if (scopes_parse(scopes_format(&scopes, once), &again, &fault) != 0 ||
        strcmp(once, scopes_format(&again, twice)) != 0)
        abort();
    for (size_t i = 0; i < scopes.count; i++) {
        char name[NAME_SIZE];
        spell(scopes.items[i].glob, name);
        if (!scopes_allow(&scopes, name, scopes.items[i].port != 0 ? scopes.items[i].port : 1))
            abort();
    }
    return 0;
}
