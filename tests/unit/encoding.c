/* Hexadecimal, base64 and UTF-8. */
#include <string.h>

#include "base/secret.h"
#include "base/text.h"
#include "suite.h"

START_TEST(hexadecimal)
{
    char text[9];
    text_hex((const uint8_t *)"\x00\x7f\x80\xff", 4, text);
    ck_assert_str_eq(text, "007f80ff");
    text_hex(NULL, 0, text);
    ck_assert_str_eq(text, "");
}
END_TEST

/* RFC 4648, 10 */
static const struct {
    const char *bytes, *text;
} vectors[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xff\xef\xbe", "/+++"},
};

START_TEST(base64_vectors)
{
    char text[16];
    uint8_t bytes[16];
    size_t length = strlen(vectors[_i].bytes);
    text_base64_encode((const uint8_t *)vectors[_i].bytes, length, text);
    ck_assert_str_eq(text, vectors[_i].text);
    ck_assert_int_eq(text_base64_decode(text, strlen(text), bytes, length), (long)length);
    ck_assert_mem_eq(bytes, vectors[_i].bytes, length);
    if (length > 0)
        ck_assert_int_eq(text_base64_decode(text, strlen(text), bytes, length - 1), -1);
}
END_TEST

static const char *const bad_base64[] = {
    "Z",    "Zg",     "Zg=",   "Zh==",     "Zm9=", "====", "Z===", "Zg==Zg==",
    "Z=g=", "Zm9v\n", "Zm9\n", "Zm9v====", "Zm 9", "Zm-_", "=g==", "Zm9\xff",
};

START_TEST(base64_refuses)
{
    uint8_t bytes[16];
    ck_assert_int_eq(text_base64_decode(bad_base64[_i], strlen(bad_base64[_i]), bytes, 16), -1);
}
END_TEST

START_TEST(base64_nul_is_no_letter)
{
    uint8_t bytes[16];
    ck_assert_int_eq(text_base64_decode("Zm9\0", 4, bytes, 16), -1);
}
END_TEST

START_TEST(base64_random)
{
    uint8_t bytes[100];
    uint8_t again[100];
    char text[137];
    for (size_t length = 0; length <= sizeof bytes; length++) {
        secret_random(bytes, length);
        text_base64_encode(bytes, length, text);
        ck_assert_int_eq(text_base64_decode(text, strlen(text), again, sizeof again), (long)length);
        ck_assert_mem_eq(bytes, again, length);
    }
}
END_TEST

static const struct {
    const char *text;
    size_t width; /* 0: malformed */
    uint32_t character;
} utf8[] = {
    {"a", 1, 'a'},
    {"\xc3\xbc", 2, 0xfc},
    {"\xe2\x82\xac", 3, 0x20ac},
    {"\xf0\x9f\x90\x99", 4, 0x1f419},
    {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
    {"\xf4\x90\x80\x80", 0, 0},
    {"\xc0\xaf", 0, 0},
    {"\xe0\x80\xaf", 0, 0},
    {"\xf0\x80\x80\xaf", 0, 0},
    {"\xed\xa0\x80", 0, 0},
    {"\x80", 0, 0},
    {"\xff", 0, 0},
    {"\xfe", 0, 0},
    {"\xe2\x82", 0, 0},
    {"\xe2(\xa1", 0, 0},
    {"\xc3", 0, 0},
    {"", 0, 0},
};

START_TEST(utf8_characters)
{
    uint32_t character = 0;
    size_t width = text_utf8_decode(utf8[_i].text, strlen(utf8[_i].text), &character);
    ck_assert_uint_eq(width, utf8[_i].width);
    ck_assert_uint_eq(character, utf8[_i].character);
}
END_TEST

START_TEST(printable_characters)
{
    static const uint32_t shown[] = {' ', '~', 0xa0, 0xe4, 0x20ac, 0x4e2d, 0x1f419};
    static const uint32_t hidden[] = {0,    '\n',   '\t',   0x1b,   0x7f,   0x85,
                                      0x9b, 0x200e, 0x2028, 0x202e, 0x2066, 0xfeff};
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        ck_assert(text_is_printable(shown[i]));
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        ck_assert(!text_is_printable(hidden[i]));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("encoding");
    TCase *tests = tcase_create("encoding");
    tcase_add_test(tests, hexadecimal);
    tcase_add_loop_test(tests, base64_vectors, 0, sizeof vectors / sizeof vectors[0]);
    tcase_add_loop_test(tests, base64_refuses, 0, sizeof bad_base64 / sizeof bad_base64[0]);
    tcase_add_test(tests, base64_nul_is_no_letter);
    tcase_add_test(tests, base64_random);
    tcase_add_loop_test(tests, utf8_characters, 0, sizeof utf8 / sizeof utf8[0]);
    tcase_add_test(tests, printable_characters);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
