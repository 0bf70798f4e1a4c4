/*
 * The two clocks, and wall time as RFC 3339 text.  No time zones: everything is UTC.
 */
#define _GNU_SOURCE
#include "base/clock.h"

#include <string.h>
#include <time.h>

#define FIRST_SECOND (-62135596800) /* 0001-01-01T00:00:00Z */
#define LAST_SECOND  253402300799   /* 9999-12-31T23:59:59Z */

static const char form[] = "0000-00-00T00:00:00Z";

static int64_t milliseconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t clock_monotonic_ms(void)
{
    return (uint64_t)milliseconds(CLOCK_MONOTONIC);
}

uint64_t clock_processor_us(void)
{
    struct timespec used = {0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    return milliseconds(CLOCK_REALTIME);
}

int64_t clock_wall_s(void)
{
    return clock_wall_ms() / 1000;
}

/* The last `count` digits of a number that has no more, with zeros before them.  Lists of thousands
 * of times are written with it; strftime does not pad years before 1000 either. */
static void write_digits(char *text, size_t count, int number)
{
    for (; count > 0; number /= 10)
        text[--count] = (char)('0' + number % 10);
}

char *clock_format(int64_t wall_s, char text[CLOCK_TEXT_SIZE])
{
    if (wall_s < FIRST_SECOND)
        wall_s = FIRST_SECOND;
    if (wall_s > LAST_SECOND)
        wall_s = LAST_SECOND;
    time_t seconds = (time_t)wall_s;
    struct tm utc;
    gmtime_r(&seconds, &utc);
    memcpy(text, form, sizeof form);
    write_digits(text, 4, utc.tm_year + 1900);
    write_digits(text + 5, 2, utc.tm_mon + 1);
    write_digits(text + 8, 2, utc.tm_mday);
    write_digits(text + 11, 2, utc.tm_hour);
    write_digits(text + 14, 2, utc.tm_min);
    write_digits(text + 17, 2, utc.tm_sec);
    return text;
}

/* The digits at text[at..at+count-1], which clock_parse has checked. */
static int digits(const char *text, size_t at, size_t count)
{
    int value = 0;
    for (size_t i = at; i < at + count; i++)
        value = value * 10 + (text[i] - '0');
    return value;
}

bool clock_parse(const char *text, int64_t *wall_s)
{
    if (strlen(text) != sizeof form - 1)
        return false;
    for (size_t i = 0; i < sizeof form - 1; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == '0' ? !digit : text[i] != form[i])
            return false;
    }
    struct tm utc = {.tm_year = digits(text, 0, 4) - 1900,
                     .tm_mon = digits(text, 5, 2) - 1,
                     .tm_mday = digits(text, 8, 2),
                     .tm_hour = digits(text, 11, 2),
                     .tm_min = digits(text, 14, 2),
                     .tm_sec = digits(text, 17, 2)};
    int64_t seconds = (int64_t)timegm(&utc);
    /* timegm takes 30 February for 2 March; such a date does not come back as it went in. */
    char again[CLOCK_TEXT_SIZE];
    if (strcmp(clock_format(seconds, again), text) != 0)
        return false;
    *wall_s = seconds;
    return true;
}
