/* What a peer said may be shown, but must not spoil the JSON or a terminal. */
#include "json_text.h"

#include <stdio.h>

#define TEXT_SIZE 1024

json_t *json_text_or_null(const char *text)
{
    char printable[TEXT_SIZE];
    if (text[0] == '\0')
        return json_null();
    snprintf(printable, sizeof printable, "%s", text);
    for (char *c = printable; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
    return json_string(printable);
}
