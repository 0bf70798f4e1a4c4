/*
 * Keyfiles: issuing, listing, revoking.  Looking into one without a hub is inspect.c's.
 *
 * A keyfile holds a token.  It goes to a file of mode 0600 or to standard output and nowhere
 * else, and it goes past stdio, whose buffers are not wiped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "tunnelctl/cell.h"
#include "tunnelctl/families.h"
#include "tunnelctl/hub.h"
#include "tunnelctl/output.h"
#include "tunnelctl/sentence.h"
#include "tunnelctl/value.h"

static const struct column keyfile_columns[] = {
    {"ID", "id"},           {"SITE", "site"}, {"STATE", "state"}, {"ISSUED", "issued"},
    {"EXPIRES", "expires"}, {"FROM", "from"}, {"USED", "used"},   {"USED FROM", "used_from"},
    {"KEY", "key"},         {NULL},
};
const struct listing keyfile_listing = {
    keyfile_columns,
    "no keyfiles; issue one with: tunnelctl keyfile issue SITE -o FILE",
};

static const struct parameter issue_arguments[] = {
    {"SITE", "site", read_site, .help = "who shall enrol with it", .required = true},
    {NULL},
};
static const struct parameter issue_options[] = {
    {"--expires", "expires_s", read_duration, "DUR", "how long it may be used; 72h unless given"},
    {"--hub", "hubs", read_host_port, "HOST:PORT",
     "where the site shall dial the hub; the hub's public_addresses unless given", .many = true},
    {"--from", "from", read_network, "CIDR", "the network from which it may be used"},
    {"--allow-target", "allow_targets", read_allow_target, "HOST:PORT",
     "what the agent may dial at the site; its grants' targets unless given", .many = true},
    {"--replace", "replace", NULL, NULL, "for an enrolled site: give it a new key"},
    {"--output", NULL, read_text, "FILE", "write it there, mode 0600; standard output unless given",
     'o'},
    {NULL},
};
static const struct parameter id_argument[] = {
    {"ID", "id", read_text, .help = "as 'keyfile list' shows it", .required = true},
    {NULL},
};
static const struct parameter file_argument[] = {
    {"FILE", NULL, read_text, .help = "the keyfile", .required = true},
    {NULL},
};

/* Asked before the hub makes a token, so that none is made for nothing. */
static int check_free(const char *path, struct fault *fault)
{
    struct stat status;
    char directory[PATH_MAX];
    if (lstat(path, &status) == 0)
        return fault_set(fault, "%s exists already; remove it or choose another name", path);
    if (!text_copy(directory, sizeof(directory), path))
        return fault_set(fault, "%s: the path is too long", path);
    char *slash = strrchr(directory, '/');
    if (slash)
        slash[slash == directory ? 1 : 0] = '\0';
    if (access(slash ? directory : ".", W_OK) < 0)
        return fault_set(fault, "%s cannot be written: %s", path, strerror(errno));
    return 0;
}

static int print_secret(FILE *out, const char *text, struct fault *fault)
{
    size_t left = strlen(text);
    fflush(out);
    while (left > 0) {
        ssize_t written = write(fileno(out), text, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return fault_set(fault, "cannot write to standard output: %s", strerror(errno));
        text += written;
        left -= (size_t)written;
    }
    return 0;
}

/* A keyfile that reached nobody must not stay usable. */
static void take_back(struct invocation *invocation, const json_t *data, struct fault *fault)
{
    json_t *answer = NULL;
    const char *id = json_string_value(json_object_get(data, "id"));
    json_t *args = json_pack("{s:s?}", "id", id);
    struct fault second = {0};
    if (hub_ask(invocation, "keyfile.revoke", args, &answer, &second) == DONE)
        fault_set(fault, "%s; keyfile %s was revoked again", fault->text, id);
    else
        fault_set(fault, "%s; revoke it with: tunnelctl keyfile revoke %s", fault->text, id);
    json_decref(answer);
    json_decref(args);
}

static void say_next(const struct invocation *invocation, const char *path, const json_t *data)
{
    FILE *out = path ? invocation->out : invocation->error;
    char expires[CELL_SIZE];
    const char *slash = path ? strrchr(path, '/') : NULL;
    cell_write(cell_until, json_object_get(data, "expires"), expires);
    sentence_print(out, "keyfile {id} for site '{site}'", NULL, data);
    fputs(path ? " is in " : "", out);
    output_text(out, path ? path : "");
    fputs("; it works once, until ", out);
    output_text(out, expires);
    fputs(path ? "\nnext: carry it to the site, and there: tunnel-agent enrol "
               : "\nnext: save it with mode 0600, carry it to the site, and there: "
                 "tunnel-agent enrol FILE",
          out);
    output_text(out, path ? (slash ? slash + 1 : path) : "");
    fputc('\n', out);
}

static enum outcome deliver(struct invocation *invocation, const char *path, json_t *data,
                            struct fault *fault)
{
    const char *text = json_string_value(json_object_get(data, "keyfile"));
    if (!text) {
        fault_set(fault, "the hub answered without a keyfile");
        return REFUSED;
    }
    if (invocation->json && !path) {
        output_json(invocation->out, data);
        return DONE;
    }
    int result = path ? file_write(path, text, strlen(text), 0600, fault)
                      : print_secret(invocation->out, text, fault);
    if (result < 0) {
        take_back(invocation, data, fault);
        return REFUSED;
    }
    json_object_del(data, "keyfile");
    if (invocation->json)
        output_json(invocation->out, data);
    else
        say_next(invocation, path, data);
    return DONE;
}

static enum outcome issue(struct invocation *invocation, struct fault *fault)
{
    json_t *data = NULL;
    const char *path = json_string_value(json_object_get(invocation->typed, "--output"));
    if (path && check_free(path, fault) < 0)
        return REFUSED;
    enum outcome outcome =
        hub_ask(invocation, invocation->command->verb, invocation->args, &data, fault);
    if (outcome == DONE)
        outcome = deliver(invocation, path, data, fault);
    json_decref(data);
    return outcome;
}

static const struct command commands[] = {
    {
        .words = "keyfile issue",
        .help = "Make the file with which a site enrols once",
        .verb = "keyfile.issue",
        .arguments = issue_arguments,
        .options = issue_options,
        .run = issue,
    },
    {
        .words = "keyfile list",
        .alias = "keyfiles",
        .help = "List keyfiles and what became of them",
        .verb = "keyfile.list",
        .arguments = optional_site_argument,
        .listing = &keyfile_listing,
    },
    {
        .words = "keyfile revoke",
        .help = "Make an unused keyfile useless; touches no enrolled site",
        .verb = "keyfile.revoke",
        .arguments = id_argument,
        .question = "Revoke keyfile {ID}, so that nobody can enrol with it?",
        .done = "keyfile {id} is revoked",
    },
    {
        .words = "keyfile inspect",
        .help = "Show what a keyfile says, without its secret; asks no hub",
        .arguments = file_argument,
        .run = keyfile_inspect,
    },
    {NULL},
};
const struct family keyfile_family = {"keyfiles", commands};
