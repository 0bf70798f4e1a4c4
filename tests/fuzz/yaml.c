/* Any bytes are a tree or a fault; every scalar of a tree can be written and read again. */
#undef NDEBUG /* the checks are the point */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_scalar(const char *text)
{
    struct fault fault = {""};
    struct yaml_node *node = NULL;
    char *quoted = yaml_quote(text);
    assert(quoted != NULL);
    int result = yaml_parse(quoted, strlen(quoted), "quoted", &node, &fault);
    assert(result == 0 && node->kind == YAML_SCALAR && strcmp(node->text, text) == 0);
    yaml_tree_wipe(node);
    free(quoted);
}

static void visit(const struct yaml_node *node)
{
    assert(node->line > 0 && node->column > 0);
    if (node->key != NULL)
        check_scalar(node->key);
    if (node->kind == YAML_SCALAR)
        check_scalar(node->text);
    for (size_t i = 0; i < node->count; i++) {
        if (node->kind == YAML_MAP)
            assert(yaml_get(node, node->entries[i]->key) == node->entries[i]);
        visit(node->entries[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fault fault = {""};
    struct yaml_node *root = NULL;
    if (yaml_parse((const char *)data, size, "f", &root, &fault) != 0) {
        assert(root == NULL && strncmp(fault.text, "f:", 2) == 0);
        return 0;
    }
    visit(root);
    yaml_tree_free(root);
    return 0;
}
