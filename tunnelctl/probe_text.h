/*
 * What `probe` reads and shows, as pure functions: bytes as text and back, and what a refusal of
 * the hub means.
 */
#ifndef TUNNELCTL_PROBE_TEXT_H
#define TUNNELCTL_PROBE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

#define SHOWN_SIZE 128

/* In quotes, with \r \n \t \" \\ and \xHH; no more than 40 columns of it, then "...".  Returns
 * `text`. */
char *bytes_show(const uint8_t *bytes, size_t length, char text[SHOWN_SIZE]);
/* Reads \r \n \t \0 \" \\ \xHH; *length is at most strlen(text). */
int bytes_read(const char *text, uint8_t *bytes, size_t *length, struct fault *fault) MUST_CHECK;

struct refusal {
    const char *reason; /* behind the known beginning */
    const char *advice;
    bool of_the_site; /* the hub tried; else it never asked the site */
};

/* Parts of `text` and constants. */
struct refusal refusal_read(const char *text);

#endif
