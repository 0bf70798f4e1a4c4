/*
 * From libyaml's events to a tree.  A stack of open maps and lists takes the place of recursion,
 * so that a document cannot make us nest deeper than YAML_DEPTH_MAX.  What settings and keyfiles
 * have no use for (anchors, aliases, tags, several documents) is refused where it stands.
 */
#include "config/yaml.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/secret.h"
#include "base/text.h"

struct builder {
    const char *where;
    struct fault *fault;
    struct yaml_node *root;
    struct yaml_node *open[YAML_DEPTH_MAX]; /* borrowed: from the root to where we are */
    size_t depth;
    size_t nodes;
    char *key; /* read, and waiting for its value */
    unsigned key_line, key_column;
};

static int fault_at(struct builder *builder, yaml_mark_t mark, const char *sentence)
{
    return fault_set(builder->fault, "%s:%zu:%zu: %s", builder->where, mark.line + 1,
                     mark.column + 1, sentence);
}

static int out_of_memory(struct builder *builder)
{
    return fault_set(builder->fault, "%s: out of memory", builder->where);
}

/* Children first; the path stands where recursion would. */
static void release(struct yaml_node *root, bool wipe)
{
    struct yaml_node *path[YAML_DEPTH_MAX + 1];
    size_t depth = 0;
    if (root != NULL)
        path[depth++] = root;
    while (depth > 0) {
        struct yaml_node *node = path[depth - 1];
        if (node->count > 0) {
            path[depth++] = node->entries[--node->count];
            continue;
        }
        depth--;
        if (wipe && node->text != NULL)
            secret_wipe(node->text, strlen(node->text));
        free(node->entries);
        free(node->text);
        free(node->key);
        free(node);
    }
}

void yaml_tree_free(struct yaml_node *root)
{
    release(root, false);
}

void yaml_tree_wipe(struct yaml_node *root)
{
    release(root, true);
}

/* Room for one entry more; capacities are the powers of two. */
static bool grow(struct yaml_node *node)
{
    size_t count = node->count;
    if ((count & (count - 1)) != 0)
        return true;
    size_t capacity = count == 0 ? 1 : count * 2;
    struct yaml_node **entries = realloc(node->entries, capacity * sizeof *entries);
    if (entries == NULL)
        return false;
    node->entries = entries;
    return true;
}

/* Makes a node and hangs it where we are, with the key that waits. */
static struct yaml_node *add_node(struct builder *builder, enum yaml_kind kind, yaml_mark_t mark)
{
    if (++builder->nodes > YAML_NODES_MAX) {
        (void)fault_at(builder, mark, "the file holds too many values");
        return NULL;
    }
    struct yaml_node *parent = builder->depth > 0 ? builder->open[builder->depth - 1] : NULL;
    struct yaml_node *node = calloc(1, sizeof *node);
    if (node == NULL || (parent != NULL && !grow(parent))) {
        free(node);
        (void)out_of_memory(builder);
        return NULL;
    }
    *node = (struct yaml_node){.kind = kind,
                               .line = (unsigned)mark.line + 1,
                               .column = (unsigned)mark.column + 1,
                               .key = builder->key,
                               .key_line = builder->key_line,
                               .key_column = builder->key_column};
    builder->key = NULL;
    builder->key_line = builder->key_column = 0;
    if (parent != NULL)
        parent->entries[parent->count++] = node;
    else
        builder->root = node;
    return node;
}

/* In a map, before each value, comes a key. */
static bool key_is_due(const struct builder *builder)
{
    return builder->depth > 0 && builder->open[builder->depth - 1]->kind == YAML_MAP &&
           builder->key == NULL;
}

static int on_scalar(struct builder *builder, const yaml_event_t *event)
{
    size_t length = event->data.scalar.length;
    if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL)
        return fault_at(builder, event->start_mark, "anchors (&) and tags (!) are not used here");
    if (memchr(event->data.scalar.value, '\0', length) != NULL)
        return fault_at(builder, event->start_mark, "the text holds a NUL character");
    char *text = malloc(length + 1);
    if (text == NULL)
        return out_of_memory(builder);
    memcpy(text, event->data.scalar.value, length);
    text[length] = '\0';
    if (key_is_due(builder)) {
        builder->key = text;
        builder->key_line = (unsigned)event->start_mark.line + 1;
        builder->key_column = (unsigned)event->start_mark.column + 1;
        return 0;
    }
    struct yaml_node *node = add_node(builder, YAML_SCALAR, event->start_mark);
    if (node == NULL) {
        secret_wipe(text, length);
        free(text);
        return -1;
    }
    node->text = text;
    return 0;
}

static int on_start(struct builder *builder, const yaml_event_t *event, enum yaml_kind kind)
{
    bool map = kind == YAML_MAP;
    const yaml_char_t *anchor =
        map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    const yaml_char_t *tag = map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    if (anchor != NULL || tag != NULL)
        return fault_at(builder, event->start_mark, "anchors (&) and tags (!) are not used here");
    if (key_is_due(builder))
        return fault_at(
            builder, event->start_mark,
            "a key must be a word, not a list or a map; put text with brackets in quotes");
    if (builder->depth == YAML_DEPTH_MAX)
        return fault_at(builder, event->start_mark, "lists and maps are nested too deeply");
    struct yaml_node *node = add_node(builder, kind, event->start_mark);
    if (node == NULL)
        return -1;
    builder->open[builder->depth++] = node;
    return 0;
}

static int compare_keys(const void *a, const void *b)
{
    const struct yaml_node *left = *(struct yaml_node *const *)a;
    const struct yaml_node *right = *(struct yaml_node *const *)b;
    int order = strcmp(left->key, right->key);
    if (order != 0)
        return order;
    if (left->key_line != right->key_line)
        return left->key_line < right->key_line ? -1 : 1;
    return left->key_column < right->key_column ? -1 : left->key_column > right->key_column;
}

/* Sorted, so that a map of a hundred thousand keys costs no more than it should. */
static int check_duplicates(struct builder *builder, const struct yaml_node *map)
{
    if (map->count < 2)
        return 0;
    struct yaml_node **sorted = malloc(map->count * sizeof *sorted);
    if (sorted == NULL)
        return out_of_memory(builder);
    memcpy(sorted, map->entries, map->count * sizeof *sorted);
    qsort(sorted, map->count, sizeof *sorted, compare_keys);
    int result = 0;
    for (size_t i = 1; i < map->count && result == 0; i++) {
        const struct yaml_node *first = sorted[i - 1];
        const struct yaml_node *second = sorted[i];
        if (strcmp(first->key, second->key) == 0)
            result = fault_set(builder->fault, "%s:%u:%u: '%s' is given twice, first in line %u",
                               builder->where, second->key_line, second->key_column, second->key,
                               first->key_line);
    }
    free(sorted);
    return result;
}

static int on_end(struct builder *builder, bool map)
{
    assert(builder->depth > 0); /* libyaml pairs starts and ends */
    builder->depth--;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): every node hangs below builder->root */
    return map ? check_duplicates(builder, builder->open[builder->depth]) : 0;
}

static int on_document(struct builder *builder, const yaml_event_t *event)
{
    if (builder->root == NULL)
        return 0;
    return fault_at(builder, event->start_mark, "a second document begins here; only one is read");
}

static int on_event(struct builder *builder, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(builder, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_start(builder, event, YAML_LIST);
    case YAML_MAPPING_START_EVENT:
        return on_start(builder, event, YAML_MAP);
    case YAML_SEQUENCE_END_EVENT:
        return on_end(builder, false);
    case YAML_MAPPING_END_EVENT:
        return on_end(builder, true);
    case YAML_ALIAS_EVENT:
        return fault_at(builder, event->start_mark, "aliases (*) are not used here");
    case YAML_DOCUMENT_START_EVENT:
        return on_document(builder, event);
    default:
        return 0;
    }
}

/* What a person most likely forgot, when libyaml's words do not say so. */
static const char *advice(const char *problem)
{
    static const struct {
        const char *problem, *advice;
    } known[] = {
        {"did not find expected node content", "; put text with brackets in quotes: \"[::]:22\""},
        {"did not find expected '-' indicator",
         "; check the indentation, and put text with brackets in quotes"},
        {"did not find expected key", "; check the indentation"},
        {"mapping values are not allowed in this context", "; put text with ': ' in quotes"},
        {"found character that cannot start any token", "; put such text in quotes"},
        {"found unexpected end of stream", "; a closing quote is missing"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(problem, known[i].problem) == 0)
            return known[i].advice;
    return "";
}

static int syntax_fault(struct builder *builder, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return out_of_memory(builder);
    const char *problem = parser->problem != NULL ? parser->problem : "damaged";
    return fault_set(builder->fault, "%s:%zu:%zu: not valid YAML: %s%s", builder->where,
                     parser->problem_mark.line + 1, parser->problem_mark.column + 1, problem,
                     advice(problem));
}

static void wipe_event(yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT && event->data.scalar.value != NULL)
        secret_wipe(event->data.scalar.value, event->data.scalar.length);
    yaml_event_delete(event);
}

/* libyaml frees its copies of the text, which may be a keyfile's, as they are. */
static void parser_delete(yaml_parser_t *parser)
{
    if (parser->buffer.start != NULL)
        secret_wipe(parser->buffer.start, (size_t)(parser->buffer.end - parser->buffer.start));
    if (parser->raw_buffer.start != NULL)
        secret_wipe(parser->raw_buffer.start,
                    (size_t)(parser->raw_buffer.end - parser->raw_buffer.start));
    yaml_parser_delete(parser);
}

static int build(struct builder *builder, yaml_parser_t *parser)
{
    bool ended = false;
    while (!ended) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return syntax_fault(builder, parser);
        ended = event.type == YAML_STREAM_END_EVENT;
        int result = on_event(builder, &event);
        wipe_event(&event);
        if (result != 0)
            return result;
    }
    if (builder->root == NULL)
        return fault_set(builder->fault,
                         "%s:1:1: there is nothing in it but blanks and comments; an empty map is "
                         "written {}",
                         builder->where);
    return 0;
}

/* Before libyaml sees it: is it text?  libyaml says so too, but not in which line. */
static int check_text(struct builder *builder, const char *text, size_t length)
{
    yaml_mark_t mark = {0};
    while (length > 0) {
        uint32_t character;
        size_t width = text_utf8_decode(text, length, &character);
        bool blank = *text == '\n' || *text == '\r' || *text == '\t';
        if (!blank && (width == 0 || !text_is_printable(character)))
            return fault_set(builder->fault,
                             "%s:%zu:%zu: byte 0x%02x is not text; the file is binary or damaged",
                             builder->where, mark.line + 1, mark.column + 1,
                             (unsigned)(unsigned char)*text);
        bool line_ends = *text == '\n' || (*text == '\r' && (length == 1 || text[1] != '\n'));
        mark.line += line_ends;
        mark.column = line_ends ? 0 : mark.column + 1;
        text += width;
        length -= width;
    }
    return 0;
}

int yaml_parse(const char *text, size_t length, const char *where, struct yaml_node **root,
               struct fault *fault)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf"; /* some editors begin with it */
    if (length >= 3 && memcmp(text, byte_order_mark, 3) == 0) {
        text += 3;
        length -= 3;
    }
    struct builder builder = {.where = where, .fault = fault};
    if (length == 0)
        return fault_set(fault, "%s:1:1: the file is empty", where);
    if (check_text(&builder, text, length) != 0)
        return -1;
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return out_of_memory(&builder);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    int result = build(&builder, &parser);
    parser_delete(&parser);
    free(builder.key);
    if (result != 0) {
        yaml_tree_wipe(builder.root);
        return result;
    }
    *root = builder.root;
    return 0;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (map == NULL || map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->entries[i]->key, key) == 0)
            return map->entries[i];
    return NULL;
}
