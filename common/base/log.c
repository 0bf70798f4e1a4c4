/*
 * Log lines, as text for people or as JSON for collectors.  A line is built in a bounded buffer
 * and leaves in one write(2); what does not fit is left out and the line says `cut`.  No files,
 * no rotation, no syslog: standard error (log_output.c) belongs to whoever started the program.
 */
#define _GNU_SOURCE
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log_output.h"
#include "base/text.h"

#define TAIL_SIZE 32   /* kept free for the end of the line */
#define VALUE_MAX 1024 /* bytes of one value that are looked at */

struct line {
    char bytes[LOG_LINE_MAX];
    size_t length, limit;
    bool full;
};

static const char *const level_names[] = {"error", "warning", "info", "debug", "trace"};
static const char *const format_names[] = {"text", "json"};

static struct {
    const char *program;
    enum log_level level;
    enum log_format format;
    int scope; /* in place of `level`, or LOG_DEFAULT */
} logger = {"tunnel", LOG_INFO, LOG_TEXT, LOG_DEFAULT};

void log_open(const char *program, enum log_level level, enum log_format format)
{
    logger.program = program;
    logger.level = level;
    logger.format = format;
}

void log_set_level(enum log_level level)
{
    logger.level = level;
}

enum log_level log_get_level(void)
{
    return logger.level;
}

bool log_enabled(enum log_level level)
{
    return (int)level <= (logger.scope != LOG_DEFAULT ? logger.scope : (int)logger.level);
}

int log_scope(int level)
{
    int before = logger.scope;
    logger.scope = level;
    return before;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

static bool find(const char *name, const char *const *names, size_t count, size_t *index)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        *index = i;
        return true;
    }
    return false;
}

bool log_level_parse(const char *name, enum log_level *level)
{
    size_t index;
    if (!find(name, level_names, sizeof level_names / sizeof level_names[0], &index))
        return false;
    *level = (enum log_level)index;
    return true;
}

bool log_format_parse(const char *name, enum log_format *format)
{
    size_t index;
    if (!find(name, format_names, sizeof format_names / sizeof format_names[0], &index))
        return false;
    *format = (enum log_format)index;
    return true;
}

struct log_field log_field_text(const char *key, const char *value)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_TEXT, .value.text = value};
}

struct log_field log_field_signed(const char *key, int64_t value)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_SIGNED, .value.number = value};
}

struct log_field log_field_unsigned(const char *key, uint64_t value)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_UNSIGNED, .value.count = value};
}

static void put_bytes(struct line *line, const char *bytes, size_t length)
{
    if (line->full || line->length + length > line->limit) {
        line->full = true;
        return;
    }
    memcpy(line->bytes + line->length, bytes, length);
    line->length += length;
}

static void put(struct line *line, const char *text)
{
    put_bytes(line, text, strlen(text));
}

static void put_number(struct line *line, const struct log_field *field)
{
    char digits[24];
    if (field->type == LOG_FIELD_SIGNED)
        snprintf(digits, sizeof digits, "%" PRId64, field->value.number);
    else
        snprintf(digits, sizeof digits, "%" PRIu64, field->value.count);
    put(line, digits);
}

/* What may not stand in a line as it is: \n, \x1b (text), \u001b (JSON). */
static void put_escaped_byte(struct line *line, uint8_t byte, uint32_t character)
{
    char escape[16];
    if (byte == '\n' || byte == '\t')
        snprintf(escape, sizeof escape, "\\%c", byte == '\n' ? 'n' : 't');
    else if (logger.format == LOG_TEXT)
        snprintf(escape, sizeof escape, "\\x%02x", byte);
    else
        snprintf(escape, sizeof escape, "\\u%04x", (unsigned)(character & 0xffff));
    put(line, escape);
}

static void put_quoted(struct line *line, const char *text)
{
    size_t left = strnlen(text, VALUE_MAX + 1);
    bool cut = left > VALUE_MAX;
    if (cut)
        left = VALUE_MAX;
    while (left > 0) {
        uint32_t character = 0;
        size_t width = text_utf8_decode(text, left, &character);
        if (width == 0)
            character = 0xfffd; /* stands for a malformed byte */
        if (*text == '"' || *text == '\\')
            put(line, "\\");
        if (width > 0 && text_is_printable(character)) {
            put_bytes(line, text, width);
        } else {
            if (logger.format == LOG_TEXT || width == 0)
                width = 1; /* each byte apart */
            put_escaped_byte(line, (uint8_t)*text, character);
        }
        text += width;
        left -= width;
    }
    if (cut)
        put(line, "...");
}

/* May it stand without quotes?  A value is one word; a message may hold blanks. */
static bool is_plain(const char *text, bool message)
{
    if (text[0] == '\0' || strlen(text) > VALUE_MAX)
        return false;
    for (; *text != '\0'; text++) {
        bool word = *text > ' ' && *text < 0x7f && strchr("\"\\=", *text) == NULL;
        if (!word && !(message && *text == ' '))
            return false;
    }
    return true;
}

static void put_text_field(struct line *line, const struct log_field *field)
{
    bool message = field->key[0] == '\0';
    put(line, " ");
    if (!message) {
        put(line, field->key);
        put(line, "=");
    }
    if (field->type != LOG_FIELD_TEXT) {
        put_number(line, field);
        return;
    }
    const char *text = field->value.text != NULL ? field->value.text : "-";
    if (is_plain(text, message)) {
        put(line, text);
        return;
    }
    put(line, "\"");
    put_quoted(line, text);
    put(line, "\"");
}

static void put_json_field(struct line *line, const struct log_field *field)
{
    put(line, ",\"");
    put(line, field->key[0] == '\0' ? "message" : field->key);
    put(line, "\":");
    if (field->type != LOG_FIELD_TEXT) {
        put_number(line, field);
    } else if (field->value.text == NULL) {
        put(line, "null");
    } else {
        put(line, "\"");
        put_quoted(line, field->value.text);
        put(line, "\"");
    }
}

static void put_head(struct line *line, enum log_level level)
{
    char date[CLOCK_TEXT_SIZE];
    int64_t now_ms = clock_wall_ms();
    clock_format(now_ms / 1000, date);
    date[strlen(date) - 1] = '\0'; /* the Z goes behind the milliseconds */
    char head[256];
    if (logger.format == LOG_TEXT)
        snprintf(head, sizeof head, "%s.%03dZ %s %.64s", date, (int)(now_ms % 1000),
                 log_level_name(level), logger.program);
    else
        snprintf(head, sizeof head, "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"program\":\"%.64s\"",
                 date, (int)(now_ms % 1000), log_level_name(level), logger.program);
    put(line, head);
}

void log_write(enum log_level level, const struct log_field *fields)
{
    bool text = logger.format == LOG_TEXT;
    struct line line = {.limit = LOG_LINE_MAX - TAIL_SIZE};
    put_head(&line, level);
    bool cut = false;
    for (const struct log_field *field = fields; field->key != NULL; field++) {
        size_t before = line.length;
        if (text)
            put_text_field(&line, field);
        else
            put_json_field(&line, field);
        if (!line.full)
            continue;
        /* A field is there whole or not at all. */
        line.length = before;
        line.full = false;
        cut = true;
    }
    line.limit = LOG_LINE_MAX;
    if (cut)
        put(&line, text ? " cut=1" : ",\"cut\":1");
    put(&line, text ? "\n" : "}\n");
    log_output(line.bytes, line.length);
}

/* Where `text` ends in `line`, or NULL when it does not stand there. */
static const char *behind(const char *line, const char *end, const char *text)
{
    size_t length = strlen(text);
    if (!line || (size_t)(end - line) < length || memcmp(line, text, length) != 0)
        return NULL;
    return line + length;
}

static bool all_printable(const char *line, size_t length)
{
    while (length > 0) {
        uint32_t character = 0;
        size_t width = text_utf8_decode(line, length, &character);
        if (width == 0 || !text_is_printable(character))
            return false;
        line += width;
        length -= width;
    }
    return true;
}

bool log_is_line_of(const char *program, const char *line, size_t length)
{
    static const char date[] = "0000-00-00T00:00:00.000Z";
    bool text = logger.format == LOG_TEXT;
    const char *end = line + length, *at = text ? line : behind(line, end, "{\"time\":\"");
    if (!at || (size_t)(end - at) < strlen(date) || length >= LOG_LINE_MAX)
        return false;
    for (size_t i = 0; date[i] != '\0'; i++, at++) {
        if (date[i] == '0' ? *at < '0' || *at > '9' : *at != date[i])
            return false;
    }
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        char head[128];
        (void)snprintf(head, sizeof head,
                       text ? " %s %.64s " : "\",\"level\":\"%s\",\"program\":\"%.64s\",",
                       level_names[i], program);
        if (behind(at, end, head))
            return (text || end[-1] == '}') && all_printable(line, length);
    }
    return false;
}
