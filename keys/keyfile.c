/*
 * Keyfiles: from YAML and back.  The form is checked here, every part of it, so that whoever
 * reads one further on need not; whether it is still good is for the hub's clock to say.
 */
#define _GNU_SOURCE
#include "keys/keyfile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/secret.h"
#include "config/agent_settings.h"
#include "keys/public_key.h"

/* As it stands in the file; `forwards` is borrowed from the tree. */
struct document {
    uint64_t version;
    char *site;
    struct host_port_list hub;
    struct text_list host_keys;
    char *token;
    char *issued;
    char *expires;
    const struct yaml_node *forwards;
    struct text_list allow_targets;
};

#define AT(field) offsetof(struct document, field)
static const struct setting document_schema[] = {
    {"version", SETTING_NUMBER, AT(version), NULL, "form of this file", 1, KEYFILE_VERSION, NULL},
    {"site", SETTING_TEXT, AT(site), NULL, "the site it enrols", 0, 0, NULL},
    {"hub", SETTING_HUB_LIST, AT(hub), NULL, "where the hub is", 1, 64, NULL},
    {"host_keys", SETTING_TEXT_LIST, AT(host_keys), NULL, "the hub's host keys", 1, 64, NULL},
    {"token", SETTING_TEXT, AT(token), NULL, "the one-time secret", 0, 0, NULL},
    {"issued", SETTING_TEXT, AT(issued), NULL, "when it was made", 0, 0, NULL},
    {"expires", SETTING_TEXT, AT(expires), NULL, "until when it can be used", 0, 0, NULL},
    {"forwards", SETTING_NODE, AT(forwards), "[]", "what the site may publish", 0, 0, NULL},
    {"allow_targets", SETTING_TEXT_LIST, AT(allow_targets), "[]", "what may be dialled", 0, 0,
     NULL},
};
#undef AT

struct forward_entry {
    char *listen;
    char *target;
};

#define AT(field) offsetof(struct forward_entry, field)
static const struct setting forward_schema[] = {
    {"listen", SETTING_TEXT, AT(listen), NULL, "[ADDRESS:]PORT at the hub", 0, 0, NULL},
    {"target", SETTING_TEXT, AT(target), NULL, "HOST:PORT at the site", 0, 0, NULL},
};
#undef AT

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Where we read, and what into. */
struct reader {
    const char *where;
    const struct yaml_node *root;
    struct keyfile *out;
    struct fault *fault;
};

static int fault_at(const struct reader *reader, const struct yaml_node *node, const char *name,
                    const char *sentence)
{
    return schema_fault(reader->where, node, reader->fault, "'%s': %s", name, sentence);
}

/* Before all else: a newer version may hold settings that nobody here knows. */
static int check_version(const struct reader *reader)
{
    const struct yaml_node *version = yaml_get(reader->root, "version");
    uint64_t number;
    if (version == NULL || version->kind != YAML_SCALAR ||
        !text_parse_number(version->text, KEYFILE_VERSION + 1, UINT64_MAX, &number))
        return 0;
    return schema_fault(
        reader->where, version, reader->fault,
        "the keyfile has version %" PRIu64 ", made by a newer hub; update tunnel-agent", number);
}

static int read_site(const struct reader *reader, const struct document *document)
{
    struct fault why = {""};
    if (name_check(document->site, &why) != 0)
        return fault_at(reader, yaml_get(reader->root, "site"), "site", why.text);
    (void)text_copy(reader->out->site, sizeof reader->out->site, document->site);
    return 0;
}

/* Kept without their comments. */
static int read_host_keys(const struct reader *reader, struct document *document)
{
    const struct yaml_node *node = yaml_get(reader->root, "host_keys");
    for (size_t i = 0; i < document->host_keys.count; i++) {
        struct public_key key;
        struct fault why = {""};
        char line[PUBLIC_KEY_LINE_SIZE];
        if (public_key_from_line(document->host_keys.items[i], &key, &why) != 0)
            return fault_at(reader, node->entries[i], "host_keys", why.text);
        char *plain = strdup(public_key_line(&key, line));
        if (plain == NULL)
            return fault_at(reader, node->entries[i], "host_keys", "out of memory");
        free(document->host_keys.items[i]);
        document->host_keys.items[i] = plain;
    }
    return 0;
}

/* The sentence never quotes it: it may be a good token with one letter too many. */
static int read_token(const struct reader *reader, const struct document *document)
{
    if (token_parse(document->token, &reader->out->token))
        return 0;
    return fault_at(reader, yaml_get(reader->root, "token"), "token",
                    "this is not a token; copy the keyfile again");
}

static int read_time(const struct reader *reader, const char *name, const char *text,
                     int64_t *wall_s)
{
    if (clock_parse(text, wall_s))
        return 0;
    return schema_fault(reader->where, yaml_get(reader->root, name), reader->fault,
                        "'%s': '%.40s' is not a time such as 2026-11-20T20:45:01Z", name, text);
}

static int read_times(const struct reader *reader, const struct document *document)
{
    struct keyfile *out = reader->out;
    if (read_time(reader, "issued", document->issued, &out->issued_s) != 0 ||
        read_time(reader, "expires", document->expires, &out->expires_s) != 0)
        return -1;
    if (out->expires_s >= out->issued_s)
        return 0;
    return fault_at(reader, yaml_get(reader->root, "expires"), "expires",
                    "it expires before it was issued");
}

static int read_forward(const struct reader *reader, const struct yaml_node *node,
                        struct keyfile_forward *out)
{
    struct forward_entry entry = {NULL, NULL};
    struct fault why = {""};
    if (schema_read(forward_schema, COUNT(forward_schema), node, reader->where, &entry,
                    reader->fault) != 0)
        return -1;
    int result = 0;
    if (listen_port_parse(entry.listen, &out->listen, &why) != 0)
        result = fault_at(reader, yaml_get(node, "listen"), "listen", why.text);
    else if (host_port_parse(entry.target, false, &out->target, &why) != 0)
        result = fault_at(reader, yaml_get(node, "target"), "target", why.text);
    schema_release(forward_schema, COUNT(forward_schema), &entry);
    return result;
}

static int read_forwards(const struct reader *reader, const struct yaml_node *list)
{
    struct keyfile *out = reader->out;
    if (list == NULL)
        return 0;
    if (list->kind != YAML_LIST)
        return fault_at(reader, list, "forwards",
                        "it must be a list such as [{listen: 8443, target: 192.0.2.1:443}]");
    out->forwards = calloc(list->count + 1, sizeof *out->forwards);
    if (out->forwards == NULL)
        return fault_at(reader, list, "forwards", "out of memory");
    for (size_t i = 0; i < list->count; i++)
        if (read_forward(reader, list->entries[i], &out->forwards[i]) != 0)
            return -1;
    out->forward_count = list->count;
    return 0;
}

static int check_targets(const struct reader *reader, const struct document *document)
{
    for (size_t i = 0; i < document->allow_targets.count; i++) {
        struct fault why = {""};
        if (allow_target_check(document->allow_targets.items[i], &why) == 0)
            continue;
        return fault_at(reader, yaml_get(reader->root, "allow_targets")->entries[i],
                        "allow_targets", why.text);
    }
    return 0;
}

static int read_document(const struct reader *reader, struct document *document)
{
    if (read_site(reader, document) != 0 || read_host_keys(reader, document) != 0 ||
        read_token(reader, document) != 0 || read_times(reader, document) != 0 ||
        read_forwards(reader, document->forwards) != 0 || check_targets(reader, document) != 0)
        return -1;
    /* The lists change hands. */
    struct keyfile *out = reader->out;
    out->hub = document->hub;
    out->host_keys = document->host_keys;
    out->allow_targets = document->allow_targets;
    document->hub = (struct host_port_list){0, NULL};
    document->host_keys = document->allow_targets = (struct text_list){0, NULL};
    return 0;
}

static int read_tree(const struct reader *reader)
{
    struct document document = {.version = 0};
    if (check_version(reader) != 0 ||
        schema_read(document_schema, COUNT(document_schema), reader->root, reader->where, &document,
                    reader->fault) != 0)
        return -1;
    int result = read_document(reader, &document);
    schema_release(document_schema, COUNT(document_schema), &document);
    return result;
}

int keyfile_parse(const char *text, size_t length, const char *where, struct keyfile *out,
                  struct fault *fault)
{
    if (length > KEYFILE_MAX_BYTES)
        return fault_set(fault, "%s: a keyfile has at most %d bytes, this has %zu", where,
                         KEYFILE_MAX_BYTES, length);
    struct yaml_node *root;
    if (yaml_parse(text, length, where, &root, fault) != 0)
        return -1;
    struct keyfile keyfile = {.forward_count = 0};
    struct reader reader = {.where = where, .root = root, .out = &keyfile, .fault = fault};
    int result = read_tree(&reader);
    yaml_tree_wipe(root);
    if (result == 0)
        *out = keyfile;
    else
        keyfile_release(&keyfile);
    secret_wipe(&keyfile.token, sizeof keyfile.token);
    return result;
}

int keyfile_read(const char *path, struct keyfile *out, struct fault *fault)
{
    char *text;
    size_t length;
    if (file_read(path, KEYFILE_MAX_BYTES, &text, &length, fault) != 0)
        return -1;
    int result = keyfile_parse(text, length, path, out, fault);
    secret_wipe(text, length);
    free(text);
    return result;
}

void keyfile_release(struct keyfile *keyfile)
{
    if (keyfile == NULL)
        return;
    struct document lists = {.hub = keyfile->hub,
                             .host_keys = keyfile->host_keys,
                             .allow_targets = keyfile->allow_targets};
    schema_release(document_schema, COUNT(document_schema), &lists);
    free(keyfile->forwards);
    secret_wipe(keyfile, sizeof *keyfile);
}

static void write_texts(FILE *out, const char *name, const struct text_list *list)
{
    fprintf(out, "%s:%s\n", name, list->count == 0 ? " []" : "");
    for (size_t i = 0; i < list->count; i++) {
        fputs("  - ", out);
        yaml_write_scalar(out, list->items[i]);
        fputc('\n', out);
    }
}

static void write_host_port(FILE *out, const struct host_port *address)
{
    char text[HOST_PORT_SIZE];
    yaml_write_scalar(out, host_port_format(address->host, address->port, text));
}

static void write_forwards(FILE *out, const struct keyfile *keyfile)
{
    fprintf(out, "forwards:%s\n", keyfile->forward_count == 0 ? " []" : "");
    for (size_t i = 0; i < keyfile->forward_count; i++) {
        fputs("  - {listen: ", out);
        write_host_port(out, &keyfile->forwards[i].listen);
        fputs(", target: ", out);
        write_host_port(out, &keyfile->forwards[i].target);
        fputs("}\n", out);
    }
}

static void write_keyfile(FILE *out, const struct keyfile *keyfile)
{
    char issued[CLOCK_TEXT_SIZE];
    char expires[CLOCK_TEXT_SIZE];
    fprintf(out,
            "# Keyfile of the site %s: a secret that enrols it, once.\n"
            "# At the site: tunnel-agent enrol FILE\n"
            "version: %d\nsite: ",
            keyfile->site, KEYFILE_VERSION);
    yaml_write_scalar(out, keyfile->site);
    fputs("\nhub:\n", out);
    for (size_t i = 0; i < keyfile->hub.count; i++) {
        fputs("  - ", out);
        write_host_port(out, &keyfile->hub.items[i]);
        fputc('\n', out);
    }
    write_texts(out, "host_keys", &keyfile->host_keys);
    fprintf(out, "token: %s\nissued: %s\nexpires: %s\n", keyfile->token.text,
            clock_format(keyfile->issued_s, issued), clock_format(keyfile->expires_s, expires));
    write_forwards(out, keyfile);
    write_texts(out, "allow_targets", &keyfile->allow_targets);
}

char *keyfile_format(const struct keyfile *keyfile)
{
    /* Into memory of our own, unbuffered: nobody else keeps a copy of the token. */
    char *text = calloc(1, KEYFILE_MAX_BYTES + 1);
    FILE *out = text != NULL ? fmemopen(text, KEYFILE_MAX_BYTES + 1, "w") : NULL;
    if (out == NULL) {
        free(text);
        return NULL;
    }
    setvbuf(out, NULL, _IONBF, 0);
    write_keyfile(out, keyfile);
    bool complete = !ferror(out);
    if (fclose(out) == 0 && complete)
        return text;
    secret_wipe(text, KEYFILE_MAX_BYTES);
    free(text);
    return NULL;
}
