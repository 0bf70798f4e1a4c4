/*
 * Faults: building the sentence.  Control characters and malformed text, which may come out of a
 * damaged file or from a peer, become '?', so that a fault is one line on any terminal.  What
 * becomes of the sentence is the caller's business.
 */
#include "base/fault.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static void clean(const char *from, char to[FAULT_TEXT_SIZE])
{
    size_t left = strlen(from);
    size_t used = 0;
    while (left > 0) {
        uint32_t character;
        size_t width = text_utf8_decode(from, left, &character);
        bool shown = width > 0 && text_is_printable(character);
        size_t out = shown ? width : 1;
        if (used + out >= FAULT_TEXT_SIZE)
            break;
        if (shown)
            memcpy(to + used, from, width);
        else
            to[used] = '?';
        used += out;
        from += width > 0 ? width : 1;
        left -= width > 0 ? width : 1;
    }
    to[used] = '\0';
}

int fault_set(struct fault *fault, const char *format, ...)
{
    if (fault == NULL)
        return -1;
    /* Not formatted in place: an argument may be fault->text itself. */
    char text[FAULT_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(text, sizeof text, format, arguments) < 0)
        text[0] = '\0';
    va_end(arguments);
    clean(text, fault->text);
    return -1;
}

int fault_prefix(struct fault *fault, const char *format, ...)
{
    if (fault == NULL)
        return -1;
    char where[FAULT_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(where, sizeof where, format, arguments) < 0)
        where[0] = '\0';
    va_end(arguments);
    return fault_set(fault, "%s: %s", where, fault->text);
}
