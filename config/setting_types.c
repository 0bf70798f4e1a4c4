/*
 * The types of settings: for each, how its value is read from a node, written and released.
 * Nothing here knows any setting by name.
 */
#define _GNU_SOURCE
#include "config/setting_types.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/text.h"

/* "... must be EXPECTED, not FOUND" */
static int wrong(const struct reading *reading, const struct yaml_node *node, const char *expected)
{
    const char *name = reading->setting->name;
    if (node->kind == YAML_SCALAR)
        return schema_fault(reading->where, node, reading->fault, "'%s' must be %s, not '%.100s'",
                            name, expected, node->text);
    return schema_fault(reading->where, node, reading->fault, "'%s' must be %s, not a %s", name,
                        expected, node->kind == YAML_LIST ? "list" : "map");
}

static int out_of_memory(const struct reading *reading, const struct yaml_node *node)
{
    return schema_fault(reading->where, node, reading->fault, "out of memory");
}

static int read_text(const struct reading *reading, const struct yaml_node *node, void *place)
{
    if (node->kind != YAML_SCALAR)
        return wrong(reading, node, "text");
    char *text = strdup(node->text);
    if (text == NULL)
        return out_of_memory(reading, node);
    *(char **)place = text;
    return 0;
}

static void write_text(const struct setting *setting, const void *place, FILE *out)
{
    (void)setting;
    yaml_write_scalar(out, *(char *const *)place);
}

/* Wiped, because one of the texts is a keyfile's token. */
static void release_text(void *place)
{
    char *text = *(char **)place;
    if (text != NULL)
        secret_wipe(text, strlen(text));
    free(text);
}

static int read_number(const struct reading *reading, const struct yaml_node *node, void *place)
{
    const struct setting *setting = reading->setting;
    uint64_t max = setting->max > 0 ? setting->max : UINT64_MAX;
    if (node->kind == YAML_SCALAR && text_parse_number(node->text, setting->min, max, place))
        return 0;
    char expected[80];
    snprintf(expected, sizeof expected, "a number from %" PRIu64 " to %" PRIu64, setting->min, max);
    return wrong(reading, node, expected);
}

static void write_number(const struct setting *setting, const void *place, FILE *out)
{
    (void)setting;
    fprintf(out, "%" PRIu64, *(const uint64_t *)place);
}

static int read_duration(const struct reading *reading, const struct yaml_node *node, void *place)
{
    const struct setting *setting = reading->setting;
    struct fault fault = {""};
    uint64_t ms = 0;
    if (node->kind != YAML_SCALAR)
        return wrong(reading, node, "a duration such as 30s");
    if (text_parse_duration_ms(node->text, &ms, &fault) != 0)
        return schema_fault(reading->where, node, reading->fault, "'%s': %s", setting->name,
                            fault.text);
    if (setting->max == 0 || (ms >= setting->min && ms <= setting->max)) {
        *(uint64_t *)place = ms;
        return 0;
    }
    char min[32];
    char max[32];
    char expected[96];
    text_format_duration_ms(setting->min, min, sizeof min);
    text_format_duration_ms(setting->max, max, sizeof max);
    snprintf(expected, sizeof expected, "a duration from %s to %s", min, max);
    return wrong(reading, node, expected);
}

static void write_duration(const struct setting *setting, const void *place, FILE *out)
{
    char text[64];
    (void)setting;
    text_format_duration_ms(*(const uint64_t *)place, text, sizeof text);
    fputs(text, out);
}

static int read_bool(const struct reading *reading, const struct yaml_node *node, void *place)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; node->kind == YAML_SCALAR && i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(node->text, words[i]) != 0)
            continue;
        *(bool *)place = i % 2 == 1;
        return 0;
    }
    return wrong(reading, node, "true or false");
}

static void write_bool(const struct setting *setting, const void *place, FILE *out)
{
    (void)setting;
    fputs(*(const bool *)place ? "true" : "false", out);
}

static int read_choice(const struct reading *reading, const struct yaml_node *node, void *place)
{
    const char *const *choices = reading->setting->choices;
    char expected[256] = "one of";
    for (int i = 0; choices[i] != NULL; i++) {
        if (node->kind == YAML_SCALAR && strcmp(node->text, choices[i]) == 0) {
            *(int *)place = i;
            return 0;
        }
        size_t used = strlen(expected);
        snprintf(expected + used, sizeof expected - used, "%s %s", i > 0 ? "," : "", choices[i]);
    }
    return wrong(reading, node, expected);
}

static void write_choice(const struct setting *setting, const void *place, FILE *out)
{
    fputs(setting->choices[*(const int *)place], out);
}

static int read_address(const struct reading *reading, const struct yaml_node *node, void *place)
{
    if (node->kind != YAML_SCALAR || !address_is_literal(node->text))
        return wrong(reading, node, "an IP address");
    return read_text(reading, node, place);
}

static int check_list(const struct reading *reading, const struct yaml_node *node)
{
    const struct setting *setting = reading->setting;
    if (node->kind != YAML_LIST)
        return wrong(reading, node, "a list such as [one, two]");
    if (setting->max == 0 || (node->count >= setting->min && node->count <= setting->max))
        return 0;
    return schema_fault(reading->where, node, reading->fault,
                        "'%s' must have from %" PRIu64 " to %" PRIu64 " entries, not %zu",
                        setting->name, setting->min, setting->max, node->count);
}

static void release_text_list(void *place)
{
    struct text_list *list = place;
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
}

static int read_text_list(const struct reading *reading, const struct yaml_node *node, void *place)
{
    if (check_list(reading, node) != 0)
        return -1;
    struct text_list list = {.items = calloc(node->count + 1, sizeof(char *))};
    if (list.items == NULL)
        return out_of_memory(reading, node);
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *entry = node->entries[i];
        bool text = entry->kind == YAML_SCALAR && entry->text[0] != '\0';
        int result = text ? read_text(reading, entry, &list.items[i])
                          : wrong(reading, entry, "a list of texts that are not empty");
        if (result != 0) {
            release_text_list(&list);
            return -1;
        }
        list.count++;
    }
    *(struct text_list *)place = list;
    return 0;
}

static void write_text_list(const struct setting *setting, const void *place, FILE *out)
{
    const struct text_list *list = place;
    (void)setting;
    fputc('[', out);
    for (size_t i = 0; i < list->count; i++) {
        fputs(i > 0 ? ", " : "", out);
        yaml_write_scalar(out, list->items[i]);
    }
    fputc(']', out);
}

static int read_host_port(const struct reading *reading, const struct yaml_node *node,
                          struct host_port *out)
{
    bool listen = reading->setting->type == SETTING_LISTEN_LIST;
    struct fault fault = {""};
    if (node->kind != YAML_SCALAR)
        return wrong(reading, node, listen ? "a list of ADDRESS:PORT" : "a list of HOST:PORT");
    if (host_port_parse(node->text, listen, out, &fault) != 0)
        return schema_fault(reading->where, node, reading->fault, "'%s': %s",
                            reading->setting->name, fault.text);
    if (listen && !address_is_literal(out->host))
        return schema_fault(reading->where, node, reading->fault,
                            "'%s': '%s' must begin with an IP address, not with a name",
                            reading->setting->name, node->text);
    return 0;
}

static int read_host_port_list(const struct reading *reading, const struct yaml_node *node,
                               void *place)
{
    if (check_list(reading, node) != 0)
        return -1;
    struct host_port_list list = {.items = calloc(node->count + 1, sizeof(struct host_port))};
    if (list.items == NULL)
        return out_of_memory(reading, node);
    for (; list.count < node->count; list.count++) {
        if (read_host_port(reading, node->entries[list.count], &list.items[list.count]) == 0)
            continue;
        free(list.items);
        return -1;
    }
    *(struct host_port_list *)place = list;
    return 0;
}

static void write_host_port_list(const struct setting *setting, const void *place, FILE *out)
{
    const struct host_port_list *list = place;
    (void)setting;
    fputc('[', out);
    for (size_t i = 0; i < list->count; i++) {
        char text[HOST_PORT_SIZE];
        fputs(i > 0 ? ", " : "", out);
        yaml_write_scalar(out, host_port_format(list->items[i].host, list->items[i].port, text));
    }
    fputc(']', out);
}

static void release_host_port_list(void *place)
{
    free(((struct host_port_list *)place)->items);
}

static int read_node(const struct reading *reading, const struct yaml_node *node, void *place)
{
    (void)reading;
    *(const struct yaml_node **)place = node;
    return 0;
}

const struct setting_rules *setting_rules(enum setting_type type)
{
    static const struct setting_rules rules[] = {
        [SETTING_TEXT] = {sizeof(char *), read_text, write_text, release_text},
        [SETTING_NUMBER] = {sizeof(uint64_t), read_number, write_number, NULL},
        [SETTING_DURATION] = {sizeof(uint64_t), read_duration, write_duration, NULL},
        [SETTING_BOOL] = {sizeof(bool), read_bool, write_bool, NULL},
        [SETTING_CHOICE] = {sizeof(int), read_choice, write_choice, NULL},
        [SETTING_ADDRESS] = {sizeof(char *), read_address, write_text, release_text},
        [SETTING_LISTEN_LIST] = {sizeof(struct host_port_list), read_host_port_list,
                                 write_host_port_list, release_host_port_list},
        [SETTING_HUB_LIST] = {sizeof(struct host_port_list), read_host_port_list,
                              write_host_port_list, release_host_port_list},
        [SETTING_TEXT_LIST] = {sizeof(struct text_list), read_text_list, write_text_list,
                               release_text_list},
        [SETTING_NODE] = {sizeof(const struct yaml_node *), read_node, NULL, NULL},
    };
    return &rules[type];
}
