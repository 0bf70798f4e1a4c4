/*
 * Scopes: which forwards an operator may reach, as GLOB[:PORT] over site names.  Pure.
 */
#ifndef PARENT_SCOPE_H
#define PARENT_SCOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/text.h"

#define SCOPES_MAX      32 /* of one operator */
#define SCOPE_TEXT_SIZE (NAME_SIZE + 6)
#define SCOPES_TEXT_MAX (SCOPES_MAX * SCOPE_TEXT_SIZE)

struct scope {
    char glob[NAME_SIZE]; /* '*': any letters, also none; '?': one; all else itself */
    uint16_t port;        /* 0: any */
};

struct scopes {
    size_t count;
    struct scope items[SCOPES_MAX];
};

bool glob_matches(const char *glob, const char *name);

/* Adds one; one that is there already is added only once. */
int scopes_add(struct scopes *scopes, const char *text, struct fault *fault) MUST_CHECK;
/* Of texts with a blank between, as scopes_format writes them. */
int scopes_parse(const char *text, struct scopes *out, struct fault *fault) MUST_CHECK;
char *scope_format(const struct scope *scope, char text[SCOPE_TEXT_SIZE]);
char *scopes_format(const struct scopes *scopes, char text[SCOPES_TEXT_MAX]);

bool scopes_allow(const struct scopes *scopes, const char *site, uint16_t port);

#endif
