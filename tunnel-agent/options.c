/*
 * Reading the command line by a table: each option says which field it sets and which commands may
 * have it.  What the values mean is for the commands.
 */
#define _GNU_SOURCE
#include "options.h"

#include <getopt.h>
#include <string.h>

#include "base/text.h"

#define COMMANDS_MAX 8

static const struct option LONG_OPTIONS[] = {
    {"state", required_argument, NULL, 's'}, {"keyfile", required_argument, NULL, 'k'},
    {"yes", no_argument, NULL, 'y'},         {"json", no_argument, NULL, 'j'},
    {"verbose", no_argument, NULL, 'v'},     {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},        {0},
};

static const struct {
    int letter;
    unsigned bit;
    const char *name;
} BITS[] = {
    {'s', OPTION_STATE, "--state"}, {'k', OPTION_KEYFILE, "--keyfile"}, {'y', OPTION_YES, "--yes"},
    {'j', OPTION_JSON, "--json"},   {'v', OPTION_VERBOSE, "-v"},
};

static void take(int letter, struct options *out)
{
    switch (letter) {
    case 's':
        out->state = optarg;
        break;
    case 'k':
        out->keyfile = optarg;
        break;
    case 'y':
        out->yes = true;
        break;
    case 'j':
        out->json = true;
        break;
    default:
        out->verbose++;
        break;
    }
}

static unsigned bit_of(int letter)
{
    for (size_t i = 0; i < sizeof BITS / sizeof BITS[0]; i++) {
        if (BITS[i].letter == letter)
            return BITS[i].bit;
    }
    return 0;
}

static const struct command *find_command(const char *name, const struct command *commands,
                                          size_t count, struct fault *fault)
{
    const char *names[COMMANDS_MAX];
    for (size_t i = 0; i < count; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
        names[i] = commands[i].name;
    }
    const char *nearest = text_nearest(name, names, count);
    fault_set(fault, "there is no command '%.64s'%s%s%s", name,
              nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
              nearest != NULL ? "'?" : "");
    return NULL;
}

static int check_options(const struct command *command, unsigned given, struct fault *fault)
{
    for (size_t i = 0; i < sizeof BITS / sizeof BITS[0]; i++) {
        if ((given & BITS[i].bit) != 0 && (command->options & BITS[i].bit) == 0)
            return fault_set(fault, "%s is no option of '%s'", BITS[i].name, command->name);
    }
    return 0;
}

static int take_operand(const struct command *command, int argc, char **argv, struct options *out,
                        struct fault *fault)
{
    int operands = argc - optind - 1;
    if (operands == 0 && (command->options & OPTION_BARE) != 0)
        return 0;
    if (command->operand && operands == 0)
        return fault_set(fault, "'%s' wants the name of a keyfile", command->name);
    if (operands > (command->operand ? 1 : 0))
        return fault_set(fault, "'%s' does not take '%.64s'", command->name, argv[argc - 1]);
    if (command->operand)
        out->keyfile = argv[optind + 1];
    return 0;
}

enum options_result options_parse(int argc, char **argv, const struct command *commands,
                                  size_t count, const struct command **command, struct options *out,
                                  struct fault *fault)
{
    unsigned given = 0;
    int letter;
    *out = (struct options){0};
    opterr = 0;
    while ((letter = getopt_long(argc, argv, ":yjvVh", LONG_OPTIONS, NULL)) != -1) {
        if (letter == 'h')
            return OPTIONS_HELP;
        if (letter == 'V')
            return OPTIONS_VERSION;
        if (letter == '?' || letter == ':') {
            fault_set(fault, letter == ':' ? "%.64s wants a value" : "'%.64s' is no option",
                      argv[optind - 1]);
            return OPTIONS_WRONG;
        }
        given |= bit_of(letter);
        take(letter, out);
    }
    if (optind == argc) {
        fault_set(fault, "which command?");
        return OPTIONS_WRONG;
    }
    *command = find_command(argv[optind], commands, count, fault);
    if (*command == NULL || check_options(*command, given, fault) != 0 ||
        take_operand(*command, argc, argv, out, fault) != 0)
        return OPTIONS_WRONG;
    return OPTIONS_COMMAND;
}
