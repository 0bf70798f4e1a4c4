/* Writes the exposition format.  What is measured, and under which names, metrics.c knows. */
#define _GNU_SOURCE
#include "parent/exposition.h"

#include <stdbool.h>
#include <stdint.h>

#define EXACT_MAX 9007199254740992.0 /* 2^53: whole numbers below are exact in a double */

/* A quote is special in a label's value alone. */
static void write_escaped(FILE *out, const char *text, bool quoted)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            (void)fputs("\\n", out);
        else if (*text == '\\' || (quoted && *text == '"'))
            (void)fprintf(out, "\\%c", *text);
        else
            (void)fputc(*text, out);
    }
}

void exposition_family(FILE *out, const char *name, const char *type, const char *help)
{
    (void)fprintf(out, "# HELP %s ", name);
    write_escaped(out, help, false);
    (void)fprintf(out, "\n# TYPE %s %s\n", name, type);
}

static void write_value(FILE *out, double value)
{
    bool whole = value > -EXACT_MAX && value < EXACT_MAX && (double)(int64_t)value == value;
    (void)fprintf(out, whole ? " %.0f\n" : " %.9g\n", value);
}

void exposition_sample(FILE *out, const char *name, const struct exposition_label *labels,
                       double value)
{
    (void)fputs(name, out);
    for (size_t i = 0; labels && labels[i].name; i++) {
        (void)fprintf(out, "%s%s=\"", i == 0 ? "{" : ",", labels[i].name);
        write_escaped(out, labels[i].value, true);
        (void)fputc('"', out);
    }
    if (labels && labels[0].name)
        (void)fputc('}', out);
    write_value(out, value);
}
