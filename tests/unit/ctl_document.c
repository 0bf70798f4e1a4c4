/* The file of export and apply: both ways, and where a mistake is. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "tunnelctl/document.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char whole[] = "version: 1\n"
                            "sites:\n"
                            "  hannover:\n"
                            "    ports:\n"
                            "      8443:\n"
                            "        address: \"::\"\n"
                            "        target: 192.168.1.10:443\n"
                            "        enabled: false\n"
                            "        from: [192.0.2.0/24, \"2001:db8::/32\"]\n"
                            "        max_connections: 10\n"
                            "        max_rate: 5\n"
                            "        bandwidth_in: 10M\n"
                            "        bandwidth_out: 1500k\n"
                            "        connect_timeout: 5s\n"
                            "        idle_timeout: 1h30m\n"
                            "        hold: 2m\n"
                            "        target_check: off\n"
                            "        expires: 2027-01-01T00:00:00Z\n"
                            "        proxy_protocol: v2\n"
                            "      8022:\n"
                            "        target: 192.168.1.11:22\n"
                            "        private: true\n"
                            "    outbound:\n"
                            "      db.example.net:5432:\n"
                            "        listen: 127.0.0.1:5432\n"
                            "  kassel: {}\n"
                            "operators:\n"
                            "  alice:\n"
                            "    key: ssh-ed25519 AAAA\n"
                            "    sites: [\"hann*\", kassel:22]\n";

static char *print(const json_t *document)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    ck_assert_ptr_nonnull(out);
    document_print(out, document);
    ck_assert_int_eq(fclose(out), 0);
    return text;
}

START_TEST(what_is_read_is_written_again)
{
    struct fault fault = {""};
    json_t *document = NULL;
    ck_assert_msg(document_parse(whole, strlen(whole), "all.yaml", &document, &fault) == 0, "%s",
                  fault.text);
    json_t *port = json_object_get(
        json_object_get(json_object_get(json_object_get(document, "sites"), "hannover"), "ports"),
        "8443");
    ck_assert_int_eq(json_integer_value(json_object_get(port, "bandwidth_out")), 1500000);
    ck_assert_int_eq(json_integer_value(json_object_get(port, "idle_timeout_s")), 5400);
    ck_assert(json_is_false(json_object_get(port, "enabled")));
    char *text = print(document);
    ck_assert_str_eq(text, whole);
    free(text);
    json_decref(document);
}
END_TEST

#define X32  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X128 X32 X32 X32 X32

static const struct {
    const char *text, *sentence;
} faults[] = {
    {"sites:\n  " X128 X128 ": {}\n",
     "f:2:3: '" X32 "...' is too long for a name: at most 255 bytes"},
    {"sites: {}\nsite: {}\n", "f:2:1: there is no item 'site' here; did you mean 'sites'?"},
    {"sites:\n  a:\n    ports:\n      1:\n        max_conections: 1\n",
     "f:5:9: there is no item 'max_conections' here; did you mean 'max_connections'?"},
    {"sites:\n  a:\n    enabled: perhaps\n", "f:3:14: 'perhaps' is neither true nor false"},
    {"sites: [a]\n", "f:1:8: 'sites' is a map of names"},
    {"sites:\n  a: b\n", "f:2:6: a map is wanted here: KEY: VALUE"},
    {"sites:\n  a:\n    ports:\n      1:\n        from: 10.0.0.0/8\n",
     "f:5:15: 'from' is a list: write [one, two], or a line with '- ' for each"},
    {"sites:\n  a:\n    ports:\n      1:\n        target: [x]\n",
     "f:5:17: a single value is wanted here"},
    {"sites:\n  a:\n    ports:\n      1:\n        hold: 1500ms\n",
     "f:5:15: '1500ms': whole seconds are wanted"},
    {"sites:\n  a:\n    ports:\n      1:\n        bandwidth_in: fast\n",
     "f:5:23: 'fast' is no rate: write bytes a second as 500k, 10M or 1.5G (k = 1000, Ki = 1024)"},
    {"version: one\n", "f:1:10: 'one' is no whole number"},
    {"", "f:1:1: the file is empty"},
};

START_TEST(mistakes_have_a_place)
{
    struct fault fault = {""};
    json_t *document = NULL;
    ck_assert_int_eq(
        document_parse(faults[_i].text, strlen(faults[_i].text), "f", &document, &fault), -1);
    ck_assert_str_eq(fault.text, faults[_i].sentence);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_document");
    TCase *tests = tcase_create("document");
    tcase_add_test(tests, what_is_read_is_written_again);
    tcase_add_loop_test(tests, mistakes_have_a_place, 0, COUNT(faults));
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
