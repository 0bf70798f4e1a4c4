/* The pool that packets are padded from: each byte once, and libssh's own for all else. */
#define _GNU_SOURCE
#include "ssh/padding.h"

#include <dlfcn.h>
#include <libssh/libssh.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "suite.h"

#define PADDINGS 1000
#define LENGTH   12

static unsigned calls;
static bool broken;

/* Called by libssh's own, in place of libcrypto's. */
int on_rand(unsigned char *bytes, int length) __asm__("RAND_bytes")
    __attribute__((visibility("default")));
int on_rand_private(unsigned char *bytes, int length) __asm__("RAND_priv_bytes")
    __attribute__((visibility("default")));

int on_rand(unsigned char *bytes, int length)
{
    void *found = dlsym(RTLD_NEXT, "RAND_bytes");
    int (*rand)(unsigned char *, int);

    memcpy(&rand, &found, sizeof rand);
    calls++;
    return broken ? 0 : rand(bytes, length);
}

int on_rand_private(unsigned char *bytes, int length)
{
    return on_rand(bytes, length);
}

static void setup(void)
{
    calls = 0;
    broken = false;
    padding_prepare();
}

START_TEST(no_byte_twice)
{
    static uint8_t all[PADDINGS][LENGTH];
    size_t same = 0;

    for (size_t i = 0; i < PADDINGS; i++) {
        ck_assert_int_eq(ssh_get_random(all[i], LENGTH, 0), 1);
        for (size_t k = 0; k < i; k++)
            same += memcmp(all[i], all[k], LENGTH) == 0;
    }
    ck_assert_uint_eq(same, 0);
    ck_assert_uint_gt(calls, 1);
    ck_assert_uint_lt(calls, PADDINGS / 10);
}
END_TEST

START_TEST(others_are_libsshs)
{
    uint8_t bytes[64] = {0};

    ck_assert_int_eq(ssh_get_random(bytes, 33, 0), 1);
    ck_assert_int_eq(ssh_get_random(bytes, 64, 0), 1);
    ck_assert_uint_eq(calls, 2);
    ck_assert_int_eq(ssh_get_random(bytes, 16, 0), 1); /* the pool is full */
    ck_assert_uint_eq(calls, 3);
    ck_assert_int_eq(ssh_get_random(bytes, 16, 1), 1); /* strong ones are asked for */
    ck_assert_uint_eq(calls, 4);
}
END_TEST

START_TEST(no_more_than_asked_for)
{
    uint8_t bytes[40];

    for (int length = 1; length <= 32; length++) {
        memset(bytes, 0, sizeof bytes);
        ck_assert_int_eq(ssh_get_random(bytes, length, 0), 1);
        for (size_t i = (size_t)length; i < sizeof bytes; i++)
            ck_assert_uint_eq(bytes[i], 0);
    }
    ck_assert_int_eq(ssh_get_random(bytes, 0, 0), 1);
}
END_TEST

START_TEST(without_random_bytes_there_is_no_padding)
{
    uint8_t bytes[LENGTH];

    broken = true;
    ck_assert_int_eq(ssh_get_random(bytes, LENGTH, 0), 0);
    broken = false;
    ck_assert_int_eq(ssh_get_random(bytes, LENGTH, 0), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("padding");
    TCase *group = tcase_create("padding");

    tcase_add_checked_fixture(group, setup, NULL);
    tcase_add_test(group, no_byte_twice);
    tcase_add_test(group, others_are_libsshs);
    tcase_add_test(group, no_more_than_asked_for);
    tcase_add_test(group, without_random_bytes_there_is_no_padding);
    suite_add_tcase(suite, group);
    return suite_run(suite);
}
