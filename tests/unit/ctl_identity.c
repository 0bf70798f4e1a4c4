/* Private key files: what is taken, and what is said of the others. */
#define _GNU_SOURCE
#include "tunnelctl/identity.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "suite.h"

#define LINE "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINNy0qUvJDNs5+LV0UEChjQ4siEra4YQggO6ckEDY+1h"
#define SK_LINE                                                                                    \
    "sk-ssh-ed25519@openssh.com "                                                                  \
    "AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIIJF/LVAh5KX/9ASZoJs3RGW47kkUBS/0vlIsRW+9/"       \
    "X+AAAABHNzaDo="
#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define END   "-----END OPENSSH PRIVATE KEY-----\n"

static struct fault fault;
static struct public_key key;
static bool encrypted;

static size_t put(uint8_t *at, const void *bytes, size_t length)
{
    at[0] = at[1] = 0;
    at[2] = (uint8_t)(length >> 8);
    at[3] = (uint8_t)length;
    memcpy(at + 4, bytes, length);
    return 4 + length;
}

/* A file whose secret part is empty; `cut` bytes of the public part are missing. */
static const char *file_of(const char *cipher, const char *line, size_t cut)
{
    static char text[2048];
    uint8_t blob[1024] = "openssh-key-v1";
    char base64[1400];
    size_t used = sizeof("openssh-key-v1");
    used += put(blob + used, cipher, strlen(cipher));
    used += put(blob + used, "none", 4);
    used += put(blob + used, "", 0);
    memcpy(blob + used, "\0\0\0\1", 4);
    used += 4;
    ck_assert_int_eq(public_key_from_line(line, &key, &fault), 0);
    used += put(blob + used, key.blob, key.length) - cut;
    text_base64_encode(blob, used, base64);
    snprintf(text, sizeof(text), BEGIN "%.70s\n%s\n" END, base64, base64 + 70);
    return text;
}

START_TEST(whole)
{
    struct public_key parsed;
    const char *text = file_of("none", LINE, 0);
    ck_assert_msg(identity_parse(text, &parsed, &encrypted, &fault) == 0, "%s", fault.text);
    ck_assert_str_eq(parsed.type, "ssh-ed25519");
    ck_assert_mem_eq(parsed.blob, key.blob, key.length);
    ck_assert(!encrypted);
    text = file_of("aes256-ctr", LINE, 0);
    ck_assert_msg(identity_parse(text, &parsed, &encrypted, &fault) == 0, "%s", fault.text);
    ck_assert_mem_eq(parsed.blob, key.blob, key.length);
    ck_assert(encrypted);
}
END_TEST

static void refused(const char *text, const char *words)
{
    struct public_key parsed;
    fault.text[0] = '\0';
    ck_assert_int_eq(identity_parse(text, &parsed, &encrypted, &fault), -1);
    ck_assert_msg(strstr(fault.text, words) != NULL, "'%s' lacks '%s'", fault.text, words);
}

START_TEST(others)
{
    refused(file_of("none", SK_LINE, 0), "security key");
    refused(file_of("none", LINE, 1), "damaged");
    refused(BEGIN END, "damaged");
    refused(BEGIN "!!!!\n" END, "damaged");
    refused(BEGIN "b3BlbnNzaC1rZXktdjEA\n" END, "damaged");
    refused(BEGIN, "-p -f FILE");
    refused("-----BEGIN EC PRIVATE KEY-----\n", "-p -f FILE");
    refused(LINE, "public key");
    refused("", "no private key");
    refused("PuTTY-User-Key-File-3: ssh-ed25519\n", "no private key");
}
END_TEST

START_TEST(files)
{
    struct identity identity;
    char path[] = "/tmp/identity-XXXXXX";
    int file = mkstemp(path);
    ck_assert_int_gt(dprintf(file, "%s", file_of("none", LINE, 0)), 0);
    ck_assert_msg(identity_read(path, &identity, &fault) == 0, "%s", fault.text);
    identity_release(&identity);
    ck_assert_ptr_null(identity.text);
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert_int_eq(identity_read(path, &identity, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "chmod 600"));
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert_int_eq(write(file, "", 1), 1);
    ck_assert_int_eq(identity_read(path, &identity, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "no private key"));
    close(file);
    unlink(path);
    ck_assert_int_eq(identity_read(path, &identity, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "No such file"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_identity");
    TCase *tests = tcase_create("identity");
    tcase_add_test(tests, whole);
    tcase_add_test(tests, others);
    tcase_add_test(tests, files);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
