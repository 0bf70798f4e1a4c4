/*
 * The file of `export` and `apply`: YAML for people, whose durations and rates are written as on
 * the command line, and the hub's JSON document (tunneld/parent/document.h).
 */
#ifndef TUNNELCTL_DOCUMENT_H
#define TUNNELCTL_DOCUMENT_H

#include <jansson.h>
#include <stdio.h>

#include "base/fault.h"

#define DOCUMENT_FILE_MAX (16u << 20)

/* `where` names the file in faults ("sites.yaml:3:7: ..."). */
int document_parse(const char *text, size_t length, const char *where, json_t **out,
                   struct fault *fault) MUST_CHECK;
void document_print(FILE *out, const json_t *document);

#endif
