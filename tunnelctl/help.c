/*
 * Help: an overview of all commands, or of those that begin with some words; with one command
 * left, its arguments and options too.
 */
#define _GNU_SOURCE
#include "tunnelctl/help.h"

#include <string.h>

#include "tunnelctl/parse.h"

#define USAGE_SIZE    256
#define OPTIONS_SHOWN 8  /* more are not spelt out in one line */
#define USAGE_COLUMN  48 /* where one-line helps begin in the overview */

static size_t add(char *text, size_t used, const char *before, const char *middle,
                  const char *after)
{
    if (used >= USAGE_SIZE)
        return used;
    return used + (size_t)snprintf(text + used, USAGE_SIZE - used, "%s%s%s", before, middle, after);
}

static size_t add_option(char *text, size_t used, const struct parameter *option)
{
    char name[64];
    snprintf(name, sizeof(name), "%s%s%s", option->name, option->read ? " " : "",
             option->read ? option->placeholder : "");
    used = add(text, used, option->required ? " " : " [", name, option->required ? "" : "]");
    return option->many ? add(text, used, "...", "", "") : used;
}

/* "keyfile issue SITE [--expires DUR] ..." */
static void usage_of(const struct command *command, char text[USAGE_SIZE])
{
    size_t used = add(text, 0, command->words, "", "");
    for (const struct parameter *p = command->arguments; p && p->name; p++) {
        used = add(text, used, p->required ? " " : " [", p->name, p->required ? "" : "]");
        used = add(text, used, p->many ? "..." : "", "", "");
    }
    size_t count = 0;
    for (const struct parameter *p = command->options; p && p->name; p++)
        count++;
    for (size_t i = 0; i < count; i++) {
        if (count <= OPTIONS_SHOWN || command->options[i].required)
            used = add_option(text, used, &command->options[i]);
    }
    if (count > OPTIONS_SHOWN)
        (void)add(text, used, " [OPTION]...", "", "");
}

static void print_line(FILE *out, const struct command *command)
{
    char usage[USAGE_SIZE];
    usage_of(command, usage);
    if (strlen(usage) < USAGE_COLUMN - 1)
        fprintf(out, "  %-*s%s", USAGE_COLUMN, usage, command->help);
    else
        fprintf(out, "  %s\n  %-*s%s", usage, USAGE_COLUMN, "", command->help);
    if (command->alias)
        fprintf(out, " (also: %s)", command->alias);
    fputc('\n', out);
}

static void print_parameters(FILE *out, const char *title, const struct parameter *list)
{
    if (!list || !list->name)
        return;
    fprintf(out, "\n%s:\n", title);
    for (const struct parameter *p = list; p->name; p++) {
        char name[96], letter[8] = "";
        if (p->letter)
            snprintf(letter, sizeof(letter), "-%c, ", p->letter);
        snprintf(name, sizeof(name), "%s%s%s%s", letter, p->name, p->placeholder ? " " : "",
                 p->placeholder ? p->placeholder : "");
        fprintf(out, "  %-31s%s%s\n", name, p->help, p->many ? " (may be repeated)" : "");
    }
}

static void print_command(FILE *out, const struct command *command)
{
    char usage[USAGE_SIZE];
    usage_of(command, usage);
    fprintf(out, "usage: tunnelctl [OPTIONS] %s\n\n%s.\n", usage, command->help);
    if (command->alias)
        fprintf(out, "'%s' is the same.\n", command->alias);
    if (command->question)
        fprintf(out, "It asks first, unless --yes is given.\n");
    print_parameters(out, "arguments", command->arguments);
    print_parameters(out, "options", command->options);
    print_parameters(out, "options of all commands", global_options);
}

static void print_overview(FILE *out)
{
    fprintf(out, "usage: tunnelctl [--socket PATH] [--json] [--yes] COMMAND\n");
    for (size_t i = 0; families[i]; i++) {
        fprintf(out, "\n%s:\n", families[i]->title);
        for (const struct command *c = families[i]->commands; c->words; c++)
            print_line(out, c);
    }
    fprintf(out, "\nhelp:\n  %-*s%s\n", USAGE_COLUMN, "help [COMMAND]",
            "explain a command, a family of commands, or all");
    print_parameters(out, "options of all commands", global_options);
    fprintf(out, "\nexit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no hub reached\n");
}

/* The commands whose first word it is; how many. */
static size_t print_family(FILE *out, const char *first)
{
    size_t count = 0, length = strlen(first);
    for (const struct command *c = command_next(NULL); c; c = command_next(c)) {
        if (strncmp(c->words, first, length) != 0 || c->words[length] != ' ')
            continue;
        if (count++ == 0)
            fprintf(out, "usage: tunnelctl [OPTIONS] %s COMMAND\n\n", first);
        print_line(out, c);
    }
    if (count > 0)
        fprintf(out, "\n'tunnelctl help %s WORD' explains one of them.\n", first);
    return count;
}

enum outcome help_print(const struct invocation *invocation, struct fault *fault)
{
    size_t used = 0;
    if (invocation->word_count == 0) {
        print_overview(invocation->out);
        return DONE;
    }
    const struct command *command = command_find(invocation->words, invocation->word_count, &used);
    if (command) {
        print_command(invocation->out, command);
        return DONE;
    }
    if (invocation->word_count == 1 && print_family(invocation->out, invocation->words[0]) > 0)
        return DONE;
    unknown_command(invocation->words, invocation->word_count, fault);
    return USAGE;
}
