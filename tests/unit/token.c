/* Tokens: their form, and what of them the hub keeps. */
#include "keys/token.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "keys/public_key.h"
#include "suite.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const char good[] = "k3v7q2m5xa.abcdefghijklmnopqrstuvwxyz234567";

START_TEST(new_tokens)
{
    bool seen[32] = {false};
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    struct token last = {.text = ""};
    for (int i = 0; i < 100; i++) {
        struct token token;
        struct token again;
        token_new(&token);
        ck_assert_uint_eq(strlen(token.text), TOKEN_TEXT_SIZE - 1);
        ck_assert(token_parse(token.text, &again));
        ck_assert_str_eq(token.id, again.id);
        ck_assert_str_eq(token.text, again.text);
        ck_assert_str_ne(token.text, last.text);
        for (const char *c = token.text; *c != '\0'; c++)
            if (*c != '.')
                seen[strchr(letters, *c) - letters] = true;
        last = token;
    }
    for (size_t i = 0; i < COUNT(seen); i++)
        ck_assert(seen[i]);
}
END_TEST

START_TEST(reads_pasted)
{
    struct token token;
    char pasted[64];
    snprintf(pasted, sizeof pasted, " \t%s \r\n", good);
    ck_assert(token_parse(pasted, &token));
    ck_assert_str_eq(token.text, good);
    ck_assert_str_eq(token.id, "k3v7q2m5xa");
}
END_TEST

static const char *const bad[] = {
    "",
    " ",
    ".",
    "k3v7q2m5xa",
    "k3v7q2m5xa.",
    "k3v7q2m5xa.abcdefghijklmnopqrstuvwxyz23456",
    "k3v7q2m5xa.abcdefghijklmnopqrstuvwxyz2345677",
    "k3v7q2m5x.abcdefghijklmnopqrstuvwxyz234567",
    "k3v7q2m5xaa.abcdefghijklmnopqrstuvwxyz234567",
    "k3v7q2m5xa-abcdefghijklmnopqrstuvwxyz234567",
    "K3v7q2m5xa.abcdefghijklmnopqrstuvwxyz234567",
    "k3v7q2m5x1.abcdefghijklmnopqrstuvwxyz234567",
    "k3v7q2m5xa.abcdefghijklmnopqrstuvwxyz23456\xff",
    "k3v7q2m5xa.abcdefghijklmnop qrstuvwxyz23456",
    "k3v7q2m5xa.abcdefghijklmnopqrstuvwxyz234567 x",
    "k3v7q2m5xa. abcdefghijklmnopqrstuvwxyz234567",
};

START_TEST(refuses)
{
    struct token token = {.id = "untouched"};
    ck_assert(!token_parse(bad[_i], &token));
    ck_assert_str_eq(token.id, "untouched");
}
END_TEST

START_TEST(digest_of_the_secret_alone)
{
    struct token token;
    uint8_t digest[32];
    uint8_t expected[32];
    ck_assert(token_parse(good, &token));
    token_digest(&token, digest);
    digest_sha256("abcdefghijklmnopqrstuvwxyz234567", 32, expected);
    ck_assert_mem_eq(digest, expected, sizeof digest);
    ck_assert(token_parse("aaaaaaaaaa.abcdefghijklmnopqrstuvwxyz234567", &token));
    token_digest(&token, digest);
    ck_assert_mem_eq(digest, expected, sizeof digest);
    ck_assert(token_parse("aaaaaaaaaa.bbcdefghijklmnopqrstuvwxyz234567", &token));
    token_digest(&token, digest);
    ck_assert_mem_ne(digest, expected, sizeof digest);
}
END_TEST

START_TEST(sha256_vector)
{
    /* FIPS 180-2, B.1 */
    uint8_t digest[32];
    char text[65];
    digest_sha256("abc", 3, digest);
    text_hex(digest, sizeof digest, text);
    ck_assert_str_eq(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

START_TEST(wiped)
{
    static const struct token nothing;
    struct token token;
    token_new(&token);
    token_wipe(&token);
    ck_assert_mem_eq(&token, &nothing, sizeof token);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("token");
    TCase *tests = tcase_create("token");
    tcase_add_test(tests, new_tokens);
    tcase_add_test(tests, reads_pasted);
    tcase_add_loop_test(tests, refuses, 0, COUNT(bad));
    tcase_add_test(tests, digest_of_the_secret_alone);
    tcase_add_test(tests, sha256_vector);
    tcase_add_test(tests, wiped);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
