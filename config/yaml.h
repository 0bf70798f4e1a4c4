/*
 * A YAML document as a tree that knows where each value stood.  The only user of libyaml.
 *
 * A strict, bounded subset: one document, maps, lists and scalars (every scalar is text until a
 * schema reads it); no anchors, aliases, tags or duplicate keys.  Bounds: the size that the
 * caller gave to file_read, YAML_DEPTH_MAX levels, YAML_NODES_MAX nodes.
 */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/fault.h"

#define YAML_DEPTH_MAX 16
#define YAML_NODES_MAX 200000

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    unsigned line, column; /* from 1, as editors count */
    char *key;             /* in a map: this entry's key; else NULL */
    unsigned key_line, key_column;
    char *text;   /* scalar: its value, never NULL */
    size_t count; /* list, map: entries */
    struct yaml_node **entries;
};

/* `where` names the source in faults ("hannover.keyfile:3:7: ...").  Binary, empty and damaged
 * input are faults.  The tree is the caller's: yaml_tree_free (libyaml exports a yaml_free). */
int yaml_parse(const char *text, size_t length, const char *where, struct yaml_node **root,
               struct fault *fault) MUST_CHECK;
void yaml_tree_free(struct yaml_node *root);
/* As yaml_tree_free, wiping every scalar first (keyfiles). */
void yaml_tree_wipe(struct yaml_node *root);

/* The entry of a map, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/* Writes text that yaml_parse reads back as this very scalar: plain where that is safe, else
 * quoted.  Malformed UTF-8 has no spelling in YAML and becomes U+FFFD. */
void yaml_write_scalar(FILE *out, const char *text);
/* The same, malloc'ed; NULL when out of memory. */
char *yaml_quote(const char *text);

#endif
