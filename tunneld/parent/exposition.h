/*
 * The text that Prometheus reads (its exposition format, version 0.0.4).  Pure: names, labels and
 * values go in, lines come out.
 */
#ifndef PARENT_EXPOSITION_H
#define PARENT_EXPOSITION_H

#include <stdio.h>

/* "label", "value" pairs; a NULL name ends them. */
struct exposition_label {
    const char *name, *value;
};

/* The HELP and TYPE lines of a family, once, before its samples; `type` is gauge or counter. */
void exposition_family(FILE *out, const char *name, const char *type, const char *help);
/* `labels` may be NULL.  Values are escaped. */
void exposition_sample(FILE *out, const char *name, const struct exposition_label *labels,
                       double value);

#endif
