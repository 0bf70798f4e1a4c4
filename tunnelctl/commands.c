/*
 * The list of families, and looking commands up in it.  Each family's table stands in its own
 * file.
 */
#define _GNU_SOURCE
#include <string.h>

#include "tunnelctl/command.h"
#include "tunnelctl/families.h"
#include "tunnelctl/value.h"

const struct family *const families[] = {
    &daemon_family,     &site_family,
    &keyfile_family,    &port_family,
    &outbound_family,   &operator_family,
    &session_family,    &forward_family,
    &connection_family, &through_family,
    &apply_family,      &events_family,
    &completion_family, NULL,
};

const struct parameter global_options[] = {
    {"--socket", NULL, read_text, "PATH", "the hub's control socket"},
    {"--json", NULL, NULL, NULL, "print the hub's answer as JSON"},
    {"--yes", NULL, NULL, NULL, "do not ask before destroying", 'y'},
    {"--help", NULL, NULL, NULL, "explain the command, or all of them", 'h'},
    {"--version", NULL, NULL, NULL, "print this program's version"},
    {NULL},
};

/* Where a table ended, the next family's begins. */
static const struct command *skip_ends(size_t family, const struct command *command)
{
    while (command && !command->words) {
        family++;
        command = families[family] ? families[family]->commands : NULL;
    }
    return command;
}

const struct command *command_next(const struct command *command)
{
    if (!command)
        return families[0]->commands;
    if (command[1].words)
        return command + 1;
    for (size_t i = 0; families[i]; i++)
        for (const struct command *c = families[i]->commands; c->words; c++)
            if (c == command)
                return skip_ends(i, c + 1);
    return NULL;
}

/* How many of the line's words the phrase has, if the line begins with it; else 0. */
static size_t match_words(const char *phrase, const char *const *words, size_t count)
{
    size_t matched = 0;
    while (phrase && *phrase) {
        size_t length = strcspn(phrase, " ");
        if (matched == count || strlen(words[matched]) != length ||
            memcmp(words[matched], phrase, length) != 0)
            return 0;
        matched++;
        phrase += length;
        phrase += *phrase == ' ';
    }
    return matched;
}

const struct command *command_find(const char *const *words, size_t count, size_t *used)
{
    for (const struct command *c = command_next(NULL); c; c = command_next(c)) {
        *used = match_words(c->words, words, count);
        if (*used == 0)
            *used = match_words(c->alias, words, count);
        if (*used > 0)
            return c;
    }
    return NULL;
}

const struct parameter *parameter_find(const struct parameter *list, const char *name, char letter)
{
    for (; list && list->name; list++)
        if (name ? strcmp(list->name, name) == 0 : list->letter && list->letter == letter)
            return list;
    return NULL;
}

const struct parameter *option_find(const char *const *words, size_t count, const char *name,
                                    char letter)
{
    size_t used;
    const struct command *named = count > 0 ? command_find(words, count, &used) : NULL;
    const struct parameter *found = parameter_find(global_options, name, letter);
    if (!found && named)
        found = parameter_find(named->options, name, letter);
    for (const struct command *c = command_next(NULL); c && !found; c = command_next(c))
        found = parameter_find(c->options, name, letter);
    return found;
}
