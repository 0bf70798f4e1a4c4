/*
 * What schema.c asks of each type of setting.  Only schema.c and setting_types.c include this.
 */
#ifndef CONFIG_SETTING_TYPES_H
#define CONFIG_SETTING_TYPES_H

#include "config/schema.h"

struct reading {
    const struct setting *setting;
    const char *where;
    struct fault *fault;
};

struct setting_rules {
    size_t size; /* that a value takes in the struct */
    /* Fills `place` from `node`; a fault with line and column when the value is wrong, and then
     * `place` holds nothing that needs releasing. */
    int (*read)(const struct reading *reading, const struct yaml_node *node, void *place);
    /* Writes the value as flow YAML; NULL: the type is not dumped. */
    void (*write)(const struct setting *setting, const void *place, FILE *out);
    /* NULL: the value owns nothing. */
    void (*release)(void *place);
};

const struct setting_rules *setting_rules(enum setting_type type);

#endif
