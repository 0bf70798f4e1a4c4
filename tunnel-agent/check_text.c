/*
 * Reading what a peer sent: is it SSH at all, and what does the hub's `status` say.  Strict where a
 * mistake would turn into a wrong verdict; nothing here talks to anybody.
 */
#define _GNU_SOURCE
#include "check_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define BANNER_START 4 /* "SSH-" */
#define NOT_OF_A_HUB "the answer to 'status' is not that of a hub"

enum banner banner_judge(const char *bytes, size_t length, bool last)
{
    static const char *const VERSIONS[] = {"SSH-2.0-", "SSH-1.99-"};
    size_t start = length < BANNER_START ? length : BANNER_START;
    bool whole = memchr(bytes, '\n', length) != NULL;
    if (!whole && !last && length < BANNER_SIZE)
        return BANNER_MORE;
    if (!whole || memcmp(bytes, "SSH-", start) != 0)
        return BANNER_OTHER;
    for (size_t i = 0; i < sizeof VERSIONS / sizeof VERSIONS[0]; i++) {
        size_t wanted = strlen(VERSIONS[i]);
        if (length > wanted && memcmp(bytes, VERSIONS[i], wanted) == 0)
            return BANNER_SSH;
    }
    return BANNER_OTHER;
}

char *banner_line(const char *bytes, size_t length, char line[BANNER_SIZE])
{
    size_t used = 0;
    while (used < length && used < BANNER_SIZE - 1 && bytes[used] != '\n' && bytes[used] != '\r') {
        line[used] = bytes[used] != '\0' ? bytes[used] : '?';
        used++;
    }
    line[used] = '\0';
    return line;
}

/* --- the hub's status --------------------------------------------------------------------------
 */

/* The line that begins with `start`; NULL: there is none. */
static const char *find_line(const char *text, const char *start)
{
    size_t length = strlen(start);
    while (text != NULL && strncmp(text, start, length) != 0) {
        text = strchr(text, '\n');
        text = text != NULL ? text + 1 : NULL;
    }
    return text;
}

static bool take_word(const char **rest, const char *end, char *word, size_t size)
{
    const char *from = *rest;
    while (from < end && *from == ' ')
        from++;
    size_t length = 0;
    while (from + length < end && from[length] != ' ')
        length++;
    if (length == 0 || length >= size)
        return false;
    memcpy(word, from, length);
    word[length] = '\0';
    *rest = from + length;
    return true;
}

/* "  LISTEN -> TARGET  STATE[: REASON]" */
static bool read_forward(const char *line, const char *end, struct granted *out)
{
    char arrow[3], target[HOST_PORT_SIZE];
    const char *rest = line;
    *out = (struct granted){.listen = ""};
    if (!take_word(&rest, end, out->listen, sizeof out->listen) ||
        !take_word(&rest, end, arrow, sizeof arrow) || strcmp(arrow, "->") != 0 ||
        !take_word(&rest, end, target, sizeof target) ||
        host_port_parse(target, false, &out->target, NULL) != 0 ||
        !take_word(&rest, end, out->state, sizeof out->state))
        return false;
    size_t length = strlen(out->state);
    if (out->state[length - 1] == ':')
        out->state[length - 1] = '\0';
    while (rest < end && *rest == ' ')
        rest++;
    snprintf(out->reason, sizeof out->reason, "%.*s", (int)(end - rest), rest);
    return true;
}

/* The lines of the list are indented; the list ends with it. */
static int read_forwards(const char *line, struct granted *list, size_t most, size_t *count)
{
    static const char more[] = "  ... and ";
    *count = 0;
    while (strncmp(line, "  ", 2) == 0 && strncmp(line, more, sizeof more - 1) != 0) {
        const char *end = strchrnul(line, '\n');
        if (*count == most || !read_forward(line, end, &list[*count]))
            return -1;
        (*count)++;
        line = *end != '\0' ? end + 1 : end;
    }
    return 0;
}

static size_t count_lines(const char *text)
{
    size_t lines = 1;
    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines < GRANTED_MAX ? lines : GRANTED_MAX;
}

/* The list under a heading; `head` is that line. */
static int read_section(const char *head, struct granted **out, size_t *count, struct fault *fault)
{
    const char *list = strchrnul(head, '\n');
    size_t most = count_lines(list);
    struct granted *granted = calloc(most, sizeof *granted);
    if (granted == NULL)
        return fault_set(fault, "out of memory");
    size_t found;
    if (*list != '\0' && read_forwards(list + 1, granted, most, &found) != 0) {
        free(granted);
        return fault_set(fault, NOT_OF_A_HUB ": its list of %.*s is damaged",
                         (int)strcspn(head, ":"), head);
    }
    if (*list == '\0')
        found = 0;
    if (found == 0) {
        free(granted);
        granted = NULL;
    }
    *out = granted;
    *count = found;
    return 0;
}

int status_forwards(const char *text, struct granted **out, size_t *count, struct fault *fault)
{
    const char *head = find_line(text, "forwards:");
    if (find_line(text, "site ") == NULL || head == NULL)
        return fault_set(fault, NOT_OF_A_HUB);
    return read_section(head, out, count, fault);
}

int status_outbound(const char *text, struct granted **out, size_t *count, struct fault *fault)
{
    const char *head = find_line(text, "outbound:");
    if (head != NULL)
        return read_section(head, out, count, fault);
    *out = NULL;
    *count = 0;
    return 0;
}

bool status_time(const char *text, int64_t *wall_s)
{
    static const char since[] = " since ";
    char time[CLOCK_TEXT_SIZE];
    const char *line = find_line(text, "this session ");
    if (line == NULL)
        return false;
    const char *end = strchrnul(line, '\n');
    const char *found = memmem(line, (size_t)(end - line), since, sizeof since - 1);
    if (found == NULL)
        return false;
    found += sizeof since - 1;
    snprintf(time, sizeof time, "%.*s", (int)(end - found), found);
    return clock_parse(time, wall_s);
}
