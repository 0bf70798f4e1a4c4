/*
 * Settings files from tests/config: NAME.yaml with NAME.dump is read, dumped, compared, read
 * again and dumped again; NAME.yaml with NAME.fault is refused with that very sentence (behind
 * the file's name).
 */
#define _GNU_SOURCE
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "config/hub_settings.h"
#include "suite.h"

static struct fault fault;

/* The content of the file beside `yaml` that ends in `suffix`, or NULL. */
static char *beside(const char *yaml, const char *suffix)
{
    char path[1024];
    char *content = NULL;
    size_t length;
    size_t stem = strlen(yaml) - strlen(".yaml");
    snprintf(path, sizeof path, "%.*s%s", (int)stem, yaml, suffix);
    return file_read(path, 1 << 20, &content, &length, &fault) == 0 ? content : NULL;
}

static char *dump(const struct hub_settings *settings)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    hub_settings_dump(settings, out);
    fclose(out);
    return text;
}

static void check_good(const char *path, const char *expected)
{
    struct hub_settings settings;
    ck_assert_msg(hub_settings_load(path, &settings, &fault) == 0, "%s", fault.text);
    char *first = dump(&settings);
    hub_settings_release(&settings);
    ck_assert_msg(strcmp(first, expected) == 0, "%s dumps as\n%s", path, first);
    int result = hub_settings_parse(first, strlen(first), "dump", &settings, &fault);
    ck_assert_msg(result == 0, "%s", fault.text);
    char *second = dump(&settings);
    hub_settings_release(&settings);
    ck_assert_str_eq(first, second);
    free(first);
    free(second);
}

static void check_bad(const char *path, char *expected)
{
    struct hub_settings settings;
    expected[strcspn(expected, "\n")] = '\0';
    ck_assert_msg(hub_settings_load(path, &settings, &fault) != 0, "%s is accepted", path);
    ck_assert_int_eq(strncmp(fault.text, path, strlen(path)), 0);
    ck_assert_msg(strcmp(fault.text + strlen(path), expected) == 0, "%s", fault.text);
}

START_TEST(cases)
{
    glob_t found;
    ck_assert_int_eq(glob(CONFIG_CASES "/*.yaml", 0, NULL, &found), 0);
    size_t good = 0;
    size_t bad = 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char *expected_dump = beside(found.gl_pathv[i], ".dump");
        char *expected_fault = beside(found.gl_pathv[i], ".fault");
        ck_assert_msg((expected_dump == NULL) != (expected_fault == NULL),
                      "%s needs a .dump or a .fault", found.gl_pathv[i]);
        if (expected_dump != NULL)
            check_good(found.gl_pathv[i], expected_dump);
        else
            check_bad(found.gl_pathv[i], expected_fault);
        good += expected_dump != NULL;
        bad += expected_fault != NULL;
        free(expected_dump);
        free(expected_fault);
    }
    globfree(&found);
    ck_assert_uint_gt(good, 0);
    ck_assert_uint_gt(bad, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("golden");
    TCase *tests = tcase_create("golden");
    tcase_add_test(tests, cases);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
