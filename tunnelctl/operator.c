/*
 * Operators: people with an access key, who reach sites' ports through the hub with their own SSH
 * client.  A key file is read here, the hub judges what is in it.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "keys/public_key.h"
#include "tunnelctl/cell.h"
#include "tunnelctl/families.h"
#include "tunnelctl/value.h"

#define KEY_FILE_MAX 65536

/* The one line of a .pub file that holds a key; blank lines and comments are skipped. */
static int find_key_line(const char *path, char *text, char **line, struct fault *fault)
{
    char *found = NULL, *rest = text;
    for (char *next = strsep(&rest, "\r\n"); next; next = strsep(&rest, "\r\n")) {
        next += strspn(next, " \t");
        if (*next == '\0' || *next == '#')
            continue;
        if (found)
            return fault_set(fault, "%s holds more than one key: an operator has one", path);
        found = next;
    }
    if (!found)
        return fault_set(fault, "%s holds no key", path);
    *line = found;
    return 0;
}

static int check_key_text(const char *path, const char *text, size_t length, struct fault *fault)
{
    if (strlen(text) != length)
        return fault_set(fault, "%s is no public key file: it is not even text", path);
    if (strstr(text, "PRIVATE KEY"))
        return fault_set(fault,
                         "%s is a private key, which stays with the operator: give the public "
                         "one, %s.pub",
                         path, path);
    return 0;
}

static int take_key(const char *path, char *text, size_t length, char *line, struct fault *fault)
{
    struct public_key key;
    char *found = NULL;
    if (check_key_text(path, text, length, fault) != 0 ||
        find_key_line(path, text, &found, fault) != 0)
        return -1;
    if (public_key_from_line(found, &key, fault) != 0)
        return fault_prefix(fault, "%s", path);
    public_key_line(&key, line);
    return 0;
}

static int read_key_file(const struct parameter *parameter, const char *path, json_t *args,
                         struct fault *fault)
{
    char *text, line[PUBLIC_KEY_LINE_SIZE];
    size_t length;
    if (file_read(path, KEY_FILE_MAX, &text, &length, fault) != 0)
        return -1;
    int result = take_key(path, text, length, line, fault);
    free(text);
    return result == 0 ? read_text(parameter, line, args, fault) : -1;
}

/* To the hub 0 means for ever. */
static int read_expiry(const struct parameter *parameter, const char *text, json_t *args,
                       struct fault *fault)
{
    if (strcmp(text, "never") != 0)
        return read_duration(parameter, text, args, fault);
    return json_object_set_new(args, parameter->key, json_integer(0)) < 0
               ? fault_set(fault, "out of memory")
               : 0;
}

static const struct column columns[] = {
    {"OPERATOR", "name"},
    {"STATE", "state"},
    {"SITES", "sites"},
    {"SESSIONS", "sessions", .right = true},
    {"CONNECTIONS", "connections", .right = true},
    {"EXPIRES", "expires", cell_until},
    {"KEY", "key"},
    {NULL},
};
static const struct listing listing = {
    columns,
    "no operators; add one with: tunnelctl operator add NAME --key FILE --sites GLOB[:PORT]",
};

static const struct parameter name_argument[] = {
    {"NAME", "name", read_site, .help = "the operator's name: a lowercase host name",
     .required = true},
    {NULL},
};
/* `--sites a b` is as good as `--sites a --sites b`. */
static const struct parameter name_arguments[] = {
    {"NAME", "name", read_site, .help = "the operator's name: a lowercase host name",
     .required = true},
    {"GLOB[:PORT]", "sites", read_text, .help = "more of what --sites takes", .many = true},
    {NULL},
};
static const struct parameter add_options[] = {
    {"--key", "key", read_key_file, "FILE", "the operator's public key, as ssh-keygen wrote it",
     .required = true},
    {"--sites", "sites", read_text, "GLOB[:PORT]", "sites by name, '*' and '?' allowed",
     .required = true, .many = true},
    {"--expires", "expires_s", read_expiry, "DUR", "how long the access lasts, or 'never'"},
    {NULL},
};
static const struct parameter set_options[] = {
    {"--key", "key", read_key_file, "FILE", "another public key; ends the operator's sessions"},
    {"--sites", "sites", read_text, "GLOB[:PORT]", "sites by name, in place of all before",
     .many = true},
    {"--expires", "expires_s", read_expiry, "DUR", "how long from now, or 'never'"},
    {NULL},
};

static const struct command commands[] = {
    {
        .words = "operator add",
        .help = "Let a person reach ports of sites with an SSH key",
        .verb = "operator.add",
        .arguments = name_arguments,
        .options = add_options,
        .done = "operator '{name}' may reach {sites} with key {key}",
    },
    {
        .words = "operator set",
        .help = "Change what an operator may reach; what no longer may is cut",
        .verb = "operator.set",
        .arguments = name_arguments,
        .options = set_options,
        .done = "operator '{name}' may reach {sites} with key {key}",
    },
    {
        .words = "operator remove",
        .help = "Forget an operator, and end the sessions",
        .verb = "operator.remove",
        .arguments = name_argument,
        .question = "Remove operator '{NAME}', and end all sessions and connections?",
        .done = "operator '{name}' is removed",
    },
    {
        .words = "operator list",
        .alias = "operators",
        .help = "List the operators and what they may reach",
        .verb = "operator.list",
        .listing = &listing,
    },
    {NULL},
};
const struct family operator_family = {"operators", commands};
