/* All sites, grants and operators as one file: export writes it, apply makes it so. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tunnelctl/confirm.h"
#include "tunnelctl/document.h"
#include "tunnelctl/families.h"
#include "tunnelctl/hub.h"
#include "tunnelctl/output.h"
#include "tunnelctl/value.h"

static const struct parameter apply_options[] = {
    {"--file", NULL, read_text, "FILE", "the file, as 'export' writes it; - reads standard input",
     .letter = 'f', .required = true},
    {"--dry-run", "dry_run", NULL, NULL, "print the plan, change nothing"},
    {"--prune", "prune", NULL, NULL, "remove what the file does not name"},
    {NULL},
};

static enum outcome export_document(struct invocation *invocation, struct fault *fault)
{
    json_t *data = NULL;
    enum outcome outcome =
        hub_ask(invocation, invocation->command->verb, invocation->args, &data, fault);
    if (outcome == DONE && invocation->json)
        output_json(invocation->out, data);
    else if (outcome == DONE)
        document_print(invocation->out, data);
    json_decref(data);
    return outcome;
}

/* To its end, malloc'ed; a pipe is as good as a file.  NULL and a fault. */
static char *read_all(FILE *in, const char *name, size_t *length, struct fault *fault)
{
    char *text = NULL, chunk[16384];
    FILE *out = open_memstream(&text, length);
    size_t got;
    if (!out) {
        (void)fault_set(fault, "out of memory");
        return NULL;
    }
    while ((got = fread(chunk, 1, sizeof chunk, in)) > 0 && ftell(out) <= DOCUMENT_FILE_MAX)
        (void)fwrite(chunk, 1, got, out);
    int cause = ferror(in) != 0 ? errno : 0;
    if (fclose(out) == 0 && cause == 0 && *length <= DOCUMENT_FILE_MAX)
        return text;
    free(text);
    if (cause != 0)
        (void)fault_set(fault, "cannot read %s: %s", name, strerror(cause));
    else
        (void)fault_set(fault, "%s is too long for such a file", name);
    return NULL;
}

static json_t *parse_all(FILE *in, const char *name, struct fault *fault)
{
    size_t length;
    json_t *document = NULL;
    char *text = read_all(in, name, &length, fault);
    if (text && document_parse(text, length, name, &document, fault) != 0)
        document = NULL;
    free(text);
    return document;
}

static json_t *read_document(struct invocation *invocation, struct fault *fault)
{
    const char *path = json_string_value(json_object_get(invocation->typed, "--file"));
    if (strcmp(path, "-") == 0)
        return parse_all(invocation->in, "standard input", fault);
    FILE *in = fopen(path, "re");
    if (!in) {
        (void)fault_set(fault, "cannot read %s: %s", path, strerror(errno));
        return NULL;
    }
    json_t *document = parse_all(in, path, fault);
    (void)fclose(in);
    return document;
}

static void show_step(FILE *out, const json_t *step)
{
    static const char signs[][2] = {"-", "+", "~"};
    const char *action = json_string_value(json_object_get(step, "action"));
    const char *sign = signs[strcmp(action, "remove") == 0 ? 0
                             : strcmp(action, "add") == 0  ? 1
                                                           : 2];
    const char *const texts[] = {json_string_value(json_object_get(step, "kind")),
                                 json_string_value(json_object_get(step, "owner")),
                                 json_string_value(json_object_get(step, "name"))};
    const char *detail = json_string_value(json_object_get(step, "detail"));
    (void)fputs(sign, out);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!texts[i] || texts[i][0] == '\0')
            continue;
        (void)fputc(' ', out);
        output_text(out, texts[i]);
    }
    if (detail && detail[0] != '\0') {
        (void)fputs("  ", out);
        output_text(out, detail);
    }
    (void)fputc('\n', out);
}

static void show_steps(FILE *out, const json_t *plan)
{
    size_t index;
    json_t *step;
    json_array_foreach(plan, index, step) show_step(out, step);
}

static void show_plan(FILE *out, const json_t *data)
{
    const json_t *plan = json_object_get(data, "plan");
    long long kept = json_integer_value(json_object_get(data, "kept"));
    bool applied = json_is_true(json_object_get(data, "applied"));
    size_t count = json_array_size(plan);
    show_steps(out, plan);
    if (count == 0)
        (void)fputs("nothing to change: the hub is as the file says\n", out);
    else
        (void)fprintf(out, "%zu %s%s\n", count, count == 1 ? "change" : "changes",
                      applied ? " made" : " to make; nothing was changed (--dry-run)");
    if (kept > 0)
        (void)fprintf(out, "%lld %s not in the file and stay%s; --prune removes %s\n", kept,
                      kept == 1 ? "thing is" : "things are", kept == 1 ? "s" : "",
                      kept == 1 ? "it" : "them");
}

static size_t count_removals(const json_t *plan)
{
    size_t count = 0, index;
    json_t *step;
    json_array_foreach(plan, index, step)
    {
        const char *action = json_string_value(json_object_get(step, "action"));
        count += action && strcmp(action, "remove") == 0;
    }
    return count;
}

/* Shows what would be removed before it is. */
static enum outcome confirm_removals(struct invocation *invocation, struct fault *fault)
{
    json_t *data = NULL, *args = json_copy(invocation->args);
    (void)json_object_set_new(args, "dry_run", json_true());
    enum outcome outcome = hub_ask(invocation, invocation->command->verb, args, &data, fault);
    json_decref(args);
    const json_t *plan = json_object_get(data, "plan");
    if (outcome == DONE && count_removals(plan) > 0) {
        show_steps(invocation->error, plan);
        outcome =
            confirm_question(invocation, "Make these changes, removals included?", NULL, fault);
    }
    json_decref(data);
    return outcome;
}

static enum outcome make(struct invocation *invocation, struct fault *fault)
{
    json_t *data = NULL;
    bool prunes = json_is_true(json_object_get(invocation->args, "prune")) &&
                  !json_is_true(json_object_get(invocation->args, "dry_run"));
    enum outcome outcome = prunes && !invocation->yes ? confirm_removals(invocation, fault) : DONE;
    if (outcome == DONE)
        outcome = hub_ask(invocation, invocation->command->verb, invocation->args, &data, fault);
    if (outcome == DONE && invocation->json)
        output_json(invocation->out, data);
    else if (outcome == DONE)
        show_plan(invocation->out, data);
    json_decref(data);
    return outcome;
}

static enum outcome apply(struct invocation *invocation, struct fault *fault)
{
    json_t *document = read_document(invocation, fault);
    if (!document)
        return REFUSED;
    (void)json_object_set_new(invocation->args, "document", document);
    return make(invocation, fault);
}

static const struct command commands[] = {
    {
        .words = "export",
        .help = "Print all sites, grants and operators as one YAML file",
        .verb = "export",
        .run = export_document,
    },
    {
        .words = "apply",
        .help = "Make sites, grants and operators as a file says, all of it or nothing",
        .verb = "apply",
        .options = apply_options,
        .run = apply,
    },
    {NULL},
};
const struct family apply_family = {"everything at once", commands};
