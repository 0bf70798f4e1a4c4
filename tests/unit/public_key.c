/* Keys of every type from ssh-keygen, compared with what ssh-keygen says of them; and blobs that
 * nobody should accept. */
#define _GNU_SOURCE
#include "keys/public_key.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "suite.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define SK_ECDSA     "sk-ecdsa-sha2-nistp256@openssh.com"
#define SK_ED25519   "sk-ssh-ed25519@openssh.com"

static char directory[] = "/tmp/public-key-test.XXXXXX";
static struct fault fault;
static struct public_key key;

static void set_up(void)
{
    memset(directory + strlen(directory) - 6, 'X', 6);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
}

static void run(const char *command)
{
    ck_assert_msg(system(command) == 0, "%s", command); /* NOLINT(cert-env33-c): constants */
}

static void tear_down(void)
{
    ck_assert_int_eq(chdir("/"), 0);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    run(command);
}

static char *content(const char *path)
{
    char *data;
    size_t length;
    ck_assert_msg(file_read(path, 100000, &data, &length, &fault) == 0, "%s", fault.text);
    return data;
}

/* ssh-keygen -l of key.pub must begin with our bits and fingerprint. */
static void compare_with_ssh_keygen(void)
{
    char fingerprint[FINGERPRINT_SIZE];
    char expected[128];
    run("ssh-keygen -lf key.pub > said");
    char *said = content("said");
    snprintf(expected, sizeof expected, "%u %s ", key.bits,
             public_key_fingerprint(&key, fingerprint));
    ck_assert_msg(strncmp(said, expected, strlen(expected)) == 0, "%s, not %s", said, expected);
    free(said);
}

static const struct {
    const char *options, *type;
} generated[] = {
    {"-t ed25519", "ssh-ed25519"},
    {"-t ecdsa -b 256", "ecdsa-sha2-nistp256"},
    {"-t ecdsa -b 384", "ecdsa-sha2-nistp384"},
    {"-t ecdsa -b 521", "ecdsa-sha2-nistp521"},
    {"-t rsa -b 3072", "ssh-rsa"},
    {"-t rsa -b 3079", "ssh-rsa"},
};

START_TEST(keys_of_ssh_keygen)
{
    char command[128];
    snprintf(command, sizeof command, "ssh-keygen -q %s -N '' -C 'a comment' -f key",
             generated[_i].options);
    run(command);
    char *text = content("key.pub");
    ck_assert_msg(public_key_from_line(text, &key, &fault) == 0, "%s", fault.text);
    ck_assert_str_eq(key.type, generated[_i].type);
    compare_with_ssh_keygen();
    char line[PUBLIC_KEY_LINE_SIZE];
    public_key_line(&key, line);
    ck_assert_int_eq(strncmp(text, line, strlen(line)), 0);
    ck_assert_str_eq(text + strlen(line), " a comment\n");
    /* Every blob that is one byte shorter, or longer, is none. */
    struct public_key out;
    for (size_t length = 0; length < key.length; length++)
        ck_assert_int_eq(public_key_from_blob(key.blob, length, &out, &fault), -1);
    key.blob[key.length] = 0;
    ck_assert_int_eq(public_key_from_blob(key.blob, key.length + 1, &out, &fault), -1);
    free(text);
}
END_TEST

START_TEST(largest_rsa)
{
    /* 16384 bits take minutes to make; the hub looks at the size alone. */
    uint8_t blob[3000] = {0, 0, 0, 7, 's', 's', 'h', '-', 'r', 's', 'a', 0, 0, 0, 3, 1, 0, 1};
    size_t head = 18;
    size_t bytes = 16384 / 8 + 1;
    blob[head + 2] = (uint8_t)(bytes >> 8);
    blob[head + 3] = (uint8_t)bytes;
    blob[head + 5] = 0x80;
    size_t length = head + 4 + bytes;
    ck_assert_msg(public_key_from_blob(blob, length, &key, &fault) == 0, "%s", fault.text);
    ck_assert_uint_eq(key.bits, 16384);
    char line[PUBLIC_KEY_LINE_SIZE];
    struct public_key again;
    ck_assert_int_eq(public_key_from_line(public_key_line(&key, line), &again, &fault), 0);
    ck_assert_mem_eq(again.blob, key.blob, length);
    blob[head + 3] = (uint8_t)(bytes + 1);
    ck_assert_int_eq(public_key_from_blob(blob, length + 1, &key, &fault), -1);
}
END_TEST

START_TEST(short_rsa)
{
    run("ssh-keygen -q -t rsa -b 2048 -N '' -f key");
    char *text = content("key.pub");
    ck_assert_int_eq(public_key_from_line(text, &key, &fault), -1);
    ck_assert_str_eq(fault.text, "an RSA key of 2048 bits is not accepted, from 3072 to 16384 "
                                 "are; make one with ssh-keygen -t ed25519");
    free(text);
}
END_TEST

START_TEST(certificates)
{
    run("ssh-keygen -q -t ed25519 -N '' -f ca && ssh-keygen -q -t ed25519 -N '' -f key && "
        "ssh-keygen -q -s ca -I x -n y key.pub");
    char *text = content("key-cert.pub");
    ck_assert_int_eq(public_key_from_line(text, &key, &fault), -1);
    ck_assert_str_eq(fault.text, "certificates (ssh-ed25519-cert-v01@openssh.com) are not "
                                 "accepted; use the plain public key");
    uint8_t blob[2000];
    char *base64 = strchr(text, ' ') + 1;
    long length = text_base64_decode(base64, strcspn(base64, " "), blob, sizeof blob);
    ck_assert_int_gt(length, 0);
    fault.text[0] = '\0';
    ck_assert_int_eq(public_key_from_blob(blob, (size_t)length, &key, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "certificates ("));
    free(text);
    text = content("key");
    ck_assert_int_eq(public_key_from_line(text, &key, &fault), -1);
    ck_assert_str_eq(fault.text, "this is not an OpenSSH public key but a PEM block, perhaps a "
                                 "private key; use the .pub file");
    free(text);
}
END_TEST

/* A blob, string by string. */
struct writer {
    uint8_t bytes[512];
    size_t length;
};

static void add(struct writer *writer, const void *bytes, size_t length)
{
    uint8_t head[4] = {0, 0, (uint8_t)(length >> 8), (uint8_t)length};
    memcpy(writer->bytes + writer->length, head, 4);
    memcpy(writer->bytes + writer->length + 4, bytes, length);
    writer->length += 4 + length;
}

static void add_text(struct writer *writer, const char *text)
{
    add(writer, text, strlen(text));
}

/* The generator of P-256 (SEC 2, 2.4.2): a point that ssh-keygen finds on the curve. */
static const uint8_t point[65] =
    "\x04\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\x77\x03\x7d\x81\x2d\xeb"
    "\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96\x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c"
    "\x0f\x9e\x16\x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5";

static struct writer security_key(const char *type, const char *application)
{
    struct writer writer = {.length = 0};
    bool ecdsa = strcmp(type, SK_ECDSA) == 0;
    add_text(&writer, type);
    if (ecdsa)
        add_text(&writer, "nistp256");
    add(&writer, point, ecdsa ? 65 : 32);
    if (application != NULL)
        add_text(&writer, application);
    return writer;
}

START_TEST(security_keys)
{
    static const char *const types[] = {SK_ED25519, SK_ECDSA};
    for (size_t i = 0; i < COUNT(types); i++) {
        struct writer writer = security_key(types[i], "ssh:");
        int result = public_key_from_blob(writer.bytes, writer.length, &key, &fault);
        ck_assert_msg(result == 0, "%s", fault.text);
        ck_assert_str_eq(key.type, types[i]);
        char line[PUBLIC_KEY_LINE_SIZE];
        public_key_line(&key, line);
        ck_assert_int_eq(file_write("key.pub", line, strlen(line), 0600, &fault), 0);
        compare_with_ssh_keygen();
        writer = security_key(types[i], NULL);
        ck_assert_int_eq(public_key_from_blob(writer.bytes, writer.length, &key, &fault), -1);
        writer = security_key(types[i], "");
        ck_assert_int_eq(public_key_from_blob(writer.bytes, writer.length, &key, &fault), -1);
    }
}
END_TEST

static void expect_blob_fault(const struct writer *writer, const char *sentence)
{
    ck_assert_int_eq(public_key_from_blob(writer->bytes, writer->length, &key, &fault), -1);
    ck_assert_str_eq(fault.text, sentence);
}

#define DAMAGED "the public key is damaged; copy it again"

START_TEST(damaged_blobs)
{
    static const char *const firsts[] = {"", "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"};
    for (size_t i = 0; i < COUNT(firsts); i++) {
        struct writer writer = {.length = 0};
        add_text(&writer, firsts[i]);
        expect_blob_fault(&writer, DAMAGED);
        add_text(&writer, "short");
        expect_blob_fault(&writer, DAMAGED);
        add_text(&writer, "");
        expect_blob_fault(&writer, DAMAGED);
        memset(writer.bytes + writer.length, 0xff, 4); /* a string of 4 GiB */
        writer.length += 4;
        expect_blob_fault(&writer, DAMAGED);
    }
    struct writer nul = {.length = 0};
    add(&nul, "ssh-ed25519\0x", 13);
    expect_blob_fault(&nul, DAMAGED);
    ck_assert_int_eq(public_key_from_blob("", 0, &key, NULL), -1);
}
END_TEST

START_TEST(wrong_points)
{
    static const struct {
        const char *curve;
        size_t length;
        uint8_t first;
        int result;
    } cases[] = {
        {"nistp256", 65, 4, 0},  {"nistp384", 65, 4, -1}, {"nistp256", 64, 4, -1},
        {"nistp256", 66, 4, -1}, {"nistp256", 65, 2, -1}, {"nistp2567", 65, 4, -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t bytes[66] = {cases[i].first};
        struct writer writer = {.length = 0};
        add_text(&writer, "ecdsa-sha2-nistp256");
        add_text(&writer, cases[i].curve);
        add(&writer, bytes, cases[i].length);
        ck_assert_int_eq(public_key_from_blob(writer.bytes, writer.length, &key, &fault),
                         cases[i].result);
    }
}
END_TEST

START_TEST(wrong_numbers)
{
    uint8_t good[385] = {0, 0x80};
    uint8_t padded[386] = {0, 0, 0x80};
    uint8_t negative[384] = {0x80};
    static const struct {
        const char *bytes;
        size_t length;
    } exponents[] = {{"\x01\x00\x01", 3}, {"\x03", 1}, {"", 0},        {"\x00", 1},
                     {"\x01", 1},         {"\x80", 1}, {"\x00\x01", 2}};
    for (size_t i = 0; i < COUNT(exponents); i++) {
        struct writer writer = {.length = 0};
        add_text(&writer, "ssh-rsa");
        add(&writer, exponents[i].bytes, exponents[i].length);
        add(&writer, good, sizeof good);
        ck_assert_int_eq(public_key_from_blob(writer.bytes, writer.length, &key, &fault),
                         i < 2 ? 0 : -1);
    }
    for (int i = 0; i < 3; i++) {
        struct writer writer = {.length = 0};
        add_text(&writer, "ssh-rsa");
        add(&writer, "\x03", 1);
        add(&writer,
            i == 0   ? padded
            : i == 1 ? negative
                     : (const uint8_t *)"",
            i == 0   ? sizeof padded
            : i == 1 ? sizeof negative
                     : 0);
        expect_blob_fault(&writer, DAMAGED);
    }
}
END_TEST

START_TEST(other_types)
{
    struct writer writer = {.length = 0};
    add_text(&writer, "ssh-dss");
    expect_blob_fault(&writer,
                      "DSA keys are too weak to be accepted; make one with ssh-keygen -t ed25519");
    writer.length = 0;
    add_text(&writer, "ssh-new\x1b\n");
    expect_blob_fault(&writer, "keys of type 'ssh-new?"
                               "?' are not accepted; make one with "
                               "ssh-keygen -t ed25519");
}
END_TEST

#define ED25519 "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
#define NO_LINE "this is not a public key line, which is TYPE BASE64 [COMMENT]"

static const struct {
    const char *line, *sentence; /* NULL: good */
} lines[] = {
    {"ssh-ed25519 " ED25519, NULL},
    {" \tssh-ed25519 \t " ED25519 "\tcomment with words\r\n", NULL},
    {"ssh-ed25519 " ED25519 "\r\nssh-ed25519 next line", NULL},
    {"", NO_LINE},
    {"\n", NO_LINE},
    {"ssh-ed25519", NO_LINE},
    {"ssh-ed25519 \n" ED25519, NO_LINE},
    {"ssh-ed25519 AAAA", DAMAGED},
    {"ssh-ed25519 !", DAMAGED},
    {"ecdsa-sha2-nistp256 " ED25519, DAMAGED},
    {"ssh-dss " ED25519,
     "DSA keys are too weak to be accepted; make one with ssh-keygen -t ed25519"},
    {"restrict ssh-ed25519 " ED25519, "keys of type 'restrict' are not accepted; make one with "
                                      "ssh-keygen -t ed25519"},
    {ED25519, NO_LINE},
};

START_TEST(key_lines)
{
    int result = public_key_from_line(lines[_i].line, &key, &fault);
    ck_assert_int_eq(result, lines[_i].sentence == NULL ? 0 : -1);
    char line[PUBLIC_KEY_LINE_SIZE];
    if (result == 0)
        ck_assert_str_eq(public_key_line(&key, line), "ssh-ed25519 " ED25519);
    else
        ck_assert_str_eq(fault.text, lines[_i].sentence);
}
END_TEST

START_TEST(endless_line)
{
    static char line[20000] = "ssh-rsa ";
    memset(line + 8, 'A', sizeof line - 9);
    ck_assert_int_eq(public_key_from_line(line, &key, &fault), -1);
    memset(line, 'A', 8);
    ck_assert_int_eq(public_key_from_line(line, &key, &fault), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("public_key");
    TCase *tests = tcase_create("public_key");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, keys_of_ssh_keygen, 0, COUNT(generated));
    tcase_add_test(tests, largest_rsa);
    tcase_add_test(tests, short_rsa);
    tcase_add_test(tests, certificates);
    tcase_add_test(tests, security_keys);
    tcase_add_test(tests, damaged_blobs);
    tcase_add_test(tests, wrong_points);
    tcase_add_test(tests, wrong_numbers);
    tcase_add_test(tests, other_types);
    tcase_add_loop_test(tests, key_lines, 0, COUNT(lines));
    tcase_add_test(tests, endless_line);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
