/*
 * Reading, writing and applying scopes.  Whether there is such a site, or such a port, is nobody's
 * business here: a scope may name what is yet to come.
 */
#define _GNU_SOURCE
#include "parent/scope.h"

#include <stdio.h>
#include <string.h>

/* Where it fails behind a '*', that one takes a letter more: never worse than the product of the
 * two lengths. */
bool glob_matches(const char *glob, const char *name)
{
    const char *star = NULL, *retry = NULL;
    while (*name != '\0') {
        if (*glob == '*') {
            star = ++glob;
            retry = name;
        } else if (*glob == '?' || *glob == *name) {
            glob++;
            name++;
        } else if (star) {
            glob = star;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}

static bool is_glob_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c != '\0' && strchr("-.*?", c));
}

static int check_glob(const char *text, size_t length, struct fault *fault)
{
    if (length == 0)
        return fault_set(fault, "scope '%.80s' names no site; '*' stands for all of them", text);
    if (length >= NAME_SIZE)
        return fault_set(fault, "scope '%.80s' is longer than a site's name can be", text);
    for (size_t i = 0; i < length; i++) {
        if (!is_glob_character(text[i]))
            return fault_set(fault,
                             "scope '%.80s' is not GLOB[:PORT]: sites' names have a-z, 0-9, '-' "
                             "and '.', and GLOB may have '*' and '?' besides",
                             text);
    }
    return 0;
}

static int scope_parse(const char *text, struct scope *out, struct fault *fault)
{
    struct scope scope = {.port = 0};
    size_t length = strcspn(text, ":");
    if (check_glob(text, length, fault) != 0)
        return -1;
    memcpy(scope.glob, text, length);
    if (text[length] == ':') {
        uint64_t port;
        if (!text_parse_number(text + length + 1, 1, UINT16_MAX, &port))
            return fault_set(fault, "scope '%.80s': a port is a number from 1 to 65535", text);
        scope.port = (uint16_t)port;
    }
    *out = scope;
    return 0;
}

int scopes_add(struct scopes *scopes, const char *text, struct fault *fault)
{
    struct scope scope = {.port = 0};
    if (scope_parse(text, &scope, fault) != 0)
        return -1;
    for (size_t i = 0; i < scopes->count; i++) {
        if (scopes->items[i].port == scope.port && strcmp(scopes->items[i].glob, scope.glob) == 0)
            return 0;
    }
    if (scopes->count == SCOPES_MAX)
        return fault_set(fault, "an operator may have %d scopes, and no more", SCOPES_MAX);
    scopes->items[scopes->count++] = scope;
    return 0;
}

int scopes_parse(const char *text, struct scopes *out, struct fault *fault)
{
    struct scopes scopes = {.count = 0};
    while (*(text += strspn(text, " ")) != '\0') {
        char word[SCOPE_TEXT_SIZE];
        size_t length = strcspn(text, " ");
        if (length >= sizeof word)
            return fault_set(fault, "scope '%.80s' is longer than one can be", text);
        memcpy(word, text, length);
        word[length] = '\0';
        if (scopes_add(&scopes, word, fault) != 0)
            return -1;
        text += length;
    }
    *out = scopes;
    return 0;
}

char *scope_format(const struct scope *scope, char text[SCOPE_TEXT_SIZE])
{
    if (scope->port != 0)
        (void)snprintf(text, SCOPE_TEXT_SIZE, "%s:%u", scope->glob, (unsigned)scope->port);
    else
        (void)snprintf(text, SCOPE_TEXT_SIZE, "%s", scope->glob);
    return text;
}

char *scopes_format(const struct scopes *scopes, char text[SCOPES_TEXT_MAX])
{
    char *end = text;
    *end = '\0';
    for (size_t i = 0; i < scopes->count; i++) {
        if (i > 0)
            *end++ = ' ';
        end += strlen(scope_format(&scopes->items[i], end));
    }
    return text;
}

bool scopes_allow(const struct scopes *scopes, const char *site, uint16_t port)
{
    for (size_t i = 0; i < scopes->count; i++) {
        const struct scope *scope = &scopes->items[i];
        if ((scope->port == 0 || scope->port == port) && glob_matches(scope->glob, site))
            return true;
    }
    return false;
}
