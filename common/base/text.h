/*
 * Small readers and writers of text: numbers, durations, names, the nearest known word.
 * Pure; no allocation; outputs are written on success only.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

#define NAME_SIZE 64 /* a site's or operator's name with its NUL */

/* Copies `from` into `to`; false (and an empty `to`) when it does not fit. */
bool text_copy(char *to, size_t size, const char *from);

/* A decimal number without sign, blank or leading zero, min <= value <= max. */
bool text_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* "250ms", "30s", "5m", "72h", "7d", or sums such as "1h30m"; a bare "0" is zero. */
int text_parse_duration_ms(const char *text, uint64_t *ms, struct fault *fault) MUST_CHECK;
/* The shortest exact form of the above: 259200000 -> "3d", 5400000 -> "1h30m". */
void text_format_duration_ms(uint64_t ms, char *text, size_t size);
/* Bytes a second: "500k", "10M", "1.5MB/s", "64Ki"; k, M, G are powers of ten.  Never 0. */
int text_parse_rate(const char *text, uint64_t *bytes, struct fault *fault) MUST_CHECK;
/* The shortest exact form of the above: 10000000 -> "10M", 65536 -> "64Ki". */
void text_format_rate(uint64_t bytes, char *text, size_t size);
/* For tables: "17s", "4m", "3h12m", "12d". */
void text_format_age_s(uint64_t seconds, char *text, size_t size);
/* For tables: "812 B", "1.4 KiB", "3.2 GiB". */
void text_format_bytes(uint64_t bytes, char *text, size_t size);

/* The word of `words` (count of them) that a person most likely meant, or NULL when none is
 * near (more than a third of the letters differ). */
const char *text_nearest(const char *word, const char *const *words, size_t count);

/* A site's or operator's name: lowercase host name (RFC 1123) of at most 63 characters: letters,
 * digits, '-' and '.', beginning and ending with a letter or digit; `enrol` is reserved.
 * The sentence says which rule was broken. */
int name_check(const char *name, struct fault *fault) MUST_CHECK;

/* Lower-case hexadecimal; `text` holds 2 * length + 1. */
void text_hex(const uint8_t *bytes, size_t length, char *text);
/* RFC 4648 base64 without line breaks.  encode: `text` holds 4 * ((length + 2) / 3) + 1. */
void text_base64_encode(const uint8_t *bytes, size_t length, char *text);
/* Strict; returns the count of bytes, or -1 when malformed or longer than `size`. */
long text_base64_decode(const char *text, size_t length, uint8_t *bytes, size_t size);

/* The UTF-8 character that `text` (`length` bytes) begins with: its width in bytes, or 0 when it
 * is malformed, overlong or cut. */
size_t text_utf8_decode(const char *text, size_t length, uint32_t *character);
/* May a person's terminal be shown it as it is?  Not controls, line separators and what changes
 * the direction of writing. */
bool text_is_printable(uint32_t character);

#endif
