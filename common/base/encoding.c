/*
 * Bytes as text: hexadecimal, base64 (RFC 4648), and the characters of UTF-8 (RFC 3629).
 * Strict on the way in: one value has one spelling.
 */
#include <string.h>

#include "base/text.h"

static const char base64_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void text_hex(const uint8_t *bytes, size_t length, char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        *text++ = digits[bytes[i] >> 4];
        *text++ = digits[bytes[i] & 15];
    }
    *text = '\0';
}

void text_base64_encode(const uint8_t *bytes, size_t length, char *text)
{
    for (size_t i = 0; i < length; i += 3) {
        size_t have = length - i < 3 ? length - i : 3;
        uint32_t group = (uint32_t)bytes[i] << 16;
        if (have > 1)
            group |= (uint32_t)bytes[i + 1] << 8;
        if (have > 2)
            group |= bytes[i + 2];
        *text++ = base64_letters[group >> 18];
        *text++ = base64_letters[group >> 12 & 63];
        *text++ = have > 1 ? base64_letters[group >> 6 & 63] : '=';
        *text++ = have > 2 ? base64_letters[group & 63] : '=';
    }
    *text = '\0';
}

static int base64_value(char c)
{
    const char *at = c != '\0' ? strchr(base64_letters, c) : NULL;
    return at != NULL ? (int)(at - base64_letters) : -1;
}

long text_base64_decode(const char *text, size_t length, uint8_t *bytes, size_t size)
{
    if (length % 4 != 0)
        return -1;
    size_t padding = 0;
    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    size_t wanted = length / 4 * 3 - padding;
    if (wanted > size)
        return -1;
    uint32_t bits = 0;
    unsigned count = 0;
    size_t used = 0;
    for (size_t i = 0; i < length - padding; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            return -1;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        bytes[used++] = (uint8_t)(bits >> count);
        bits &= (1u << count) - 1;
    }
    return bits == 0 ? (long)used : -1;
}

/* What the first byte says: how many bytes follow it, and which bits are its own. */
struct utf8_form {
    uint8_t mask, lead;
    size_t width;
    uint32_t least; /* a smaller value has a shorter spelling: overlong */
};

size_t text_utf8_decode(const char *text, size_t length, uint32_t *character)
{
    static const struct utf8_form forms[] = {
        {0x80, 0x00, 1, 0},
        {0xe0, 0xc0, 2, 0x80},
        {0xf0, 0xe0, 3, 0x800},
        {0xf8, 0xf0, 4, 0x10000},
    };
    if (length == 0)
        return 0;
    uint8_t lead = (uint8_t)text[0];
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if ((lead & forms[i].mask) != forms[i].lead)
            continue;
        if (forms[i].width > length)
            return 0;
        uint32_t value = lead & (uint8_t)~forms[i].mask;
        for (size_t j = 1; j < forms[i].width; j++) {
            uint8_t byte = (uint8_t)text[j];
            if ((byte & 0xc0) != 0x80)
                return 0;
            value = value << 6 | (byte & 0x3f);
        }
        if (value < forms[i].least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
            return 0;
        *character = value;
        return forms[i].width;
    }
    return 0;
}

bool text_is_printable(uint32_t character)
{
    static const struct {
        uint32_t first, last;
    } refused[] = {
        {0, 0x1f},        {0x7f, 0x9f},     {0x200e, 0x200f}, {0x2028, 0x202e},   {0x2066, 0x2069},
        {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0xe007f},
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (character >= refused[i].first && character <= refused[i].last)
            return false;
    return true;
}
