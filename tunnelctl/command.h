/*
 * Commands as data: one entry says which words call it, what it takes, which verb it asks the
 * hub, and how the answer is shown.  Parsing, help and output walk these tables.
 */
#ifndef TUNNELCTL_COMMAND_H
#define TUNNELCTL_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/fault.h"
#include "tunnelctl/outcome.h"

#define WORDS_MAX 32

struct parameter;
struct invocation;

/* A value that means nothing: wrong usage. */
#define VALUE_MALFORMED (-2)

/* Reads a value as a person wrote it into `args` under parameter->key.  0, -1 (refused), or
 * VALUE_MALFORMED. */
typedef int value_reader(const struct parameter *parameter, const char *text, json_t *args,
                         struct fault *fault);
/* One value, never null, as a table shows it. */
typedef void cell_writer(const json_t *value, char *text, size_t size);
typedef enum outcome command_runner(struct invocation *invocation, struct fault *fault);

/* An argument ("SITE") or an option ("--target"). */
struct parameter {
    const char *name;        /* NULL ends a list */
    const char *key;         /* in the verb's args; NULL: for this program, in `typed` */
    value_reader *read;      /* NULL: an option that takes no value */
    const char *placeholder; /* of an option's value: "HOST:PORT" */
    const char *help;
    char letter;      /* of an option: 'o' for -o */
    const char *bare; /* of an option whose value may be left out: what it is then */
    bool required;
    bool many; /* may be repeated; the verb gets a list */
};

struct column {
    const char *title; /* NULL ends a list */
    const char *key;
    cell_writer *write;
    bool right; /* aligned, for figures */
};

/* A table of the rows of a list. */
struct listing {
    const struct column *columns;
    const char *empty; /* said instead of an empty table */
    const char *note;  /* key of a line said under its row; NULL: none */
};

/* A part of an object that is a list itself; an empty one is not shown. */
struct section {
    const char *title; /* NULL ends a list */
    const char *key;
    const struct listing *listing;
};

struct command {
    const char *words; /* "site add"; NULL ends a list */
    const char *alias; /* "sessions" for "session list"; NULL: none */
    const char *help;  /* one line */
    const char *verb;
    const struct parameter *arguments, *options; /* NULL: none */

    /* Sentences (sentence.h).  What destroys has a question; with question_verb its answer
     * fills the question. */
    const char *question, *question_verb;
    const char *done;

    /* How the answer is shown: one of listing and block, or done, or run does all of it. */
    const struct listing *listing;
    const struct column *block;
    const struct section *sections; /* after a block */
    command_runner *run;
};

struct family {
    const char *title;
    const struct command *commands;
};

/* What a command line asked for, and what running it needs. */
struct invocation {
    const struct command *command; /* NULL: help or version alone */
    json_t *args;                  /* for the verb */
    json_t *typed;                 /* values as typed, by parameter name */
    const char *words[WORDS_MAX];  /* those of the line that are no options */
    size_t word_count;
    bool help, version, json, yes;
    const char *socket; /* NULL: look for it */
    FILE *in, *out, *error;
    struct control_client *client; /* owned; NULL until first asked */
};

extern const struct family *const families[]; /* NULL ends it */
extern const struct parameter global_options[];

/* Walks all commands: NULL begins, NULL ends. */
const struct command *command_next(const struct command *command);
/* The command whose words, or alias, the line begins with; *used words of it.  NULL: none. */
const struct command *command_find(const char *const *words, size_t count, size_t *used);
/* By name ("--target"), or by letter when name is NULL. */
const struct parameter *parameter_find(const struct parameter *list, const char *name, char letter);
/* An option that is global, of the command that the words name, or of any. */
const struct parameter *option_find(const char *const *words, size_t count, const char *name,
                                    char letter);
/* May the word behind the option be its value?  A value that may be left out is one of the
 * placeholder's words. */
bool option_takes(const struct parameter *option, const char *word);

#endif
