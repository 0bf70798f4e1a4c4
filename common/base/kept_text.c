/* Texts of their own size.  Who shortens them, and what they may hold, is their owners' matter. */
#define _GNU_SOURCE
#include "base/kept_text.h"

#include <stdlib.h>
#include <string.h>

const char *kept_text(const char *kept)
{
    return kept ? kept : "";
}

void kept_text_set(char **kept, const char *text)
{
    char *copy = text[0] != '\0' ? strdup(text) : NULL;

    free(*kept);
    *kept = copy;
}

void kept_text_drop(char **kept)
{
    free(*kept);
    *kept = NULL;
}
