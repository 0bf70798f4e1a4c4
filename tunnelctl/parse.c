/*
 * Command lines.  First the line is split into words and options (an option before the command is
 * the first of its name; none but -f means two things), then the words name the command, then its
 * parameters are read.  Knows no command by name but "help".
 */
#define _GNU_SOURCE
#include "tunnelctl/parse.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "control/client.h"

#define CANDIDATES_MAX 128
#define CANDIDATE_SIZE 64

struct given {
    const struct parameter *option;
    const char *value; /* NULL: takes none */
};

struct line {
    const char **words; /* the invocation's */
    size_t word_count;
    struct given options[OPTIONS_MAX];
    size_t option_count;
};

/* Words for text_nearest, without doubles. */
struct candidates {
    char text[CANDIDATES_MAX][CANDIDATE_SIZE];
    const char *words[CANDIDATES_MAX];
    size_t count;
};

static void add_candidate(struct candidates *candidates, const char *text, size_t length)
{
    if (candidates->count == CANDIDATES_MAX || length >= CANDIDATE_SIZE)
        return;
    char *copy = candidates->text[candidates->count];
    memcpy(copy, text, length);
    copy[length] = '\0';
    for (size_t i = 0; i < candidates->count; i++)
        if (strcmp(candidates->words[i], copy) == 0)
            return;
    candidates->words[candidates->count++] = copy;
}

/* --- unknown words -------------------------------------------------------------------------- */

/* The second words of a family ("add", "list"), or all first words and aliases. */
static void collect_words(const char *first, struct candidates *candidates)
{
    for (const struct command *c = command_next(NULL); c; c = command_next(c)) {
        size_t length = strcspn(c->words, " ");
        if (!first) {
            add_candidate(candidates, c->words, length);
            if (c->alias)
                add_candidate(candidates, c->alias, strlen(c->alias));
        } else if (strlen(first) == length && memcmp(first, c->words, length) == 0 &&
                   c->words[length]) {
            add_candidate(candidates, c->words + length + 1, strlen(c->words + length + 1));
        }
    }
    if (!first)
        add_candidate(candidates, "help", 4);
}

static void join(const struct candidates *candidates, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < candidates->count && used < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", candidates->words[i]);
}

void unknown_command(const char *const *words, size_t count, struct fault *fault)
{
    struct candidates second = {.count = 0}, first = {.count = 0};
    char known[256];
    collect_words(words[0], &second);
    if (second.count == 0) {
        collect_words(NULL, &first);
        const char *near = text_nearest(words[0], first.words, first.count);
        if (near)
            fault_set(fault, "there is no command '%s'; did you mean '%s'?", words[0], near);
        else
            fault_set(fault, "there is no command '%s'", words[0]);
        return;
    }
    join(&second, known, sizeof(known));
    if (count < 2) {
        fault_set(fault, "'%s' needs one more word: %s", words[0], known);
        return;
    }
    const char *near = text_nearest(words[1], second.words, second.count);
    if (near)
        fault_set(fault, "there is no command '%s %s'; did you mean '%s %s'?", words[0], words[1],
                  words[0], near);
    else
        fault_set(fault, "there is no command '%s %s'; there are: %s", words[0], words[1], known);
}

/* --- splitting ------------------------------------------------------------------------------ */

static enum outcome unknown_option(const char *name, struct fault *fault)
{
    struct candidates candidates = {.count = 0};
    for (const struct parameter *p = global_options; p->name; p++)
        add_candidate(&candidates, p->name, strlen(p->name));
    for (const struct command *c = command_next(NULL); c; c = command_next(c))
        for (const struct parameter *p = c->options; p && p->name; p++)
            add_candidate(&candidates, p->name, strlen(p->name));
    const char *near = text_nearest(name, candidates.words, candidates.count);
    if (near)
        fault_set(fault, "there is no option %s; did you mean %s?", name, near);
    else
        fault_set(fault, "there is no option %s", name);
    return USAGE;
}

/* "--name", "--name=value", "-x", "-xvalue": the option, and the value if it is attached. */
static const struct parameter *recognise(const struct line *line, const char *token,
                                         const char **attached)
{
    char name[CANDIDATE_SIZE];
    *attached = NULL;
    if (token[1] != '-') {
        const struct parameter *option = option_find(line->words, line->word_count, NULL, token[1]);
        *attached = token[2] ? token + 2 : NULL;
        return option && *attached && !option->read ? NULL : option;
    }
    size_t length = strcspn(token, "=");
    if (length >= sizeof(name))
        return NULL;
    memcpy(name, token, length);
    name[length] = '\0';
    if (token[length] == '=')
        *attached = token + length + 1;
    return option_find(line->words, line->word_count, name, '\0');
}

bool option_takes(const struct parameter *option, const char *token)
{
    size_t length = strlen(token);
    if (!option->bare)
        return true;
    for (const char *word = option->placeholder; *word; word += *word == '|') {
        size_t width = strcspn(word, "|");
        if (width == length && memcmp(word, token, length) == 0)
            return true;
        word += width;
    }
    return false;
}

/* The token at argv[*at], and the one behind it if it is the value. */
static enum outcome take_option(int argc, char *const *argv, int *at, struct line *line,
                                struct fault *fault)
{
    const char *value;
    const struct parameter *option = recognise(line, argv[*at], &value);
    if (!option)
        return unknown_option(argv[*at], fault);
    if (!option->read && value) {
        fault_set(fault, "%s takes no value", option->name);
        return USAGE;
    }
    if (option->read && !value && *at + 1 < argc && option_takes(option, argv[*at + 1]))
        value = argv[++*at];
    if (!value)
        value = option->bare;
    if (option->read && !value) {
        fault_set(fault, "%s needs %s behind it", option->name, option->placeholder);
        return USAGE;
    }
    if (line->option_count == OPTIONS_MAX) {
        fault_set(fault, "more than %d options", OPTIONS_MAX);
        return USAGE;
    }
    line->options[line->option_count++] = (struct given){option, value};
    return DONE;
}

static enum outcome split(int argc, char *const *argv, struct line *line, struct fault *fault)
{
    bool options = true;
    for (int i = 1; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && argv[i][0] == '-' && argv[i][1]) {
            enum outcome outcome = take_option(argc, argv, &i, line, fault);
            if (outcome != DONE)
                return outcome;
        } else if (line->word_count == WORDS_MAX) {
            fault_set(fault, "more than %d words", WORDS_MAX);
            return USAGE;
        } else {
            line->words[line->word_count++] = argv[i];
        }
    }
    return DONE;
}

/* --- reading -------------------------------------------------------------------------------- */

/* Each of the program's own options sets one thing. */
static void set_global(struct invocation *invocation, const struct given *given)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {
        {"--json", &invocation->json},
        {"--yes", &invocation->yes},
        {"--help", &invocation->help},
        {"--version", &invocation->version},
    };
    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
        if (strcmp(flags[i].name, given->option->name) == 0)
            *flags[i].flag = true;
    if (given->value)
        invocation->socket = given->value;
}

static void set_globals(struct invocation *invocation, const struct line *line)
{
    for (size_t i = 0; i < line->option_count; i++)
        if (parameter_find(global_options, line->options[i].option->name, '\0'))
            set_global(invocation, &line->options[i]);
}

static enum outcome read_value(struct invocation *invocation, const struct parameter *parameter,
                               const char *text, struct fault *fault)
{
    json_t *known = json_object_get(invocation->typed, parameter->name);
    json_t *args = parameter->key || !parameter->read ? invocation->args : invocation->typed;
    if (known && !parameter->many) {
        fault_set(fault, "%s is given twice", parameter->name);
        return USAGE;
    }
    if (!parameter->read) {
        json_object_set_new(invocation->typed, parameter->name, json_true());
        if (parameter->key)
            json_object_set_new(args, parameter->key, json_true());
        return DONE;
    }
    int result = parameter->read(parameter, text, args, fault);
    if (result < 0)
        return result == VALUE_MALFORMED ? USAGE : REFUSED;
    if (args != invocation->typed)
        json_object_set_new(invocation->typed, parameter->name, json_string(text));
    return DONE;
}

static enum outcome read_options(struct invocation *invocation, const struct line *line,
                                 struct fault *fault)
{
    const struct command *command = invocation->command;
    for (size_t i = 0; i < line->option_count; i++) {
        const char *name = line->options[i].option->name;
        if (parameter_find(global_options, name, '\0'))
            continue;
        const struct parameter *option = parameter_find(command->options, name, '\0');
        if (!option) {
            fault_set(fault, "'%s' has no option %s", command->words, name);
            return USAGE;
        }
        enum outcome outcome = read_value(invocation, option, line->options[i].value, fault);
        if (outcome != DONE)
            return outcome;
    }
    for (const struct parameter *p = command->options; p && p->name; p++) {
        if (p->required && !json_object_get(invocation->typed, p->name)) {
            fault_set(fault, "'%s' needs %s %s", command->words, p->name, p->placeholder);
            return USAGE;
        }
    }
    return DONE;
}

static enum outcome read_arguments(struct invocation *invocation, const char *const *words,
                                   size_t count, struct fault *fault)
{
    const struct command *command = invocation->command;
    size_t at = 0;
    for (const struct parameter *p = command->arguments; p && p->name; p++) {
        if (at == count && p->required) {
            fault_set(fault, "'%s' needs %s", command->words, p->name);
            return USAGE;
        }
        if (at == count)
            break;
        do {
            enum outcome outcome = read_value(invocation, p, words[at++], fault);
            if (outcome != DONE)
                return outcome;
        } while (p->many && at < count);
    }
    if (at < count) {
        fault_set(fault, "'%s' does not know what to do with '%s'", command->words, words[at]);
        return USAGE;
    }
    return DONE;
}

static enum outcome read_line(struct invocation *invocation, const struct line *line,
                              struct fault *fault)
{
    size_t used = 0;
    if (line->word_count == 0) {
        fault_set(fault, "no command is given");
        return USAGE;
    }
    invocation->command = command_find(line->words, line->word_count, &used);
    if (!invocation->command) {
        unknown_command(line->words, line->word_count, fault);
        return USAGE;
    }
    enum outcome outcome =
        read_arguments(invocation, line->words + used, line->word_count - used, fault);
    return outcome == DONE ? read_options(invocation, line, fault) : outcome;
}

static enum outcome parse_into(int argc, char *const *argv, struct line *line,
                               struct invocation *out, struct fault *fault)
{
    line->words = out->words;
    enum outcome outcome = split(argc, argv, line, fault);
    if (outcome != DONE)
        return outcome;
    set_globals(out, line);
    if (line->word_count > 0 && strcmp(line->words[0], "help") == 0) {
        out->help = true;
        memmove(line->words, line->words + 1, --line->word_count * sizeof(*line->words));
    }
    out->word_count = line->word_count;
    return out->help || out->version ? DONE : read_line(out, line, fault);
}

enum outcome invocation_parse(int argc, char *const *argv, struct invocation *out,
                              struct fault *fault)
{
    *out = (struct invocation){.in = stdin, .out = stdout, .error = stderr};
    struct line *line = calloc(1, sizeof(*line));
    out->args = json_object();
    out->typed = json_object();
    enum outcome outcome = REFUSED;
    if (line && out->args && out->typed)
        outcome = parse_into(argc, argv, line, out, fault);
    else
        fault_set(fault, "out of memory");
    free(line);
    return outcome;
}

void invocation_release(struct invocation *invocation)
{
    control_client_close(invocation->client);
    json_decref(invocation->args);
    json_decref(invocation->typed);
    *invocation = (struct invocation){0};
}
