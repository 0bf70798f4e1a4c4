/*
 * Settings as data: one table says for each its name, type, place in a struct, bounds, default
 * and one line of help; reading, checking, defaults, dumping and freeing all walk that table.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/address.h"
#include "base/fault.h"
#include "config/yaml.h"

enum setting_type {
    SETTING_TEXT,        /* char *            */
    SETTING_NUMBER,      /* uint64_t          min, max */
    SETTING_DURATION,    /* uint64_t in ms    min, max in ms */
    SETTING_BOOL,        /* bool              true/false, yes/no, on/off */
    SETTING_CHOICE,      /* int: index into choices */
    SETTING_ADDRESS,     /* char *: an IP literal */
    SETTING_LISTEN_LIST, /* struct host_port_list: IP literal and port, port 0 allowed */
    SETTING_HUB_LIST,    /* struct host_port_list: host name or literal, and port */
    SETTING_TEXT_LIST,   /* struct text_list  */
    SETTING_NODE,        /* const struct yaml_node *, borrowed from the map; NULL when not given;
                            its reader checks it; not dumped */
};

struct text_list {
    size_t count;
    char **items;
};
struct host_port_list {
    size_t count;
    struct host_port *items;
};

struct setting {
    const char *name;
    enum setting_type type;
    size_t offset;
    const char *fallback; /* default as YAML flow text: "30s", "[]"; NULL: must be given */
    const char *help;
    uint64_t min, max;          /* numbers, durations, entries of a list; 0,0 = unbounded */
    const char *const *choices; /* SETTING_CHOICE, NULL-terminated */
    bool live;                  /* a change can come into force without a restart */
};

/* Fills `settings` (zeroed by the caller) from `map`, or from the defaults where map is NULL or
 * silent.  An unknown name is a fault naming the nearest known one, with line and column; so is
 * a value of the wrong form.  On failure everything allocated is released again. */
int schema_read(const struct setting *schema, size_t count, const struct yaml_node *map,
                const char *where, void *settings, struct fault *fault) MUST_CHECK;
void schema_release(const struct setting *schema, size_t count, void *settings);
/* Writes the settings in force, each below its help, as YAML that schema_read reads back. */
void schema_dump(const struct setting *schema, size_t count, const void *settings, FILE *out);
/* One value as schema_dump writes it; the caller's.  NULL: out of memory. */
char *schema_value_text(const struct setting *setting, const void *settings);
/* Exchanges this setting's value between two structs. */
void schema_swap(const struct setting *setting, void *one, void *other);

/* "WHERE:LINE:COLUMN: sentence", for checks that a schema cannot express.  Returns -1. */
int schema_fault(const char *where, const struct yaml_node *node, struct fault *fault,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
