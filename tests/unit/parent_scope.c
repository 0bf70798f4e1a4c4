/* Scopes: what is read, what is refused, what they allow. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "parent/scope.h"
#include "suite.h"

static struct fault fault;

static const struct {
    const char *glob, *name;
    bool matches;
} globs[] = {
    {"hannover", "hannover", true},
    {"hannover", "hannover2", false},
    {"hannover", "hannove", false},
    {"*", "", true},
    {"*", "a.b-c", true},
    {"h*", "hannover", true},
    {"h*", "kiel", false},
    {"*r", "hannover", true},
    {"*n*v*", "hannover", true},
    {"h*nover", "hannover", true},
    {"h*x", "hannover", false},
    {"?iel", "kiel", true},
    {"?iel", "iel", false},
    {"kiel?", "kiel", false},
    {"kiel*", "kiel", true},
    {"**", "kiel", true},
    {"", "", true},
    {"", "a", false},
    {"*a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     false},
};

START_TEST(globs_match)
{
    ck_assert_msg(glob_matches(globs[_i].glob, globs[_i].name) == globs[_i].matches, "%s %s",
                  globs[_i].glob, globs[_i].name);
}
END_TEST

static const struct {
    const char *text, *words;
} refused[] = {
    {"", "names no site"},
    {":8443", "names no site"},
    {"Hannover", "GLOB[:PORT]"},
    {"han nover", "GLOB[:PORT]"},
    {"hannover/8443", "GLOB[:PORT]"},
    {"h[ab]", "GLOB[:PORT]"},
    {"hannover:", "1 to 65535"},
    {"hannover:0", "1 to 65535"},
    {"hannover:65536", "1 to 65535"},
    {"hannover:08", "1 to 65535"},
    {"hannover:22:23", "1 to 65535"},
    {"hannover:*", "1 to 65535"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "longer"},
};

START_TEST(others_are_refused)
{
    struct scopes scopes = {.count = 0};
    ck_assert_int_eq(scopes_add(&scopes, refused[_i].text, &fault), -1);
    ck_assert_msg(strstr(fault.text, refused[_i].words), "%s", fault.text);
    ck_assert_uint_eq(scopes.count, 0);
}
END_TEST

START_TEST(they_come_back_as_they_were)
{
    static const char text[] = "hannover kiel-*:8443 *:22 ?:65535";
    struct scopes scopes;
    char again[SCOPES_TEXT_MAX];
    ck_assert_int_eq(scopes_parse(text, &scopes, &fault), 0);
    ck_assert_uint_eq(scopes.count, 4);
    ck_assert_str_eq(scopes_format(&scopes, again), text);
    ck_assert_int_eq(scopes_add(&scopes, "*:22", &fault), 0);
    ck_assert_uint_eq(scopes.count, 4);
}
END_TEST

START_TEST(their_number_is_bounded)
{
    struct scopes scopes = {.count = 0};
    char text[SCOPE_TEXT_SIZE + 16], all[SCOPES_TEXT_MAX];
    for (int i = 0; i < SCOPES_MAX; i++) {
        (void)snprintf(text, sizeof text, "%063d:%u", i, 10000u + (unsigned)i);
        ck_assert_msg(scopes_add(&scopes, text, &fault) == 0, "%s", fault.text);
    }
    ck_assert_int_eq(scopes_add(&scopes, "one-more", &fault), -1);
    ck_assert_uint_eq(strlen(scopes_format(&scopes, all)), SCOPES_MAX * (63 + 1 + 5 + 1) - 1);
    ck_assert_int_eq(scopes_parse(all, &scopes, &fault), 0);
    ck_assert_uint_eq(scopes.count, SCOPES_MAX);
}
END_TEST

static const struct {
    const char *site;
    uint16_t port;
    bool allowed;
} cases[] = {
    {"hannover", 22, true},  {"hannover", 8443, true}, {"kiel-1", 8443, true},
    {"kiel-1", 8444, false}, {"kiel", 8443, false},    {"celle", 22, false},
};

START_TEST(they_allow_what_one_of_them_names)
{
    struct scopes scopes;
    ck_assert_int_eq(scopes_parse("hannover kiel-*:8443", &scopes, &fault), 0);
    ck_assert(scopes_allow(&scopes, cases[_i].site, cases[_i].port) == cases[_i].allowed);
}
END_TEST

START_TEST(none_allow_nothing)
{
    struct scopes scopes = {.count = 0};
    ck_assert(!scopes_allow(&scopes, "hannover", 22));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parent_scope");
    TCase *scopes = tcase_create("scopes");
    tcase_add_loop_test(scopes, globs_match, 0, sizeof globs / sizeof *globs);
    tcase_add_loop_test(scopes, others_are_refused, 0, sizeof refused / sizeof *refused);
    tcase_add_test(scopes, they_come_back_as_they_were);
    tcase_add_test(scopes, their_number_is_bounded);
    tcase_add_loop_test(scopes, they_allow_what_one_of_them_names, 0, sizeof cases / sizeof *cases);
    tcase_add_test(scopes, none_allow_nothing);
    suite_add_tcase(suite, scopes);
    return suite_run(suite);
}
