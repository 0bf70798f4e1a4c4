/* Text that a peer sent.  Cuts between characters, never inside one. */
#define _GNU_SOURCE
#include "parent/peer_text.h"

#include <string.h>

#include "base/kept_text.h"
#include "base/text.h"
#include "parent/store.h"

void peer_text(char *to, size_t size, const char *from)
{
    size_t left = strlen(from), used = 0;
    while (left > 0) {
        uint32_t character;
        size_t width = text_utf8_decode(from, left, &character);
        bool shown = width > 0 && text_is_printable(character);
        size_t take = width > 0 ? width : 1, write = shown ? width : 1;
        if (used + write >= size)
            break;
        if (shown)
            memcpy(to + used, from, width);
        else
            to[used] = '?';
        used += write;
        from += take;
        left -= take;
    }
    to[used] = '\0';
}

void peer_text_keep(char **kept, const char *from)
{
    char text[REASON_SIZE];
    peer_text(text, sizeof text, from);
    kept_text_set(kept, text);
}
