/*
 * Writing one scalar so that yaml_parse reads the same text again.  The rules are those of
 * YAML 1.1, narrowed: plain only for words that no reader could take for anything else.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "config/yaml.h"

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Words that other readers of YAML take for a boolean or for nothing. */
static bool is_reserved(const char *text)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on",
                                        "off",  "null",  "y",   "n"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

/* Letters and digits, with the signs of paths, keys, names and host:port between them. */
static bool is_plain(const char *text)
{
    if (!is_letter_or_digit(text[0]) && text[0] != '/')
        return false;
    for (size_t i = 1; text[i] != '\0'; i++) {
        if (is_letter_or_digit(text[i]) || strchr("._/+=@-", text[i]) != NULL)
            continue;
        /* "a: b" and "a #b" mean something else, "a:b" and "a b" do not. */
        if ((text[i] != ':' && text[i] != ' ') || !is_letter_or_digit(text[i + 1]))
            return false;
    }
    return !is_reserved(text);
}

static void write_escaped(FILE *out, uint32_t character)
{
    if (character == '\n')
        fputs("\\n", out);
    else if (character == '\t')
        fputs("\\t", out);
    else if (character == '"' || character == '\\')
        fprintf(out, "\\%c", (int)character);
    else if (character <= 0xffff)
        fprintf(out, "\\u%04x", (unsigned)character);
    else
        fprintf(out, "\\U%08x", (unsigned)character);
}

void yaml_write_scalar(FILE *out, const char *text)
{
    if (is_plain(text)) {
        fputs(text, out);
        return;
    }
    size_t left = strlen(text);
    fputc('"', out);
    while (left > 0) {
        uint32_t character = 0;
        size_t width = text_utf8_decode(text, left, &character);
        if (width == 0) {
            character = 0xfffd;
            width = 1;
            write_escaped(out, character);
        } else if (character == '"' || character == '\\' || !text_is_printable(character)) {
            write_escaped(out, character);
        } else {
            fwrite(text, 1, width, out);
        }
        text += width;
        left -= width;
    }
    fputc('"', out);
}

char *yaml_quote(const char *text)
{
    char *quoted = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&quoted, &size);
    if (out == NULL)
        return NULL;
    yaml_write_scalar(out, text);
    if (fclose(out) == 0)
        return quoted;
    free(quoted);
    return NULL;
}
