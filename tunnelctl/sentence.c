/* Filling the places of a sentence.  The sentences are ours; what fills them is cleaned. */
#define _GNU_SOURCE
#include "tunnelctl/sentence.h"

#include <string.h>

#include "tunnelctl/cell.h"
#include "tunnelctl/output.h"

#define PLACE_SIZE 64

static void print_place(FILE *out, char *place, const json_t *typed, const json_t *data)
{
    char text[CELL_SIZE];
    char *word = strchr(place, '|');
    if (word)
        *word++ = '\0';
    const json_t *value = json_object_get(typed, place);
    if (!value)
        value = json_object_get(data, place);
    if (!word) {
        cell_write(cell_text, value, text);
        output_text(out, text);
        return;
    }
    json_int_t count =
        json_is_array(value) ? (json_int_t)json_array_size(value) : json_integer_value(value);
    fprintf(out, "%" JSON_INTEGER_FORMAT " %s%s", count, word, count == 1 ? "" : "s");
}

void sentence_print(FILE *out, const char *sentence, const json_t *typed, const json_t *data)
{
    while (*sentence) {
        size_t plain = strcspn(sentence, "{");
        fwrite(sentence, 1, plain, out);
        sentence += plain;
        size_t length = strcspn(sentence, "}");
        if (!*sentence || !sentence[length])
            break;
        char place[PLACE_SIZE];
        snprintf(place, sizeof(place), "%.*s", (int)length - 1, sentence + 1);
        print_place(out, place, typed, data);
        sentence += length + 1;
    }
}
