/* Escapes, and the beginnings of the hub's refusals.  Nothing here talks to anybody. */
#define _GNU_SOURCE
#include "tunnelctl/probe_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 40

static const struct {
    char letter, byte;
} escapes[] = {
    {'r', '\r'}, {'n', '\n'}, {'t', '\t'}, {'0', '\0'}, {'"', '"'}, {'\\', '\\'},
};
#define ESCAPES (sizeof(escapes) / sizeof(*escapes))

static void show_byte(uint8_t byte, char text[8])
{
    for (size_t i = 0; i < ESCAPES; i++) {
        if ((uint8_t)escapes[i].byte == byte) {
            snprintf(text, 8, "\\%c", escapes[i].letter);
            return;
        }
    }
    snprintf(text, 8, byte < 0x20 || byte > 0x7e ? "\\x%02x" : "%c", byte);
}

char *bytes_show(const uint8_t *bytes, size_t length, char text[SHOWN_SIZE])
{
    char one[8];
    size_t used = 1, at = 0;
    text[0] = '"';
    for (; at < length && used <= COLUMNS; at++) {
        show_byte(bytes[at], one);
        used += (size_t)snprintf(text + used, SHOWN_SIZE - used, "%s", one);
    }
    snprintf(text + used, SHOWN_SIZE - used, "\"%s", at < length ? "..." : "");
    return text;
}

/* Behind the backslash; 0: it is none. */
static size_t read_escape(const char *text, uint8_t *byte)
{
    if (text[0] == 'x' && isxdigit((unsigned char)text[1]) && isxdigit((unsigned char)text[2])) {
        const char digits[] = {text[1], text[2], '\0'};
        *byte = (uint8_t)strtoul(digits, NULL, 16);
        return 3;
    }
    for (size_t i = 0; i < ESCAPES; i++) {
        if (escapes[i].letter == text[0]) {
            *byte = (uint8_t)escapes[i].byte;
            return 1;
        }
    }
    return 0;
}

int bytes_read(const char *text, uint8_t *bytes, size_t *length, struct fault *fault)
{
    size_t used = 0;
    for (const char *c = text; *c;) {
        if (*c != '\\') {
            bytes[used++] = (uint8_t)*c++;
            continue;
        }
        size_t read = read_escape(c + 1, &bytes[used]);
        if (read == 0)
            return fault_set(fault,
                             "'%.4s' is no escape; there are \\r \\n \\t \\0 \\\" \\\\ \\xHH", c);
        used++;
        c += 1 + read;
    }
    *length = used;
    return 0;
}

struct refusal refusal_read(const char *text)
{
    static const struct {
        const char *beginning, *advice;
        bool of_the_site;
    } known[] = {
        {"no access: ",
         "'tunnelctl operator list' and 'port list' on the hub show who may reach what", false},
        {"offline: ", "start tunnel-agent at the site, or run 'tunnel-agent check' there", false},
        {"refused by the site: ", "see that the target runs, and that the agent may dial it", true},
        {"policy: ", "'tunnelctl port list' on the hub shows the policy", false},
        {"busy: ", "try again later, or raise the limit", false},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        size_t length = strlen(known[i].beginning);
        if (strncmp(text, known[i].beginning, length) == 0)
            return (struct refusal){text + length, known[i].advice, known[i].of_the_site};
    }
    return (struct refusal){text, "the log of the hub says more", false};
}
