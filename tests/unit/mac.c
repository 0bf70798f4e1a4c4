/* HMACs as libssh computes them, with OpenSSL's functions: by the detour they are the same. */
#define _GNU_SOURCE
#include "ssh/mac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "suite.h"

static const unsigned char text[] = "what do ya want for nothing?"; /* RFC 4231, 4.3 */
#define TEXT_LENGTH (sizeof text - 1)

static EVP_PKEY *key_of(const void *key, size_t length)
{
    EVP_PKEY *made = EVP_PKEY_new_mac_key(EVP_PKEY_HMAC, NULL, key, (int)length);

    ck_assert_ptr_nonnull(made);
    return made;
}

static EVP_MD_CTX *begin(const void *key, size_t length, const EVP_MD *digest)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY *made = key_of(key, length);

    ck_assert_ptr_nonnull(context);
    ck_assert_int_eq(EVP_DigestSignInit(context, NULL, digest, NULL, made), 1);
    EVP_PKEY_free(made);
    return context;
}

static void ends(EVP_MD_CTX *context, const void *key, size_t length, const EVP_MD *digest)
{
    unsigned char tag[EVP_MAX_MD_SIZE], expected[EVP_MAX_MD_SIZE];
    size_t size = sizeof tag;
    unsigned expected_size = 0;

    ck_assert_int_eq(EVP_DigestSignUpdate(context, text, 4), 1);
    ck_assert_int_eq(EVP_DigestSignUpdate(context, text + 4, TEXT_LENGTH - 4), 1);
    ck_assert_int_eq(EVP_DigestSignFinal(context, tag, &size), 1);
    EVP_MD_CTX_free(context);
    HMAC(digest, key, (int)length, text, TEXT_LENGTH, expected, &expected_size);
    ck_assert_uint_eq(size, expected_size);
    ck_assert_mem_eq(tag, expected, size);
}

static void is_right(const void *key, size_t length, const EVP_MD *digest)
{
    ends(begin(key, length, digest), key, length, digest);
}

START_TEST(one_key_stands_in)
{
    EVP_PKEY *first, *second;

    mac_prepare();
    mac_prepare();
    first = key_of("one key", 7);
    second = key_of("another", 7);
    ck_assert_ptr_eq(first, second);
    EVP_PKEY_free(first);
    EVP_PKEY_free(second);
}
END_TEST

START_TEST(macs_are_the_same)
{
    static const unsigned char known[] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e};
    unsigned char long_key[64], tag[EVP_MAX_MD_SIZE];
    size_t size = sizeof tag;
    EVP_MD_CTX *context;

    memset(long_key, 0xa5, sizeof long_key);
    for (int round = 0; round < 2; round++) {
        is_right("Jefe", 4, EVP_sha256());
        is_right(long_key, 32, EVP_sha256());
        is_right(long_key, 64, EVP_sha512());
        is_right(long_key, 20, EVP_sha1());
        mac_prepare();
    }
    context = begin("Jefe", 4, EVP_sha256());
    ck_assert_int_eq(EVP_DigestSignUpdate(context, text, TEXT_LENGTH), 1);
    ck_assert_int_eq(EVP_DigestSignFinal(context, tag, &size), 1);
    EVP_MD_CTX_free(context);
    ck_assert_mem_eq(tag, known, sizeof known);
}
END_TEST

/* OpenSSL's own way, which chacha20-poly1305 takes, too. */
static EVP_MD_CTX *begin_other(const void *key, size_t length, const EVP_MD *digest)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY *made = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, key, length);

    ck_assert_ptr_nonnull(context);
    ck_assert_int_eq(EVP_DigestSignInit(context, NULL, digest, NULL, made), 1);
    EVP_PKEY_free(made);
    return context;
}

START_TEST(others_pass_between)
{
    EVP_MD_CTX *ours, *other;

    mac_prepare();
    ours = begin("ours", 4, EVP_sha256());
    other = begin_other("other", 5, EVP_sha512());
    ends(other, "other", 5, EVP_sha512());
    ends(ours, "ours", 4, EVP_sha256());
    /* A context that has been used for one may be used for the other. */
    ours = begin("ours", 4, EVP_sha256());
    EVP_MD_CTX_reset(ours);
    EVP_PKEY *made = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, text, 5);
    ck_assert_int_eq(EVP_DigestSignInit(ours, NULL, EVP_sha256(), NULL, made), 1);
    EVP_PKEY_free(made);
    ends(ours, text, 5, EVP_sha256());
}
END_TEST

START_TEST(a_key_signs_once)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY *made;

    mac_prepare();
    made = key_of("once", 4);
    ck_assert_int_eq(EVP_DigestSignInit(context, NULL, NULL, NULL, made), 0);
    ck_assert_int_eq(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, made), 0);
    EVP_PKEY_free(made);
    EVP_MD_CTX_free(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mac");
    TCase *group = tcase_create("mac");

    tcase_add_test(group, macs_are_the_same);
    tcase_add_test(group, one_key_stands_in);
    tcase_add_test(group, others_pass_between);
    tcase_add_test(group, a_key_signs_once);
    suite_add_tcase(suite, group);
    return suite_run(suite);
}
