/*
 * Tables, blocks and JSON.  A table is measured, then printed; no line is wrapped or cut, but on a
 * terminal that is too narrow columns are left out in which nothing stands.  One character counts
 * as one column, which is true of all that the hub writes itself.
 */
#define _GNU_SOURCE
#include "tunnelctl/output.h"

#include <string.h>
#include <sys/ioctl.h>

#include "base/text.h"
#include "tunnelctl/cell.h"

#define COLUMNS_MAX 16
#define GAP         "  "

void output_json(FILE *out, const json_t *data)
{
    /* ASCII, because JSON leaves C1 controls as they are. */
    json_dumpf(data, out, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
    fputc('\n', out);
}

/* Nearly all that is printed; other characters are looked at one by one. */
static size_t plain_length(const char *text)
{
    size_t length = 0;
    while (text[length] >= 0x20 && text[length] < 0x7f)
        length++;
    return length;
}

size_t output_text(FILE *out, const char *text)
{
    size_t width = plain_length(text);
    if (out && width > 0)
        fwrite(text, 1, width, out);
    text += width;
    for (size_t left = strlen(text); left > 0; width++) {
        uint32_t character;
        size_t length = text_utf8_decode(text, left, &character);
        bool shown = length > 0 && text_is_printable(character);
        if (length == 0)
            length = 1;
        if (out && shown)
            fwrite(text, 1, length, out);
        else if (out)
            fputc('?', out);
        text += length;
        left -= length;
    }
    return width;
}

static void pad(FILE *out, size_t from, size_t to)
{
    static const char blanks[] = "                                        ";
    while (from < to) {
        size_t count = to - from < sizeof(blanks) - 1 ? to - from : sizeof(blanks) - 1;
        fwrite(blanks, 1, count, out);
        from += count;
    }
}

static void print_cell(FILE *out, const char *text, size_t width, bool right, bool last)
{
    size_t wanted = output_text(NULL, text);
    if (right)
        pad(out, wanted, width);
    output_text(out, text);
    if (!right && !last)
        pad(out, wanted, width);
}

static void cell_of(const struct column *column, const json_t *row, char text[CELL_SIZE])
{
    cell_write(column->write ? column->write : cell_text, json_object_get(row, column->key), text);
}

/* Widths by column, 0 of one that is left out; `full` where something stands. */
struct measures {
    size_t count, widths[COLUMNS_MAX];
    bool full[COLUMNS_MAX];
};

static void measure(const struct column *columns, const json_t *rows, struct measures *measures)
{
    size_t count = 0;
    char text[CELL_SIZE];
    *measures = (struct measures){.count = 0};
    for (; columns[count].title && count < COLUMNS_MAX; count++) {
        measures->widths[count] = strlen(columns[count].title);
        for (size_t i = 0; i < json_array_size(rows); i++) {
            cell_of(&columns[count], json_array_get(rows, i), text);
            size_t width = output_text(NULL, text);
            if (width > measures->widths[count])
                measures->widths[count] = width;
            measures->full[count] |= strcmp(text, "-") != 0;
        }
    }
    measures->count = count;
}

/* 0: it is no terminal. */
static size_t terminal_width(FILE *out)
{
    struct winsize size = {0};
    return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static void fit(struct measures *measures, size_t room)
{
    size_t total = 0;
    for (size_t i = 0; i < measures->count; i++)
        total += measures->widths[i] + strlen(GAP);
    for (size_t i = measures->count; i-- > 0 && total > room + strlen(GAP);) {
        if (measures->full[i])
            continue;
        total -= measures->widths[i] + strlen(GAP);
        measures->widths[i] = 0;
    }
    while (measures->count > 0 && measures->widths[measures->count - 1] == 0)
        measures->count--;
}

/* A row, or with NULL the header. */
static void print_row(FILE *out, const struct column *columns, const struct measures *measures,
                      const json_t *row)
{
    char text[CELL_SIZE];
    for (size_t i = 0; i < measures->count; i++) {
        if (measures->widths[i] == 0)
            continue;
        if (row)
            cell_of(&columns[i], row, text);
        else
            snprintf(text, sizeof(text), "%s", columns[i].title);
        if (i > 0)
            fputs(GAP, out);
        print_cell(out, text, measures->widths[i], columns[i].right, i + 1 == measures->count);
    }
    fputc('\n', out);
}

void output_table(FILE *out, const struct listing *listing, const json_t *rows)
{
    struct measures measures;
    if (json_array_size(rows) == 0) {
        fprintf(out, "%s\n", listing->empty);
        return;
    }
    measure(listing->columns, rows, &measures);
    size_t room = terminal_width(out);
    if (room > 0)
        fit(&measures, room);
    print_row(out, listing->columns, &measures, NULL);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        print_row(out, listing->columns, &measures, row);
        const char *note =
            listing->note ? json_string_value(json_object_get(row, listing->note)) : NULL;
        if (note && *note) {
            fputs("    -> ", out);
            output_text(out, note);
            fputc('\n', out);
        }
    }
}

static void print_entries(FILE *out, cell_writer *write, const json_t *list, size_t indent)
{
    char text[CELL_SIZE];
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (i > 0)
            pad(out, 0, indent);
        cell_write(write, json_array_get(list, i), text);
        output_text(out, text);
        fputc('\n', out);
    }
}

void output_block(FILE *out, const struct column *fields, const json_t *data)
{
    size_t widest = 0;
    char text[CELL_SIZE];
    for (const struct column *f = fields; f->title; f++)
        if (strlen(f->title) > widest)
            widest = strlen(f->title);
    for (const struct column *f = fields; f->title; f++) {
        const json_t *value = json_object_get(data, f->key);
        cell_writer *write = f->write ? f->write : cell_text;
        fprintf(out, "%-*s" GAP, (int)widest, f->title);
        if (json_array_size(value) > 0) {
            print_entries(out, write, value, widest + strlen(GAP));
            continue;
        }
        cell_write(json_is_array(value) ? cell_text : write, value, text);
        output_text(out, text);
        fputc('\n', out);
    }
}

void output_sections(FILE *out, const struct section *sections, const json_t *data)
{
    for (; sections && sections->title; sections++) {
        const json_t *rows = json_object_get(data, sections->key);
        if (json_array_size(rows) == 0)
            continue;
        fprintf(out, "\n%s:\n", sections->title);
        output_table(out, sections->listing, rows);
    }
}
