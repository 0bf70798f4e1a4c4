/*
 * Walking a schema: reading with defaults, refusing what is unknown, dumping, releasing.  What a
 * value of each type looks like is in setting_types.c.
 */
#define _GNU_SOURCE
#include "config/schema.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/setting_types.h"

#define SETTINGS_MAX   64 /* of one schema */
#define VALUE_SIZE_MAX 64 /* bytes of one value in its struct */

static void *place_of(const struct setting *setting, void *settings)
{
    return (char *)settings + setting->offset;
}

static const void *const_place_of(const struct setting *setting, const void *settings)
{
    return (const char *)settings + setting->offset;
}

static int fault_here(const char *where, unsigned line, unsigned column, struct fault *fault)
{
    return fault_prefix(fault, "%s:%u:%u", where, line, column);
}

int schema_fault(const char *where, const struct yaml_node *node, struct fault *fault,
                 const char *format, ...)
{
    char sentence[FAULT_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(sentence, sizeof sentence, format, arguments) < 0)
        sentence[0] = '\0';
    va_end(arguments);
    (void)fault_set(fault, "%s", sentence);
    return fault_here(where, node->line, node->column, fault);
}

/* "one, two, three" */
static void join(const char *const *words, size_t count, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", words[i]);
}

static int check_known(const struct setting *schema, size_t count, const struct yaml_node *entry,
                       const char *where, struct fault *fault)
{
    const char *names[SETTINGS_MAX] = {NULL};
    assert(count <= SETTINGS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(schema[i].name, entry->key) == 0)
            return 0;
        names[i] = schema[i].name;
    }
    const char *nearest = text_nearest(entry->key, names, count);
    char known[512];
    join(names, count, known, sizeof known);
    if (nearest != NULL)
        (void)fault_set(fault, "unknown setting '%.64s'; did you mean '%s'?", entry->key, nearest);
    else
        (void)fault_set(fault, "unknown setting '%.64s'; known are %s", entry->key, known);
    return fault_here(where, entry->key_line, entry->key_column, fault);
}

static int check_map(const struct setting *schema, size_t count, const struct yaml_node *map,
                     const char *where, struct fault *fault)
{
    if (map->kind != YAML_MAP)
        return schema_fault(where, map, fault, "there must be settings here, as NAME: VALUE");
    for (size_t i = 0; i < map->count; i++)
        if (check_known(schema, count, map->entries[i], where, fault) != 0)
            return -1;
    return 0;
}

static int read_value(const struct setting *setting, const struct yaml_node *node,
                      const char *where, void *settings, struct fault *fault)
{
    struct reading reading = {.setting = setting, .where = where, .fault = fault};
    return setting_rules(setting->type)->read(&reading, node, place_of(setting, settings));
}

static int read_fallback(const struct setting *setting, void *settings, struct fault *fault)
{
    if (setting->type == SETTING_NODE)
        return 0;
    char where[96];
    snprintf(where, sizeof where, "default of %s", setting->name);
    struct yaml_node *node;
    if (yaml_parse(setting->fallback, strlen(setting->fallback), where, &node, fault) != 0)
        return -1;
    int result = read_value(setting, node, where, settings, fault);
    yaml_tree_free(node);
    return result;
}

static int read_setting(const struct setting *setting, const struct yaml_node *map,
                        const char *where, void *settings, struct fault *fault)
{
    const struct yaml_node *node = yaml_get(map, setting->name);
    if (node != NULL)
        return read_value(setting, node, where, settings, fault);
    if (setting->fallback != NULL)
        return read_fallback(setting, settings, fault);
    (void)fault_set(fault, "the setting '%s' is missing", setting->name);
    if (map == NULL)
        return fault_prefix(fault, "%s", where);
    return fault_here(where, map->line, map->column, fault);
}

int schema_read(const struct setting *schema, size_t count, const struct yaml_node *map,
                const char *where, void *settings, struct fault *fault)
{
    if (map != NULL && check_map(schema, count, map, where, fault) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (read_setting(&schema[i], map, where, settings, fault) == 0)
            continue;
        schema_release(schema, i, settings);
        return -1;
    }
    return 0;
}

void schema_release(const struct setting *schema, size_t count, void *settings)
{
    for (size_t i = 0; i < count; i++) {
        void *place = place_of(&schema[i], settings);
        const struct setting_rules *rules = setting_rules(schema[i].type);
        if (rules->release != NULL)
            rules->release(place);
        memset(place, 0, rules->size);
    }
}

void schema_dump(const struct setting *schema, size_t count, const void *settings, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct setting_rules *rules = setting_rules(schema[i].type);
        if (rules->write == NULL)
            continue;
        fprintf(out, "# %s\n%s: ", schema[i].help, schema[i].name);
        rules->write(&schema[i], const_place_of(&schema[i], settings), out);
        fputc('\n', out);
    }
}

char *schema_value_text(const struct setting *setting, const void *settings)
{
    char *text = NULL;
    size_t length = 0;
    const struct setting_rules *rules = setting_rules(setting->type);
    FILE *out = open_memstream(&text, &length);
    if (out == NULL)
        return NULL;
    if (rules->write != NULL)
        rules->write(setting, const_place_of(setting, settings), out);
    bool failed = ferror(out) != 0;
    if (fclose(out) == 0 && !failed)
        return text;
    free(text);
    return NULL;
}

void schema_swap(const struct setting *setting, void *one, void *other)
{
    char kept[VALUE_SIZE_MAX];
    size_t size = setting_rules(setting->type)->size;
    assert(size <= sizeof kept);
    memcpy(kept, place_of(setting, one), size);
    memcpy(place_of(setting, one), place_of(setting, other), size);
    memcpy(place_of(setting, other), kept, size);
}
