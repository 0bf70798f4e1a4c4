/* Settings of every type, from a table made for the test. */
#define _GNU_SOURCE
#include "config/schema.h"

#include <stdio.h>
#include <string.h>

#include "suite.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct settings {
    char *text;
    uint64_t number, any_number, duration, any_duration;
    bool flag;
    int choice;
    char *address;
    struct host_port_list listen, hub;
    struct text_list texts;
    const struct yaml_node *node;
};

static const char *const colours[] = {"red", "green", NULL};

#define AT(field) offsetof(struct settings, field)
static const struct setting schema[] = {
    {"text", SETTING_TEXT, AT(text), "fallback", "A text", 0, 0, NULL},
    {"number", SETTING_NUMBER, AT(number), "7", "A number", 5, 10, NULL},
    {"any_number", SETTING_NUMBER, AT(any_number), "0", "Any number", 0, 0, NULL},
    {"duration", SETTING_DURATION, AT(duration), "30s", "A duration", 1000, 60000, NULL},
    {"any_duration", SETTING_DURATION, AT(any_duration), "0", "Any duration", 0, 0, NULL},
    {"flag", SETTING_BOOL, AT(flag), "no", "A flag", 0, 0, NULL},
    {"choice", SETTING_CHOICE, AT(choice), "green", "A choice", 0, 0, colours},
    {"address", SETTING_ADDRESS, AT(address), "\"::1\"", "An address", 0, 0, NULL},
    {"listen", SETTING_LISTEN_LIST, AT(listen), "[]", "Listeners", 0, 0, NULL},
    {"hub", SETTING_HUB_LIST, AT(hub), NULL, "Hubs", 1, 2, NULL},
    {"texts", SETTING_TEXT_LIST, AT(texts), "[a, b c]", "Texts", 0, 0, NULL},
    {"node", SETTING_NODE, AT(node), "[]", "A node", 0, 0, NULL},
};

static struct fault fault;
static struct yaml_node *root;

static int read_text(const char *text, struct settings *settings)
{
    memset(settings, 0, sizeof *settings);
    root = NULL;
    ck_assert_msg(yaml_parse(text, strlen(text), "f", &root, &fault) == 0, "%s", fault.text);
    return schema_read(schema, COUNT(schema), root, "f", settings, &fault);
}

static void release(struct settings *settings)
{
    static const struct settings nothing;
    schema_release(schema, COUNT(schema), settings);
    ck_assert(settings->text == NULL && settings->hub.items == nothing.hub.items);
    ck_assert(settings->texts.count == 0 && settings->number == 0);
    schema_release(schema, COUNT(schema), settings); /* again is harmless */
    yaml_tree_free(root);
}

START_TEST(defaults)
{
    struct settings settings;
    ck_assert_msg(read_text("hub: [h:1]", &settings) == 0, "%s", fault.text);
    ck_assert_str_eq(settings.text, "fallback");
    ck_assert_uint_eq(settings.number, 7);
    ck_assert_uint_eq(settings.duration, 30000);
    ck_assert(!settings.flag);
    ck_assert_int_eq(settings.choice, 1);
    ck_assert_str_eq(settings.address, "::1");
    ck_assert_uint_eq(settings.listen.count, 0);
    ck_assert_uint_eq(settings.texts.count, 2);
    ck_assert_str_eq(settings.texts.items[1], "b c");
    ck_assert_ptr_null(settings.node);
    release(&settings);
}
END_TEST

START_TEST(values)
{
    struct settings settings;
    int result = read_text("{text: '', number: 10, any_number: 18446744073709551615, duration: 1m,"
                           " any_duration: 90d, flag: on, choice: red, address: 10.0.0.1,"
                           " listen: ['[::1]:0', 127.0.0.1:22], hub: [h:1, '[::2]:2'], texts: [],"
                           " node: {x: y}}",
                           &settings);
    ck_assert_msg(result == 0, "%s", fault.text);
    ck_assert_str_eq(settings.text, "");
    ck_assert_uint_eq(settings.number, 10);
    ck_assert_uint_eq(settings.any_number, UINT64_MAX);
    ck_assert_uint_eq(settings.duration, 60000);
    ck_assert(settings.flag);
    ck_assert_int_eq(settings.choice, 0);
    ck_assert_uint_eq(settings.listen.count, 2);
    ck_assert_str_eq(settings.listen.items[0].host, "::1");
    ck_assert_uint_eq(settings.listen.items[0].port, 0);
    ck_assert_str_eq(settings.hub.items[1].host, "::2");
    ck_assert_uint_eq(settings.texts.count, 0);
    ck_assert_str_eq(yaml_get(settings.node, "x")->text, "y");
    release(&settings);
}
END_TEST

static const struct {
    const char *text, *sentence;
} bad[] = {
    {"[a]", "f:1:1: there must be settings here, as NAME: VALUE"},
    {"word", "f:1:1: there must be settings here, as NAME: VALUE"},
    {"{}", "f:1:1: the setting 'hub' is missing"},
    {"hub: [h:1]\nnumbr: 1", "f:2:1: unknown setting 'numbr'; did you mean 'number'?"},
    {"hub: [h:1]\nzz: 1", "f:2:1: unknown setting 'zz'; known are text, number, any_number, "
                          "duration, any_duration, flag, choice, address, listen, hub, texts, "
                          "node"},
    {"'': x", NULL},
    {"text: [a]", "f:1:7: 'text' must be text, not a list"},
    {"text: {a: b}", "f:1:7: 'text' must be text, not a map"},
    {"number: 4", "f:1:9: 'number' must be a number from 5 to 10, not '4'"},
    {"number: 11", "f:1:9: 'number' must be a number from 5 to 10, not '11'"},
    {"number: -7", "f:1:9: 'number' must be a number from 5 to 10, not '-7'"},
    {"number: 7.0", NULL},
    {"number: [7]", "f:1:9: 'number' must be a number from 5 to 10, not a list"},
    {"any_number: x",
     "f:1:13: 'any_number' must be a number from 0 to 18446744073709551615, not 'x'"},
    {"duration: 30", "f:1:11: 'duration': '30' lacks a unit; add ms, s, m, h or d, as in 30s"},
    {"duration: 61s", "f:1:11: 'duration' must be a duration from 1s to 1m, not '61s'"},
    {"duration: 0", "f:1:11: 'duration' must be a duration from 1s to 1m, not '0'"},
    {"duration: [1s]", "f:1:11: 'duration' must be a duration such as 30s, not a list"},
    {"flag: maybe", "f:1:7: 'flag' must be true or false, not 'maybe'"},
    {"flag: 1", NULL},
    {"choice: blue", "f:1:9: 'choice' must be one of red, green, not 'blue'"},
    {"choice: []", NULL},
    {"address: localhost", "f:1:10: 'address' must be an IP address, not 'localhost'"},
    {"address: [x]", NULL},
    {"listen: 127.0.0.1:22",
     "f:1:9: 'listen' must be a list such as [one, two], not '127.0.0.1:22'"},
    {"listen:", "f:1:8: 'listen' must be a list such as [one, two], not ''"},
    {"listen: [localhost:22]",
     "f:1:10: 'listen': 'localhost:22' must begin with an IP address, not with a name"},
    {"listen:\n  - 127.0.0.1:1\n  - 127.0.0.1:x",
     "f:3:5: 'listen': '127.0.0.1:x' needs a port from 0 to 65535, not 'x'"},
    {"listen: [[a]]", "f:1:10: 'listen' must be a list of ADDRESS:PORT, not a list"},
    {"hub: []", "f:1:6: 'hub' must have from 1 to 2 entries, not 0"},
    {"hub: [a:1, b:2, c:3]", "f:1:6: 'hub' must have from 1 to 2 entries, not 3"},
    {"hub: [h:0]", "f:1:7: 'hub': 'h:0' needs a port from 1 to 65535, not '0'"},
    {"hub: [{h: 1}]", "f:1:7: 'hub' must be a list of HOST:PORT, not a map"},
    {"{hub: [h:1], texts: a}", "f:1:21: 'texts' must be a list such as [one, two], not 'a'"},
    {"hub: [h:1]\ntexts: [a, '']",
     "f:2:12: 'texts' must be a list of texts that are not empty, not ''"},
    {"hub: [h:1]\ntexts: [a, [b]]",
     "f:2:12: 'texts' must be a list of texts that are not empty, not a list"},
};

START_TEST(refuses)
{
    static const struct settings nothing;
    struct settings settings;
    ck_assert_int_eq(read_text(bad[_i].text, &settings), -1);
    if (bad[_i].sentence != NULL)
        ck_assert_str_eq(fault.text, bad[_i].sentence);
    ck_assert_int_eq(strncmp(fault.text, "f:1:", 2), 0);
    ck_assert(settings.text == nothing.text && settings.hub.items == NULL);
    ck_assert_int_eq(schema_read(schema, COUNT(schema), root, "f", &settings, NULL), -1);
    yaml_tree_free(root);
}
END_TEST

START_TEST(without_a_map)
{
    struct settings settings = {.number = 0};
    ck_assert_int_eq(schema_read(schema, COUNT(schema), NULL, "f", &settings, &fault), -1);
    ck_assert_str_eq(fault.text, "f: the setting 'hub' is missing");
    ck_assert_int_eq(schema_read(schema, 2, NULL, "f", &settings, &fault), 0);
    ck_assert_str_eq(settings.text, "fallback");
    schema_release(schema, 2, &settings);
}
END_TEST

static char *dump(const struct settings *settings)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    schema_dump(schema, COUNT(schema), settings, out);
    fclose(out);
    return text;
}

START_TEST(dumps_what_it_reads)
{
    struct settings settings;
    ck_assert_int_eq(read_text("{text: 'no: #', hub: ['[::1]:22', h:1], texts: ['*:*', a],"
                               " listen: [0.0.0.0:0], duration: 59s, flag: yes, node: x}",
                               &settings),
                     0);
    char *first = dump(&settings);
    release(&settings);
    ck_assert_str_eq(first, "# A text\ntext: \"no: #\"\n"
                            "# A number\nnumber: 7\n"
                            "# Any number\nany_number: 0\n"
                            "# A duration\nduration: 59s\n"
                            "# Any duration\nany_duration: 0s\n"
                            "# A flag\nflag: true\n"
                            "# A choice\nchoice: green\n"
                            "# An address\naddress: \"::1\"\n"
                            "# Listeners\nlisten: [0.0.0.0:0]\n"
                            "# Hubs\nhub: [\"[::1]:22\", h:1]\n"
                            "# Texts\ntexts: [\"*:*\", a]\n");
    ck_assert_int_eq(read_text(first, &settings), 0);
    char *second = dump(&settings);
    release(&settings);
    ck_assert_str_eq(first, second);
    free(first);
    free(second);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schema");
    TCase *tests = tcase_create("schema");
    tcase_add_test(tests, defaults);
    tcase_add_test(tests, values);
    tcase_add_loop_test(tests, refuses, 0, COUNT(bad));
    tcase_add_test(tests, without_a_map);
    tcase_add_test(tests, dumps_what_it_reads);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
