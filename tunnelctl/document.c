/*
 * Both ways between the file and the hub's document, walking one table of what there is.  Checks
 * words and forms, so that a mistake is shown with its line; what the values mean is checked by the
 * hub.
 */
#define _GNU_SOURCE
#include "tunnelctl/document.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/schema.h"

/* A scalar as written in the file, to JSON; NULL and a fault. */
typedef json_t *item_reader(const char *text, struct fault *fault);
typedef void item_writer(FILE *out, const json_t *value);

enum item_kind {
    ITEM_SCALAR,
    ITEM_LIST,  /* of scalars */
    ITEM_NAMED, /* a map of names to maps of the items `of` */
};

struct item {
    const char *key; /* in the file; NULL ends the list */
    const char *json_key;
    enum item_kind kind;
    item_reader *read;
    item_writer *write;
    const struct item *of;
};

/* --- scalars --- */

static json_t *read_words(const char *text, struct fault *fault)
{
    json_t *json = json_string(text);
    if (!json)
        (void)fault_set(fault, "out of memory");
    return json;
}

static void write_words(FILE *out, const json_t *value)
{
    yaml_write_scalar(out, json_string_value(value) ? json_string_value(value) : "");
}

static json_t *read_count(const char *text, struct fault *fault)
{
    uint64_t number;
    if (text_parse_number(text, 0, INT64_MAX, &number))
        return json_integer((json_int_t)number);
    (void)fault_set(fault, "'%.64s' is no whole number", text);
    return NULL;
}

static void write_count(FILE *out, const json_t *value)
{
    (void)fprintf(out, "%lld", (long long)json_integer_value(value));
}

static json_t *read_truth(const char *text, struct fault *fault)
{
    if (strcmp(text, "true") == 0 || strcmp(text, "yes") == 0)
        return json_true();
    if (strcmp(text, "false") == 0 || strcmp(text, "no") == 0)
        return json_false();
    (void)fault_set(fault, "'%.64s' is neither true nor false", text);
    return NULL;
}

static void write_truth(FILE *out, const json_t *value)
{
    (void)fputs(json_is_true(value) ? "true" : "false", out);
}

static json_t *read_seconds(const char *text, struct fault *fault)
{
    uint64_t ms;
    if (text_parse_duration_ms(text, &ms, fault) != 0)
        return NULL;
    if (ms % 1000 == 0)
        return json_integer((json_int_t)(ms / 1000));
    (void)fault_set(fault, "'%.64s': whole seconds are wanted", text);
    return NULL;
}

static void write_seconds(FILE *out, const json_t *value)
{
    char text[64];
    text_format_duration_ms((uint64_t)json_integer_value(value) * 1000, text, sizeof text);
    (void)fputs(text, out);
}

/* As --target-check has it: 0 is a word. */
static json_t *read_check(const char *text, struct fault *fault)
{
    return strcmp(text, "off") == 0 ? json_integer(0) : read_seconds(text, fault);
}

static void write_check(FILE *out, const json_t *value)
{
    if (json_integer_value(value) == 0)
        (void)fputs("off", out);
    else
        write_seconds(out, value);
}

static json_t *read_rate(const char *text, struct fault *fault)
{
    uint64_t bytes;
    if (text_parse_rate(text, &bytes, fault) != 0)
        return NULL;
    return json_integer((json_int_t)bytes);
}

static void write_rate(FILE *out, const json_t *value)
{
    char text[32];
    text_format_rate((uint64_t)json_integer_value(value), text, sizeof text);
    (void)fputs(text, out);
}

/* --- what there is --- */

#define WORDS   ITEM_SCALAR, read_words, write_words
#define COUNT   ITEM_SCALAR, read_count, write_count
#define TRUTH   ITEM_SCALAR, read_truth, write_truth
#define SECONDS ITEM_SCALAR, read_seconds, write_seconds
#define RATE    ITEM_SCALAR, read_rate, write_rate
#define LIST    ITEM_LIST, read_words, write_words

static const struct item grant_items[] = {
    {"address", "address", WORDS, NULL},
    {"target", "target", WORDS, NULL},
    {"enabled", "enabled", TRUTH, NULL},
    {"private", "private", TRUTH, NULL},
    {"from", "from", LIST, NULL},
    {"max_connections", "max_connections", COUNT, NULL},
    {"max_rate", "max_rate", COUNT, NULL},
    {"bandwidth_in", "bandwidth_in", RATE, NULL},
    {"bandwidth_out", "bandwidth_out", RATE, NULL},
    {"connect_timeout", "connect_timeout_s", SECONDS, NULL},
    {"idle_timeout", "idle_timeout_s", SECONDS, NULL},
    {"hold", "hold_s", SECONDS, NULL},
    {"target_check", "target_check_s", ITEM_SCALAR, read_check, write_check, NULL},
    {"expires", "expires", WORDS, NULL},
    {"proxy_protocol", "proxy_protocol", WORDS, NULL},
    {NULL},
};
static const struct item outbound_items[] = {
    {"listen", "listen", WORDS, NULL},
    {NULL},
};
static const struct item site_items[] = {
    {"enabled", "enabled", TRUTH, NULL},
    {"ports", "ports", ITEM_NAMED, NULL, NULL, grant_items},
    {"outbound", "outbound", ITEM_NAMED, NULL, NULL, outbound_items},
    {NULL},
};
static const struct item operator_items[] = {
    {"key", "key", WORDS, NULL},
    {"sites", "sites", LIST, NULL},
    {"expires", "expires", WORDS, NULL},
    {NULL},
};
static const struct item document_items[] = {
    {"version", "version", COUNT, NULL},
    {"sites", "sites", ITEM_NAMED, NULL, NULL, site_items},
    {"operators", "operators", ITEM_NAMED, NULL, NULL, operator_items},
    {NULL},
};

/* --- reading --- */

#define NAME_BYTES_MAX 255

struct reading {
    const char *where;
    struct fault *fault;
};

static json_t *read_map(const struct reading *reading, const struct item *items,
                        const struct yaml_node *map);

static json_t *read_scalar(const struct reading *reading, const struct item *item,
                           const struct yaml_node *node)
{
    struct fault fault = {""};
    if (node->kind != YAML_SCALAR) {
        (void)schema_fault(reading->where, node, reading->fault, "a single value is wanted here");
        return NULL;
    }
    json_t *json = item->read(node->text, &fault);
    if (!json)
        (void)schema_fault(reading->where, node, reading->fault, "%s", fault.text);
    return json;
}

static json_t *read_list(const struct reading *reading, const struct item *item,
                         const struct yaml_node *node)
{
    if (node->kind != YAML_LIST) {
        (void)schema_fault(reading->where, node, reading->fault,
                           "'%s' is a list: write [one, two], or a line with '- ' for each",
                           item->key);
        return NULL;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < node->count; i++) {
        json_t *json = read_scalar(reading, item, node->entries[i]);
        if (!json) {
            json_decref(list);
            return NULL;
        }
        (void)json_array_append_new(list, json);
    }
    return list;
}

/* Nothing behind the colon is an empty map. */
static bool is_map(const struct yaml_node *node)
{
    return node->kind == YAML_MAP || (node->kind == YAML_SCALAR && node->text[0] == '\0');
}

/* The hub judges names; but longer ones would be printed as what YAML does not read as a key. */
static json_t *read_entry(const struct reading *reading, const struct item *item,
                          const struct yaml_node *node)
{
    const struct yaml_node key = {.line = node->key_line, .column = node->key_column};
    if (strlen(node->key) > NAME_BYTES_MAX) {
        (void)schema_fault(reading->where, &key, reading->fault,
                           "'%.32s...' is too long for a name: at most %d bytes", node->key,
                           NAME_BYTES_MAX);
        return NULL;
    }
    return read_map(reading, item->of, node);
}

static json_t *read_named(const struct reading *reading, const struct item *item,
                          const struct yaml_node *node)
{
    if (!is_map(node)) {
        (void)schema_fault(reading->where, node, reading->fault, "'%s' is a map of names",
                           item->key);
        return NULL;
    }
    json_t *named = json_object();
    for (size_t i = 0; i < node->count; i++) {
        json_t *json = read_entry(reading, item, node->entries[i]);
        if (!json) {
            json_decref(named);
            return NULL;
        }
        (void)json_object_set_new(named, node->entries[i]->key, json);
    }
    return named;
}

static const struct item *find_item(const struct reading *reading, const struct item *items,
                                    const struct yaml_node *node)
{
    const char *names[32];
    size_t count = 0;
    for (const struct item *item = items; item->key; item++) {
        if (strcmp(item->key, node->key) == 0)
            return item;
        names[count++] = item->key;
    }
    const char *nearest = text_nearest(node->key, names, count);
    const struct yaml_node key = {.line = node->key_line, .column = node->key_column};
    (void)schema_fault(reading->where, &key, reading->fault, "there is no item '%.64s' here%s%s%s",
                       node->key, nearest ? "; did you mean '" : "", nearest ? nearest : "",
                       nearest ? "'?" : "");
    return NULL;
}

static json_t *read_item(const struct reading *reading, const struct item *item,
                         const struct yaml_node *node)
{
    switch (item->kind) {
    case ITEM_SCALAR:
        return read_scalar(reading, item, node);
    case ITEM_LIST:
        return read_list(reading, item, node);
    default:
        return read_named(reading, item, node);
    }
}

static json_t *read_map(const struct reading *reading, const struct item *items,
                        const struct yaml_node *map)
{
    if (!is_map(map)) {
        (void)schema_fault(reading->where, map, reading->fault, "a map is wanted here: KEY: VALUE");
        return NULL;
    }
    json_t *json = json_object();
    for (size_t i = 0; i < map->count; i++) {
        const struct item *item = find_item(reading, items, map->entries[i]);
        json_t *value = item ? read_item(reading, item, map->entries[i]) : NULL;
        if (!value) {
            json_decref(json);
            return NULL;
        }
        (void)json_object_set_new(json, item->json_key, value);
    }
    return json;
}

int document_parse(const char *text, size_t length, const char *where, json_t **out,
                   struct fault *fault)
{
    const struct reading reading = {where, fault};
    struct yaml_node *root;
    if (yaml_parse(text, length, where, &root, fault) != 0)
        return -1;
    *out = read_map(&reading, document_items, root);
    yaml_tree_free(root);
    return *out ? 0 : -1;
}

/* --- writing --- */

static void print_map(FILE *out, const struct item *items, const json_t *json, int indent);

static void print_named(FILE *out, const struct item *item, const json_t *named, int indent)
{
    const char *name;
    json_t *json;
    json_object_foreach((json_t *)(uintptr_t)named, name, json)
    {
        (void)fprintf(out, "%*s", indent, "");
        yaml_write_scalar(out, name);
        (void)fputs(json_object_size(json) > 0 ? ":\n" : ": {}\n", out);
        print_map(out, item->of, json, indent + 2);
    }
}

static void print_list(FILE *out, const struct item *item, const json_t *list)
{
    size_t index;
    json_t *json;
    (void)fputs(" [", out);
    json_array_foreach(list, index, json)
    {
        (void)fputs(index > 0 ? ", " : "", out);
        item->write(out, json);
    }
    (void)fputs("]\n", out);
}

static void print_item(FILE *out, const struct item *item, const json_t *value, int indent)
{
    (void)fprintf(out, "%*s%s:", indent, "", item->key);
    if (item->kind == ITEM_SCALAR) {
        (void)fputc(' ', out);
        item->write(out, value);
        (void)fputc('\n', out);
    } else if (item->kind == ITEM_LIST) {
        print_list(out, item, value);
    } else {
        (void)fputs(json_object_size(value) > 0 ? "\n" : " {}\n", out);
        print_named(out, item, value, indent + 2);
    }
}

static void print_map(FILE *out, const struct item *items, const json_t *json, int indent)
{
    for (const struct item *item = items; item->key; item++) {
        const json_t *value = json_object_get(json, item->json_key);
        if (value && !json_is_null(value))
            print_item(out, item, value, indent);
    }
}

void document_print(FILE *out, const json_t *document)
{
    print_map(out, document_items, document, 0);
}
