/*
 * What the hub answered, for people or as JSON.  What came over the wire is cleaned before a
 * terminal sees it: it may quote what a stranger sent.
 */
#ifndef TUNNELCTL_OUTPUT_H
#define TUNNELCTL_OUTPUT_H

#include "tunnelctl/command.h"

/* Indented JSON and a newline. */
void output_json(FILE *out, const json_t *data);
/* Text with what is not printable replaced by '?'; returns its width in columns. */
size_t output_text(FILE *out, const char *text);
/* Aligned columns, header in capitals. */
void output_table(FILE *out, const struct listing *listing, const json_t *rows);
/* One "title  value" line for each field; a list takes a line for each entry. */
void output_block(FILE *out, const struct column *fields, const json_t *data);
/* The lists inside an object, each under its title. */
void output_sections(FILE *out, const struct section *sections, const json_t *data);

#endif
