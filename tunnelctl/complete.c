/*
 * `tunnelctl complete`: what may stand next on a command line, from the same tables as parsing and
 * help.  Names that only the hub knows are asked of it; where there is none, nothing is offered.
 * How a shell shows it is in completion.c.
 */
#define _GNU_SOURCE
#include <string.h>

#include "tunnelctl/families.h"
#include "tunnelctl/hub.h"

#define VALUE_SIZE 512

/* The line as far as it is typed: the last word is the one that is being completed. */
struct typing {
    struct invocation *invocation;
    const char *const *words;
    size_t count;                 /* of the words before the last */
    const char *plain[WORDS_MAX]; /* those that are no options */
    size_t plain_count;
    const struct parameter *given[WORDS_MAX]; /* options */
    size_t given_count;
    const struct parameter *wanting; /* an option whose value comes next, or may */
    bool options_ended;
    const char *before; /* offered in front of each value: "--site=" */
    size_t before_length;
    const char *prefix;
};

/* Where the names are that an argument's or an option's value is one of. */
static const struct source {
    const char *command; /* the first words of those that it is for; NULL: of all */
    const char *label;   /* as help calls the value */
    const char *verb, *key, *about;
} sources[] = {
    {"operator ", "NAME", "operator.list", "name", "state"},
    {"keyfile ", "ID", "keyfile.list", "id", "site"},
    {"connection ", "ID", "connection.list", "id", "visitor"},
    {"outbound remove", "HOST:PORT", "outbound.list", "target", "listen"},
    {NULL, "NAME", "site.list", "name", "state"},
    {NULL, "SITE", "site.list", "name", "state"},
    {NULL, "GLOB[:PORT]", "site.list", "name", "state"},
    {NULL, "PORT", "port.list", "port", "target"},
};

static const struct {
    const char *label, *values;
} choices[] = {
    {"LEVEL", "error|warning|info|debug|trace|default"},
    {"SHELL", "bash|zsh"},
};

/* --- offering --------------------------------------------------------------------------------- */

static void offer(const struct typing *typing, const char *value, size_t length, const char *about)
{
    size_t typed = strlen(typing->prefix);
    if (length < typed || memcmp(value, typing->prefix, typed) != 0)
        return;
    fprintf(typing->invocation->out, "%.*s%.*s\t%s\n", (int)typing->before_length, typing->before,
            (int)length, value, about);
}

static void offer_choices(const struct typing *typing, const char *values)
{
    for (const char *value = values; *value; value += *value == '|') {
        size_t length = strcspn(value, "|");
        offer(typing, value, length, "");
        value += length;
    }
}

/* --- names that the hub knows ----------------------------------------------------------------- */

static const char *text_of(const json_t *row, const char *key, char text[VALUE_SIZE])
{
    const json_t *value = json_object_get(row, key);
    if (json_is_integer(value))
        snprintf(text, VALUE_SIZE, "%lld", (long long)json_integer_value(value));
    else
        snprintf(text, VALUE_SIZE, "%s", json_is_string(value) ? json_string_value(value) : "");
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ')
            *c = ' ';
    }
    return text;
}

/* {site: NAME} for the ports of the site that was typed before. */
static json_t *narrow(const struct typing *typing, const struct command *command, size_t used)
{
    const struct parameter *first = command->arguments;
    bool site = first && first->name && strcmp(first->name, "SITE") == 0;
    return site && typing->plain_count > used ? json_pack("{s:s}", "site", typing->plain[used])
                                              : json_object();
}

static void offer_names(const struct typing *typing, const struct source *source, json_t *args)
{
    struct fault fault = {""};
    json_t *rows = NULL, *row;
    size_t index;
    char value[VALUE_SIZE], about[VALUE_SIZE];
    if (hub_ask(typing->invocation, source->verb, args, &rows, &fault) != DONE)
        return;
    json_array_foreach(rows, index, row)
    {
        text_of(row, source->key, value);
        offer(typing, value, strlen(value), text_of(row, source->about, about));
    }
    json_decref(rows);
}

static const struct source *find_source(const struct command *command, const char *label)
{
    size_t length = strlen(command->words);
    bool fresh = length > 4 && strcmp(command->words + length - 4, " add") == 0;
    for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
        const char *only = sources[i].command;
        if (strcmp(sources[i].label, label) != 0 || (fresh && strcmp(label, "NAME") == 0))
            continue;
        if (!only || strncmp(command->words, only, strlen(only)) == 0)
            return &sources[i];
    }
    return NULL;
}

/* A value that help calls `label`. */
static void offer_values(const struct typing *typing, const char *label)
{
    size_t used = 0;
    const struct command *command = command_find(typing->plain, typing->plain_count, &used);
    if (strcmp(label, "FILE") == 0 || strcmp(label, "PATH") == 0) {
        fputs(":file\n", typing->invocation->out);
        return;
    }
    if (strchr(label, '|'))
        offer_choices(typing, label);
    for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++)
        if (strcmp(choices[i].label, label) == 0)
            offer_choices(typing, choices[i].values);
    const struct source *source = command ? find_source(command, label) : NULL;
    if (!source)
        return;
    bool ports = strcmp(source->label, "PORT") == 0;
    json_t *args = ports ? narrow(typing, command, used) : json_object();
    offer_names(typing, source, args);
    json_decref(args);
}

/* --- words and options ------------------------------------------------------------------------ */

/* The phrase's word behind those that are typed; NULL if it does not begin with them. */
static const char *next_word(const char *phrase, const char *const *typed, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(phrase, " ");
        if (!phrase[length] || strlen(typed[i]) != length || memcmp(phrase, typed[i], length) != 0)
            return NULL;
        phrase += length + 1;
    }
    return phrase;
}

/* One that several commands begin with is offered once: they stand together. */
static void offer_words(const struct typing *typing, const char *const *typed, size_t count)
{
    const char *last = "";
    size_t last_length = 0;
    for (const struct command *c = command_next(NULL); c; c = command_next(c)) {
        const char *word = next_word(c->words, typed, count);
        size_t length = word ? strcspn(word, " ") : 0;
        if (!word || (length == last_length && memcmp(word, last, length) == 0))
            continue;
        offer(typing, word, length, word[length] ? "" : c->help);
        last = word;
        last_length = length;
    }
}

static bool is_given(const struct typing *typing, const struct parameter *option)
{
    for (size_t i = 0; i < typing->given_count; i++)
        if (typing->given[i] == option && !option->many)
            return true;
    return false;
}

static void offer_options(const struct typing *typing)
{
    size_t used;
    const struct command *command = command_find(typing->plain, typing->plain_count, &used);
    const struct parameter *lists[] = {command ? command->options : NULL, global_options};
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
        for (const struct parameter *p = lists[i]; p && p->name; p++)
            if (!is_given(typing, p))
                offer(typing, p->name, strlen(p->name), p->help);
}

static void offer_plain(const struct typing *typing)
{
    size_t used = 0, count = typing->plain_count;
    const char *const *plain = typing->plain;
    if (count > 0 && strcmp(plain[0], "help") == 0) {
        offer_words(typing, plain + 1, count - 1);
        return;
    }
    const struct command *command = command_find(plain, count, &used);
    if (!command) {
        offer_words(typing, plain, count);
        if (count == 0)
            offer(typing, "help", strlen("help"), "Explain a command, or all of them");
        return;
    }
    const struct parameter *argument = command->arguments;
    for (size_t i = used; argument && argument->name && i < count; i++)
        argument += argument->many ? 0 : 1;
    if (argument && argument->name)
        offer_values(typing, argument->name);
}

/* --- the line --------------------------------------------------------------------------------- */

static void take_value(struct typing *typing, const struct parameter *option, const char *value)
{
    if (strcmp(option->name, "--socket") == 0)
        typing->invocation->socket = value;
}

static void take_option(struct typing *typing, const char *word)
{
    char name[64];
    const char *value = word[1] == '-' ? strchr(word, '=') : word[2] ? word + 2 : NULL;
    size_t length = word[1] == '-' && value ? (size_t)(value - word) : strlen(word);
    if (length >= sizeof(name))
        return;
    memcpy(name, word, length);
    name[length] = '\0';
    const struct parameter *option =
        option_find(typing->plain, typing->plain_count, word[1] == '-' ? name : NULL, word[1]);
    if (!option)
        return;
    typing->given[typing->given_count++] = option;
    if (value && option->read)
        take_value(typing, option, value + (*value == '='));
    else if (option->read)
        typing->wanting = option;
}

static void take_word(struct typing *typing, const char *word)
{
    const struct parameter *wanting = typing->wanting;
    typing->wanting = NULL;
    if (wanting && option_takes(wanting, word)) {
        take_value(typing, wanting, word);
    } else if (!typing->options_ended && strcmp(word, "--") == 0) {
        typing->options_ended = true;
    } else if (!typing->options_ended && word[0] == '-' && word[1]) {
        take_option(typing, word);
    } else {
        typing->plain[typing->plain_count++] = word;
    }
}

/* "--site=han": the value of the option, behind what is typed already. */
static void split_attached(struct typing *typing)
{
    const char *equals = strchr(typing->prefix, '=');
    bool awaited = typing->wanting && !typing->wanting->bare;
    if (awaited || typing->options_ended || !equals || strncmp(typing->prefix, "--", 2) != 0)
        return;
    take_option(typing, typing->prefix);
    typing->wanting = typing->given_count > 0 ? typing->given[typing->given_count - 1] : NULL;
    typing->before = typing->prefix;
    typing->before_length = (size_t)(equals + 1 - typing->prefix);
    typing->prefix = equals + 1;
}

enum outcome complete_line(struct invocation *invocation, struct fault *fault)
{
    (void)fault;
    struct typing typing = {.invocation = invocation, .before = "", .prefix = ""};
    const char *const *words = invocation->words + 1; /* behind "complete" */
    size_t count = invocation->word_count - 1;
    for (size_t i = 0; i + 1 < count; i++)
        take_word(&typing, words[i]);
    if (count > 0)
        typing.prefix = words[count - 1];
    split_attached(&typing);
    if (typing.wanting)
        offer_values(&typing, typing.wanting->placeholder);
    if (typing.wanting && (!typing.wanting->bare || typing.before_length > 0))
        return DONE;
    if (typing.prefix[0] == '-' && !typing.options_ended)
        offer_options(&typing);
    else
        offer_plain(&typing);
    return DONE;
}
