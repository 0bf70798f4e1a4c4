/*
 * Two clocks that must not be confused: monotonic for timers, wall time for people and expiry.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_TEXT_SIZE 32

uint64_t clock_monotonic_ms(void);
/* Processor time that this thread has used. */
uint64_t clock_processor_us(void);
int64_t clock_wall_s(void);
int64_t clock_wall_ms(void);

/* RFC 3339 in UTC: "2026-11-20T20:45:01Z".  Returns `text`. */
char *clock_format(int64_t wall_s, char text[CLOCK_TEXT_SIZE]);
/* Exactly that form; false otherwise. */
bool clock_parse(const char *text, int64_t *wall_s);

#endif
