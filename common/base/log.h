/*
 * Log lines: subject first, then what happened, then the figures, in the order of the call.
 *
 *   log_info(KV("site", name), KV("forward", port), SAY("closed"), KV("bytes_in", n));
 *   2026-11-20T20:45:01.123Z info tunneld[1] site=hannover forward=8443 closed bytes_in=17
 *
 * Programs log, libraries return.  A line is one write(2) to standard error.  Values are quoted and
 * escaped where they hold anything but plain printable words: what a peer sent cannot forge a line.
 * Never key material, never a token.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG, LOG_TRACE };
enum log_format { LOG_TEXT, LOG_JSON };

#define LOG_LINE_MAX 4096 /* with its newline; PIPE_BUF: a pipe takes it whole */

struct log_field {
    const char *key; /* "" is the message itself, NULL ends the list */
    enum { LOG_FIELD_TEXT, LOG_FIELD_SIGNED, LOG_FIELD_UNSIGNED } type;
    union {
        const char *text;
        int64_t number;
        uint64_t count;
    } value;
};

/* `program` (borrowed for ever) stands in every line, as "tunneld", "tunneld[1]"... */
void log_open(const char *program, enum log_level level, enum log_format format);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_enabled(enum log_level level);
/* While one subject is handled, lines may have a level of their own: it holds in place of the
 * program's until another call, which is given what this one returns. */
#define LOG_DEFAULT (-1) /* the program's */
int log_scope(int level);

const char *log_level_name(enum log_level level);
/* "error" ... "trace"; false leaves *level alone. */
bool log_level_parse(const char *name, enum log_level *level);
bool log_format_parse(const char *name, enum log_format *format);

/* `fields` ends with a field whose key is NULL.  Use the macros below. */
void log_write(enum log_level level, const struct log_field *fields);

/* A line that somebody else wrote: is it printable, and one that `program` could have written in
 * the format of ours (without its newline)?  Nothing more is believed of it. */
bool log_is_line_of(const char *program, const char *line, size_t length);

struct log_field log_field_text(const char *key, const char *value);
struct log_field log_field_signed(const char *key, int64_t value);
struct log_field log_field_unsigned(const char *key, uint64_t value);

#define KV(key, value)                                                                             \
    _Generic((value),                                                                              \
        char *: log_field_text,                                                                    \
        const char *: log_field_text,                                                              \
        int: log_field_signed,                                                                     \
        long: log_field_signed,                                                                    \
        long long: log_field_signed,                                                               \
        default: log_field_unsigned)(key, value)
#define SAY(text) log_field_text("", text)

#define LOG_AT(level, ...)                                                                         \
    do {                                                                                           \
        if (log_enabled(level))                                                                    \
            log_write(level, (const struct log_field[]){__VA_ARGS__, {0}});                        \
    } while (0)
#define log_error(...)   LOG_AT(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) LOG_AT(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    LOG_AT(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   LOG_AT(LOG_DEBUG, __VA_ARGS__)
#define log_trace(...)   LOG_AT(LOG_TRACE, __VA_ARGS__)

#endif
