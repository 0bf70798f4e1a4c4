/* Trees with places, and one sentence for whatever is no tree. */
#include "config/yaml.h"

#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "suite.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static struct fault fault;

static struct yaml_node *parse(const char *text)
{
    struct yaml_node *root = NULL;
    ck_assert_msg(yaml_parse(text, strlen(text), "f", &root, &fault) == 0, "%s", fault.text);
    return root;
}

START_TEST(places)
{
    struct yaml_node *root = parse("# comment\n"
                                   "a: 1\n"
                                   "b:\n"
                                   "  - x\n"
                                   "  - {c: [y, 'z w'], d: }\n"
                                   "\xc3\xa4\xc3\xb6: e\n");
    ck_assert(root->kind == YAML_MAP && root->count == 3);
    ck_assert(root->line == 2 && root->column == 1);
    const struct yaml_node *a = yaml_get(root, "a");
    ck_assert_str_eq(a->key, "a");
    ck_assert_str_eq(a->text, "1");
    ck_assert(a->kind == YAML_SCALAR && a->line == 2 && a->column == 4);
    ck_assert(a->key_line == 2 && a->key_column == 1);
    const struct yaml_node *b = yaml_get(root, "b");
    ck_assert(b->kind == YAML_LIST && b->count == 2 && b->line == 4 && b->column == 3);
    ck_assert_ptr_null(b->entries[0]->key);
    const struct yaml_node *c = yaml_get(b->entries[1], "c");
    ck_assert_str_eq(c->entries[1]->text, "z w");
    ck_assert(c->entries[1]->line == 5 && c->entries[1]->column == 13);
    ck_assert_str_eq(yaml_get(b->entries[1], "d")->text, "");
    const struct yaml_node *umlauts = yaml_get(root, "\xc3\xa4\xc3\xb6");
    ck_assert(umlauts->line == 6 && umlauts->column == 5); /* characters, not bytes */
    ck_assert_ptr_null(yaml_get(root, "missing"));
    ck_assert_ptr_null(yaml_get(b, "a"));
    ck_assert_ptr_null(yaml_get(NULL, "a"));
    yaml_tree_free(root);
}
END_TEST

START_TEST(scalars_are_text)
{
    static const struct {
        const char *text, *value;
    } cases[] = {
        {"true", "true"},
        {"~", "~"},
        {"0x10", "0x10"},
        {"'it''s'", "it's"},
        {"\"\"", ""},
        {"\"a\\tb\\u00e4\"", "a\tb\xc3\xa4"},
        {"|\n  one\n  two\n", "one\ntwo\n"},
        {">\n  one\n  two\n", "one two\n"},
        {"a:b", "a:b"},
        {"[::]:22", NULL},
        {"\xef\xbb\xbf"
         "bom",
         "bom"},
        {"--- x", "x"},
        {"x\r\n", "x"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct yaml_node *root = NULL;
        int result = yaml_parse(cases[i].text, strlen(cases[i].text), "f", &root, &fault);
        ck_assert_int_eq(result, cases[i].value != NULL ? 0 : -1);
        if (result != 0)
            continue;
        ck_assert(root->kind == YAML_SCALAR);
        ck_assert_str_eq(root->text, cases[i].value);
        yaml_tree_wipe(root);
    }
}
END_TEST

#define NESTED_16 "[[[[[[[[[[[[[[[["
#define CLOSED_16 "]]]]]]]]]]]]]]]]"

static const struct {
    const char *text, *sentence;
} bad[] = {
    {"", "f:1:1: the file is empty"},
    {"\xef\xbb\xbf", "f:1:1: the file is empty"},
    {"\n \n# only a comment\n",
     "f:1:1: there is nothing in it but blanks and comments; an empty map is written {}"},
    {"a: b\nc: \xff", "f:2:4: byte 0xff is not text; the file is binary or damaged"},
    {"a: b\r\nc: \x01", "f:2:4: byte 0x01 is not text; the file is binary or damaged"},
    {"a: b\rc\x7f", "f:2:2: byte 0x7f is not text; the file is binary or damaged"},
    {"\x7f"
     "ELF",
     "f:1:1: byte 0x7f is not text; the file is binary or damaged"},
    {"\xff\xfe"
     "a",
     "f:1:1: byte 0xff is not text; the file is binary or damaged"},
    {"a: \xe2\x80\x8f", "f:1:4: byte 0xe2 is not text; the file is binary or damaged"},
    {"a: [b", "f:2:1: not valid YAML: did not find expected ',' or ']'"},
    {"a: {b: c", "f:2:1: not valid YAML: did not find expected ',' or '}'"},
    {"a: 'b", "f:1:6: not valid YAML: found unexpected end of stream; a closing quote is missing"},
    {"a: b: c", "f:1:5: not valid YAML: mapping values are not allowed in this context; put text "
                "with ': ' in quotes"},
    {"a:\n  - [::]:22\n", "f:2:6: not valid YAML: did not find expected node content; put text "
                          "with brackets in quotes: \"[::]:22\""},
    {"a: b\n\tc: d", NULL},
    {"a: @",
     "f:1:4: not valid YAML: found character that cannot start any token; put such text in quotes"},
    {"a: \"\\q\"", NULL},
    {"a: b\nb: 1\na: c", "f:3:1: 'a' is given twice, first in line 1"},
    {"x:\n  {k: 1, j: 2, k: 3}", "f:2:16: 'k' is given twice, first in line 2"},
    {"a: &x b", "f:1:4: anchors (&) and tags (!) are not used here"},
    {"a: &x [b]", "f:1:4: anchors (&) and tags (!) are not used here"},
    {"a: !!str b", "f:1:4: anchors (&) and tags (!) are not used here"},
    {"!x {a: b}", "f:1:1: anchors (&) and tags (!) are not used here"},
    {"a: *x", "f:1:4: aliases (*) are not used here"},
    {"a: b\n---\nc: d", "f:2:1: a second document begins here; only one is read"},
    {"a: b\n...\nc: d", NULL},
    {"[a]: b",
     "f:1:1: a key must be a word, not a list or a map; put text with brackets in quotes"},
    {"? {a: b}\n: c",
     "f:1:3: a key must be a word, not a list or a map; put text with brackets in quotes"},
    {"a: \"\\0\"", "f:1:4: the text holds a NUL character"},
    {"\"\\0\": a", "f:1:1: the text holds a NUL character"},
    {NESTED_16 "[" CLOSED_16 "]", "f:1:17: lists and maps are nested too deeply"},
};

START_TEST(refuses)
{
    struct yaml_node *root = NULL;
    ck_assert_int_eq(yaml_parse(bad[_i].text, strlen(bad[_i].text), "f", &root, &fault), -1);
    ck_assert_ptr_null(root);
    if (bad[_i].sentence != NULL)
        ck_assert_str_eq(fault.text, bad[_i].sentence);
    else
        ck_assert_int_eq(strncmp(fault.text, "f:", 2), 0);
    ck_assert_int_eq(yaml_parse(bad[_i].text, strlen(bad[_i].text), "f", &root, NULL), -1);
}
END_TEST

START_TEST(refuses_nul_bytes)
{
    struct yaml_node *root = NULL;
    ck_assert_int_eq(yaml_parse("a: b\n\0", 6, "f", &root, &fault), -1);
    ck_assert_str_eq(fault.text, "f:2:1: byte 0x00 is not text; the file is binary or damaged");
}
END_TEST

START_TEST(nests_to_the_bound)
{
    yaml_tree_free(parse(NESTED_16 CLOSED_16));
    yaml_tree_free(parse(NESTED_16 "x" CLOSED_16));
}
END_TEST

/* `count` copies of `item` behind each other. */
static char *repeat(const char *item, size_t count, size_t *length)
{
    size_t width = strlen(item);
    char *text = malloc(width * count + 1);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * width, item, width);
    text[width * count] = '\0';
    *length = width * count;
    return text;
}

START_TEST(counts_to_the_bound)
{
    struct yaml_node *root = NULL;
    size_t length;
    char *text = repeat("- a\n", YAML_NODES_MAX - 1, &length); /* and the list itself */
    ck_assert_int_eq(yaml_parse(text, length, "f", &root, &fault), 0);
    ck_assert_uint_eq(root->count, YAML_NODES_MAX - 1);
    yaml_tree_free(root);
    free(text);
    text = repeat("- a\n", YAML_NODES_MAX, &length);
    ck_assert_int_eq(yaml_parse(text, length, "f", &root, &fault), -1);
    ck_assert_str_eq(fault.text, "f:200000:3: the file holds too many values");
    free(text);
}
END_TEST

START_TEST(endless_files_end)
{
    static const char *const items[] = {"[", "{", "- ", "a: ", "? ", "!", "&", "'", "a", "- - -\n"};
    struct yaml_node *root = NULL;
    for (size_t i = 0; i < COUNT(items); i++) {
        size_t length;
        char *text = repeat(items[i], (1u << 20) / strlen(items[i]), &length);
        if (yaml_parse(text, length, "f", &root, &fault) == 0)
            yaml_tree_free(root);
        free(text);
    }
}
END_TEST

START_TEST(every_truncation)
{
    static const char text[] =
        "site: hannover\nhub: ['a:1', {b: \"c\\n\"}]\nk:\n  - x: |\n     y\n";
    for (size_t length = 0; length < sizeof text; length++) {
        struct yaml_node *root = NULL;
        char *exact = malloc(length + 1);
        memcpy(exact, text, length);
        int result = yaml_parse(exact, length, "f", &root, &fault);
        ck_assert(result == 0 ? root != NULL : strncmp(fault.text, "f:", 2) == 0);
        yaml_tree_free(root);
        free(exact);
    }
}
END_TEST

START_TEST(quotes)
{
    static const struct {
        const char *text, *quoted;
    } cases[] = {
        {"plain", "plain"},
        {"hub.example.net:2222", "hub.example.net:2222"},
        {"127.0.0.1", "127.0.0.1"},
        {"ssh-ed25519 AAAA+/= me@home", "ssh-ed25519 AAAA+/= me@home"},
        {"/var/lib/tunneld", "/var/lib/tunneld"},
        {"", "\"\""},
        {"[::]:22", "\"[::]:22\""},
        {"*:443", "\"*:443\""},
        {"no", "\"no\""},
        {"True", "\"True\""},
        {"a: b", "\"a: b\""},
        {"a #b", "\"a #b\""},
        {"a ", "\"a \""},
        {"a:", "\"a:\""},
        {" a", "\" a\""},
        {"- a", "\"- a\""},
        {"a, b", "\"a, b\""},
        {"\"\\", "\"\\\"\\\\\""},
        {"a\nb\tc\r", "\"a\\nb\\tc\\u000d\""},
        {"\xc3\xa4", "\"\xc3\xa4\""},
        {"\xc2\x9b\xe2\x80\x8f\xf3\xa0\x80\x81", "\"\\u009b\\u200f\\U000e0001\""},
        {"---", "\"---\""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *quoted = yaml_quote(cases[i].text);
        ck_assert_str_eq(quoted, cases[i].quoted);
        struct yaml_node *root = parse(quoted);
        ck_assert_str_eq(root->text, cases[i].text);
        yaml_tree_free(root);
        free(quoted);
    }
    char *quoted = yaml_quote("a\xff");
    ck_assert_str_eq(quoted, "\"a\\ufffd\"");
    free(quoted);
}
END_TEST

/* In a flow list and as a value too, whatever ASCII it is. */
START_TEST(quotes_anything)
{
    for (int round = 0; round < 500; round++) {
        unsigned char text[12];
        secret_random(text, sizeof text);
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = (unsigned char)(text[i] % 127 + 1);
        text[text[0] % sizeof text] = '\0';
        char *quoted = yaml_quote((const char *)text);
        char document[256];
        snprintf(document, sizeof document, "a: %s\nb: [%s, %s]\n", quoted, quoted, quoted);
        struct yaml_node *root = parse(document);
        ck_assert_str_eq(yaml_get(root, "a")->text, (const char *)text);
        ck_assert_uint_eq(yaml_get(root, "b")->count, 2);
        ck_assert_str_eq(yaml_get(root, "b")->entries[1]->text, (const char *)text);
        yaml_tree_free(root);
        free(quoted);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("yaml");
    TCase *tests = tcase_create("yaml");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, places);
    tcase_add_test(tests, scalars_are_text);
    tcase_add_loop_test(tests, refuses, 0, COUNT(bad));
    tcase_add_test(tests, refuses_nul_bytes);
    tcase_add_test(tests, nests_to_the_bound);
    tcase_add_test(tests, counts_to_the_bound);
    tcase_add_test(tests, endless_files_end);
    tcase_add_test(tests, every_truncation);
    tcase_add_test(tests, quotes);
    tcase_add_test(tests, quotes_anything);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
