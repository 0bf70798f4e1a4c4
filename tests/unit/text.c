/* Numbers, durations, sizes, names and the nearest word. */
#include "base/text.h"

#include <string.h>

#include "suite.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

START_TEST(copies_what_fits)
{
    char to[4];
    ck_assert(text_copy(to, sizeof to, "abc"));
    ck_assert_str_eq(to, "abc");
    ck_assert(!text_copy(to, sizeof to, "abcd"));
    ck_assert_str_eq(to, "");
}
END_TEST

START_TEST(numbers)
{
    uint64_t value = 7;
    ck_assert(text_parse_number("0", 0, 9, &value) && value == 0);
    ck_assert(text_parse_number("18446744073709551615", 0, UINT64_MAX, &value));
    ck_assert_uint_eq(value, UINT64_MAX);
    value = 7;
    static const char *const bad[] = {"",   " 1", "1 ",  "+1",  "-1",
                                      "01", "1a", "0x1", "1.0", "18446744073709551616"};
    for (size_t i = 0; i < COUNT(bad); i++)
        ck_assert(!text_parse_number(bad[i], 0, UINT64_MAX, &value));
    ck_assert(!text_parse_number("4", 5, 9, &value));
    ck_assert(!text_parse_number("10", 5, 9, &value));
    ck_assert_uint_eq(value, 7);
}
END_TEST

static const struct {
    const char *text;
    uint64_t ms;
    const char *shortest;
} durations[] = {
    {"0", 0, "0s"},
    {"0s", 0, "0s"},
    {"250ms", 250, "250ms"},
    {"30s", 30000, "30s"},
    {"5m", 300000, "5m"},
    {"72h", 259200000, "3d"},
    {"7d", 604800000, "7d"},
    {"1h30m", 5400000, "1h30m"},
    {"90m", 5400000, "1h30m"},
    {"75s", 75000, "1m15s"},
    {"1d2h3m4s5ms", 93784005, "1d2h3m4s5ms"},
    {"1m5ms", 60005, "1m5ms"},
    {"18446744073709551615ms", UINT64_MAX, "213503982334d14h25m51s615ms"},
};

START_TEST(reads_durations)
{
    uint64_t ms = 1;
    struct fault fault = {""};
    char text[64];
    ck_assert_msg(text_parse_duration_ms(durations[_i].text, &ms, &fault) == 0, "%s", fault.text);
    ck_assert_uint_eq(ms, durations[_i].ms);
    text_format_duration_ms(ms, text, sizeof text);
    ck_assert_str_eq(text, durations[_i].shortest);
    ck_assert_int_eq(text_parse_duration_ms(text, &ms, &fault), 0);
    ck_assert_uint_eq(ms, durations[_i].ms);
}
END_TEST

static const struct {
    const char *text, *sentence;
} bad_durations[] = {
    {"", "'' is not a duration; write it as 30s, 5m, 72h or 1h30m"},
    {"30", "'30' lacks a unit; add ms, s, m, h or d, as in 30s"},
    {"1h30", "'1h30' lacks a unit; add ms, s, m, h or d, as in 30s"},
    {"s", NULL},
    {"-1s", NULL},
    {"1.5s", NULL},
    {"30 s", NULL},
    {"30sec", "'30sec' is not a duration; the units are d, h, m, s and ms, the largest first, as "
              "in 1h30m"},
    {"30S", NULL},
    {"30m1h", NULL},
    {"1s1s", NULL},
    {"1h ", NULL},
    {"00", NULL},
    {"18446744073709551616ms", NULL},
    {"18446744073709551615s", "'18446744073709551615s' is too long a duration"},
    {"213503982334d15h", NULL},
};

START_TEST(refuses_durations)
{
    uint64_t ms = 1;
    struct fault fault = {""};
    ck_assert_int_eq(text_parse_duration_ms(bad_durations[_i].text, &ms, &fault), -1);
    ck_assert_uint_eq(ms, 1);
    ck_assert_str_ne(fault.text, "");
    if (bad_durations[_i].sentence != NULL)
        ck_assert_str_eq(fault.text, bad_durations[_i].sentence);
}
END_TEST

START_TEST(ages)
{
    static const struct {
        uint64_t seconds;
        const char *text;
    } cases[] = {{0, "0s"},      {17, "17s"},         {59, "59s"},
                 {60, "1m"},     {299, "4m"},         {3599, "59m"},
                 {3600, "1h0m"}, {11520, "3h12m"},    {86399, "23h59m"},
                 {86400, "1d"},  {12 * 86400, "12d"}, {UINT64_MAX, "213503982334601d"}};
    char text[32];
    for (size_t i = 0; i < COUNT(cases); i++) {
        text_format_age_s(cases[i].seconds, text, sizeof text);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

START_TEST(sizes)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {{0, "0 B"},
                 {812, "812 B"},
                 {1023, "1023 B"},
                 {1024, "1.0 KiB"},
                 {1434, "1.4 KiB"},
                 {1048575, "1023.9 KiB"},
                 {1048576, "1.0 MiB"},
                 {3435973836, "3.1 GiB"},
                 {3435973837, "3.2 GiB"},
                 {UINT64_C(1) << 60, "1.0 EiB"},
                 {UINT64_MAX, "15.9 EiB"}};
    char text[32];
    for (size_t i = 0; i < COUNT(cases); i++) {
        text_format_bytes(cases[i].bytes, text, sizeof text);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

START_TEST(cut_outputs)
{
    char text[3];
    text_format_bytes(UINT64_MAX, text, sizeof text);
    ck_assert_str_eq(text, "15");
    text_format_duration_ms(93784005, text, sizeof text);
    ck_assert_str_eq(text, "1d");
}
END_TEST

START_TEST(nearest_words)
{
    static const char *const words[] = {"listen", "log_level", "log_format", "user", "hold"};
    static const struct {
        const char *word, *nearest;
    } cases[] = {{"listn", "listen"},
                 {"lisetn", "listen"},
                 {"Listen", "listen"},
                 {"loglevel", "log_level"},
                 {"log-format", "log_format"},
                 {"usr", "user"},
                 {"listen", "listen"},
                 {"zzz", NULL},
                 {"", NULL},
                 {"h", NULL},
                 {"holder", "hold"},
                 {"ohld", "hold"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *found = text_nearest(cases[i].word, words, COUNT(words));
        if (cases[i].nearest == NULL)
            ck_assert_ptr_null(found);
        else
            ck_assert_str_eq(found, cases[i].nearest);
    }
    ck_assert_ptr_null(text_nearest("x", words, 0));
    char endless[300];
    memset(endless, 'l', sizeof endless);
    endless[sizeof endless - 1] = '\0';
    ck_assert_ptr_null(text_nearest(endless, words, COUNT(words)));
    endless[64] = '\0';
    ck_assert_ptr_null(text_nearest(endless, words, COUNT(words)));
}
END_TEST

static const struct {
    const char *name, *sentence; /* NULL: good */
} names[] = {
    {"hannover", NULL},
    {"a", NULL},
    {"7", NULL},
    {"site-7.north", NULL},
    {"enrol2", NULL},
    {"123456789012345678901234567890123456789012345678901234567890123", NULL},
    {"", "a name is empty; use a lowercase host name such as 'hannover'"},
    {"enrol", "the name 'enrol' is reserved; choose another"},
    {"1234567890123456789012345678901234567890123456789012345678901234",
     "the name '1234567890123456789012345678901234567890123456789012345678901234' has 64 "
     "characters; at most 63 are allowed"},
    {"Hannover",
     "the name 'Hannover' holds a character other than a-z, 0-9, '-' and '.' at position 1"},
    {"han_nover",
     "the name 'han_nover' holds a character other than a-z, 0-9, '-' and '.' at position 4"},
    {"han nover", ""},
    {"hannover\n", ""},
    {"../etc", ""},
    {"h\xc3\xa4nnover", ""},
    {"-a", "the name '-a' must begin and end with a letter or digit, and so must each part "
           "between dots"},
    {"a-", ""},
    {".a", ""},
    {"a.", ""},
    {"a..b", ""},
    {"a.-b", ""},
    {"a-.b", ""},
    {".", ""},
};

START_TEST(checks_names)
{
    struct fault fault = {""};
    int result = name_check(names[_i].name, &fault);
    ck_assert_int_eq(result, names[_i].sentence == NULL ? 0 : -1);
    if (result != 0 && names[_i].sentence[0] != '\0')
        ck_assert_str_eq(fault.text, names[_i].sentence);
    ck_assert_int_eq(fault.text[0] == '\0', result == 0);
}
END_TEST

static const struct {
    const char *text;
    uint64_t bytes; /* 0: refused */
    const char *shortest;
} rates[] = {
    {"1", 1, "1"},
    {"512B/s", 512, "512"},
    {"500k", 500000, "500k"},
    {"1000k", 1000000, "1M"},
    {"10M", 10000000, "10M"},
    {"10MB/s", 10000000, "10M"},
    {"1.5MB/s", 1500000, "1500k"},
    {"0.5Ki", 512, "512"},
    {"64Ki", 65536, "64Ki"},
    {"1024Mi", 1u << 30, "1Gi"},
    {"2G", 2000000000, "2G"},
    {"9223372036854775807", 0, NULL},
    {"9223372036G", 0, NULL},
    {"0", 0, NULL},
    {"0.0M", 0, NULL},
    {"", 0, NULL},
    {"M", 0, NULL},
    {"1.M", 0, NULL},
    {"1m", 0, NULL},
    {"1 M", 0, NULL},
    {"-1M", 0, NULL},
    {"1Mbit", 0, NULL},
    {"1e6", 0, NULL},
};

START_TEST(reads_rates)
{
    uint64_t bytes = 0;
    struct fault fault = {""};
    char text[32];
    int result = text_parse_rate(rates[_i].text, &bytes, &fault);
    ck_assert_int_eq(result, rates[_i].bytes == 0 ? -1 : 0);
    ck_assert_int_eq(fault.text[0] == '\0', result == 0);
    if (result != 0)
        return;
    ck_assert_uint_eq(bytes, rates[_i].bytes);
    text_format_rate(bytes, text, sizeof text);
    ck_assert_str_eq(text, rates[_i].shortest);
    ck_assert_int_eq(text_parse_rate(text, &bytes, &fault), 0);
    ck_assert_uint_eq(bytes, rates[_i].bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tests = tcase_create("text");
    tcase_add_test(tests, copies_what_fits);
    tcase_add_test(tests, numbers);
    tcase_add_loop_test(tests, reads_durations, 0, COUNT(durations));
    tcase_add_loop_test(tests, refuses_durations, 0, COUNT(bad_durations));
    tcase_add_loop_test(tests, reads_rates, 0, COUNT(rates));
    tcase_add_test(tests, ages);
    tcase_add_test(tests, sizes);
    tcase_add_test(tests, cut_outputs);
    tcase_add_test(tests, nearest_words);
    tcase_add_loop_test(tests, checks_names, 0, COUNT(names));
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
