/* Keyfiles, read, written, read again; and every way in which one can be wrong. */
#define _GNU_SOURCE
#include "keys/keyfile.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define KEY_A        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
#define KEY_B        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA"
#define SECRET       "abcdefghijklmnopqrstuvwxyz234567"
#define TOKEN        "k3v7q2m5xa." SECRET

static struct fault fault;

static const char good[] = "version: 1\n"
                           "site: hannover\n"
                           "hub: [hub.example.net:2222, '[2001:db8::1]:2222']\n"
                           "host_keys: [" KEY_A " current, " KEY_B "]\n"
                           "token: " TOKEN "\n"
                           "issued: 2026-11-20T20:45:01Z\n"
                           "expires: 2026-11-23T20:45:01Z\n"
                           "forwards:\n"
                           "  - {listen: 127.0.0.1:8443, target: 192.168.1.10:443}\n"
                           "  - {listen: 8080, target: printer:80}\n"
                           "allow_targets: [192.168.1.10:443, 'printer:*']\n";

static void expect_good(const struct keyfile *keyfile)
{
    ck_assert_str_eq(keyfile->site, "hannover");
    ck_assert_uint_eq(keyfile->hub.count, 2);
    ck_assert_str_eq(keyfile->hub.items[1].host, "2001:db8::1");
    ck_assert_uint_eq(keyfile->host_keys.count, 2);
    ck_assert_str_eq(keyfile->host_keys.items[0], KEY_A);
    ck_assert_str_eq(keyfile->host_keys.items[1], KEY_B);
    ck_assert_str_eq(keyfile->token.text, TOKEN);
    ck_assert_str_eq(keyfile->token.id, "k3v7q2m5xa");
    ck_assert_int_eq(keyfile->issued_s, 1795207501);
    ck_assert_int_eq(keyfile->expires_s, 1795207501 + 3 * 86400);
    ck_assert_uint_eq(keyfile->forward_count, 2);
    ck_assert_str_eq(keyfile->forwards[0].listen.host, "127.0.0.1");
    ck_assert_uint_eq(keyfile->forwards[0].listen.port, 8443);
    ck_assert_str_eq(keyfile->forwards[0].target.host, "192.168.1.10");
    ck_assert_str_eq(keyfile->forwards[1].listen.host, "");
    ck_assert_uint_eq(keyfile->forwards[1].target.port, 80);
    ck_assert_uint_eq(keyfile->allow_targets.count, 2);
    ck_assert_str_eq(keyfile->allow_targets.items[1], "printer:*");
}

START_TEST(there_and_back)
{
    struct keyfile keyfile;
    int result = keyfile_parse(good, strlen(good), "f", &keyfile, &fault);
    ck_assert_msg(result == 0, "%s", fault.text);
    expect_good(&keyfile);
    char *text = keyfile_format(&keyfile);
    keyfile_release(&keyfile);
    ck_assert_ptr_nonnull(text);
    result = keyfile_parse(text, strlen(text), "f", &keyfile, &fault);
    ck_assert_msg(result == 0, "%s", fault.text);
    expect_good(&keyfile);
    char *again = keyfile_format(&keyfile);
    ck_assert_str_eq(text, again);
    keyfile_release(&keyfile);
    free(text);
    free(again);
}
END_TEST

START_TEST(says_what_it_is)
{
    struct keyfile keyfile;
    static const char least[] = "{version: 1, site: a, hub: [h:1], host_keys: [" KEY_A
                                "], token: " TOKEN ", issued: 2026-11-20T20:45:01Z, expires: "
                                "2026-11-20T20:45:01Z}";
    ck_assert_msg(keyfile_parse(least, strlen(least), "f", &keyfile, &fault) == 0, "%s",
                  fault.text);
    char *text = keyfile_format(&keyfile);
    ck_assert_str_eq(text, "# Keyfile of the site a: a secret that enrols it, once.\n"
                           "# At the site: tunnel-agent enrol FILE\n"
                           "version: 1\n"
                           "site: a\n"
                           "hub:\n"
                           "  - h:1\n"
                           "host_keys:\n"
                           "  - " KEY_A "\n"
                           "token: " TOKEN "\n"
                           "issued: 2026-11-20T20:45:01Z\n"
                           "expires: 2026-11-20T20:45:01Z\n"
                           "forwards: []\n"
                           "allow_targets: []\n");
    free(text);
    keyfile_release(&keyfile);
    ck_assert_str_eq(keyfile.token.text, "");
    keyfile_release(&keyfile);
    keyfile_release(NULL);
}
END_TEST

/* `good` with one line replaced. */
static const struct {
    const char *line, *other, *sentence;
} bad[] = {
    {"version: 1", "version: 2",
     "f:1:10: the keyfile has version 2, made by a newer hub; update tunnel-agent"},
    {"version: 1", "version: 2\nnovelty: x",
     "f:1:10: the keyfile has version 2, made by a newer hub; update tunnel-agent"},
    {"version: 1", "version: 0", "f:1:10: 'version' must be a number from 1 to 1, not '0'"},
    {"version: 1", "version: one", NULL},
    {"version: 1", "version: [2]", NULL},
    {"version: 1", "", "f:2:1: the setting 'version' is missing"},
    {"site: hannover", "", "f:1:1: the setting 'site' is missing"},
    {"site: hannover", "site: Hannover",
     "f:2:7: 'site': the name 'Hannover' holds a character other than a-z, 0-9, '-' and '.' at "
     "position 1"},
    {"site: hannover", "site: enrol",
     "f:2:7: 'site': the name 'enrol' is reserved; choose "
     "another"},
    {"site: hannover", "sit: hannover", "f:2:1: unknown setting 'sit'; did you mean 'site'?"},
    {"site: hannover", "site: hannover\nsite: hannover",
     "f:3:1: 'site' is given twice, first in line 2"},
    {"hub: ", "hub: [] #", "f:3:6: 'hub' must have from 1 to 64 entries, not 0"},
    {"hub: ", "hub: [nowhere] #", "f:3:7: 'hub': 'nowhere' lacks a port; write HOST:PORT"},
    {"host_keys: ", "host_keys: [] #",
     "f:4:12: 'host_keys' must have from 1 to 64 entries, "
     "not 0"},
    {"host_keys: ", "host_keys: [" KEY_A ", ssh-dss AAAA] #",
     "f:4:95: 'host_keys': DSA keys are too weak to be accepted; make one with ssh-keygen -t "
     "ed25519"},
    {"host_keys: ", "host_keys: [ssh-ed25519 AAAA] #",
     "f:4:13: 'host_keys': the public key is damaged; copy it again"},
    {"token: ", "token: x", "f:5:8: 'token': this is not a token; copy the keyfile again"},
    {"token: ", "token: [] #", "f:5:8: 'token' must be text, not a list"},
    {"issued: ", "issued: yesterday #",
     "f:6:9: 'issued': 'yesterday' is not a time such as 2026-11-20T20:45:01Z"},
    {"expires: ", "expires: 2026-02-30T00:00:00Z #",
     "f:7:10: 'expires': '2026-02-30T00:00:00Z' is not a time such as 2026-11-20T20:45:01Z"},
    {"expires: ", "expires: 2026-11-20T20:45:00Z #",
     "f:7:10: 'expires': it expires before it was issued"},
    {"  - {listen: 8080", "  - {lisen: 8080",
     "f:10:6: unknown setting 'lisen'; did you mean 'listen'?"},
    {"  - {listen: 8080", "  - {listen: 0",
     "f:10:14: 'listen': '0' needs a port from 1 to 65535, not '0'"},
    {"  - {listen: 8080", "  - {listen: localhost:8080",
     "f:10:14: 'listen': 'localhost:8080' must begin with an IP address, not with a name"},
    {"  - {listen: 8080, target: printer:80}", "  - {listen: 8080, target: printer}",
     "f:10:28: 'target': 'printer' lacks a port; write HOST:PORT"},
    {"  - {listen: 8080, target: printer:80}", "  - {listen: 8080, target: printer:0}",
     "f:10:28: 'target': 'printer:0' needs a port from 1 to 65535, not '0'"},
    {"  - {listen: 8080, target: printer:80}", "  - {listen: 8080}",
     "f:10:5: the setting 'target' is missing"},
    {"  - {listen: 8080, target: printer:80}", "  - word",
     "f:10:5: there must be settings here, as NAME: VALUE"},
    {"allow_targets: ", "allow_targets: ['*'] #",
     "f:11:17: 'allow_targets': '*' is not HOST:PORT (either may be *; IPv6 in brackets)"},
    {"allow_targets: ", "allow_targets: {} #",
     "f:11:16: 'allow_targets' must be a list such as [one, two], not a map"},
    {"allow_targets: ", "allow_targets: [",
     "f:12:1: not valid YAML: did not find expected ',' or "
     "']'"},
};

START_TEST(refuses)
{
    char text[2048];
    const char *at = strstr(good, bad[_i].line);
    ck_assert_ptr_nonnull(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, bad[_i].other,
             at + strlen(bad[_i].line));
    struct keyfile keyfile = {.site = "untouched"};
    ck_assert_int_eq(keyfile_parse(text, strlen(text), "f", &keyfile, &fault), -1);
    if (bad[_i].sentence != NULL)
        ck_assert_str_eq(fault.text, bad[_i].sentence);
    ck_assert_int_eq(strncmp(fault.text, "f:", 2), 0);
    ck_assert_ptr_null(strstr(fault.text, SECRET));
    ck_assert_str_eq(keyfile.site, "untouched");
}
END_TEST

START_TEST(forwards_that_are_no_list)
{
    char text[2048];
    const char *at = strstr(good, "forwards:");
    snprintf(text, sizeof text, "%.*sforwards: 8443\n", (int)(at - good), good);
    struct keyfile keyfile;
    ck_assert_int_eq(keyfile_parse(text, strlen(text), "f", &keyfile, &fault), -1);
    ck_assert_str_eq(fault.text, "f:8:11: 'forwards': it must be a list such as [{listen: 8443, "
                                 "target: 192.0.2.1:443}]");
}
END_TEST

/* A file cut anywhere is a keyfile only when nothing needed is gone, and never says its secret. */
START_TEST(every_truncation)
{
    size_t needed = (size_t)(strstr(good, "forwards:") - good) - 1;
    for (size_t length = 0; length < sizeof good; length++) {
        struct keyfile keyfile;
        char *exact = malloc(length + 1);
        memcpy(exact, good, length);
        int result = keyfile_parse(exact, length, "f", &keyfile, &fault);
        if (result == 0) {
            ck_assert_uint_ge(length, needed);
            keyfile_release(&keyfile);
        } else {
            ck_assert_int_eq(strncmp(fault.text, "f:", 2), 0);
            ck_assert_ptr_null(strstr(fault.text, "abcdefgh"));
        }
        free(exact);
    }
}
END_TEST

START_TEST(files)
{
    struct keyfile keyfile;
    char path[] = "/tmp/keyfile-test.XXXXXX";
    char sentence[FAULT_TEXT_SIZE];
    int descriptor = mkstemp(path);
    ck_assert_int_ge(descriptor, 0);
    ck_assert_int_eq(keyfile_read(path, &keyfile, &fault), -1);
    snprintf(sentence, sizeof sentence, "%s:1:1: the file is empty", path);
    ck_assert_str_eq(fault.text, sentence);
    ck_assert_int_eq(write(descriptor, good, strlen(good)), (ssize_t)strlen(good));
    ck_assert_msg(keyfile_read(path, &keyfile, &fault) == 0, "%s", fault.text);
    expect_good(&keyfile);
    keyfile_release(&keyfile);
    ck_assert_int_eq(ftruncate(descriptor, 10 << 20), 0);
    ck_assert_int_eq(keyfile_read(path, &keyfile, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "it has 10485760 bytes, at most 65536 are read"));
    close(descriptor);
    unlink(path);
    ck_assert_int_eq(keyfile_read(path, &keyfile, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "No such file"));
}
END_TEST

START_TEST(bounds)
{
    struct keyfile keyfile;
    static char text[KEYFILE_MAX_BYTES + 1];
    memset(text, '#', sizeof text);
    ck_assert_int_eq(keyfile_parse(text, sizeof text, "f", &keyfile, &fault), -1);
    ck_assert_str_eq(fault.text, "f: a keyfile has at most 65536 bytes, this has 65537");
    /* And none is written that could not be read. */
    ck_assert_int_eq(keyfile_parse(good, strlen(good), "f", &keyfile, &fault), 0);
    struct keyfile_forward *few = keyfile.forwards;
    keyfile.forward_count = 4000;
    keyfile.forwards = calloc(keyfile.forward_count, sizeof *keyfile.forwards);
    for (size_t i = 0; i < keyfile.forward_count; i++)
        keyfile.forwards[i] = few[0];
    free(few);
    ck_assert_ptr_null(keyfile_format(&keyfile));
    keyfile_release(&keyfile);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("keyfile");
    TCase *tests = tcase_create("keyfile");
    tcase_add_test(tests, there_and_back);
    tcase_add_test(tests, says_what_it_is);
    tcase_add_loop_test(tests, refuses, 0, COUNT(bad));
    tcase_add_test(tests, forwards_that_are_no_list);
    tcase_add_test(tests, every_truncation);
    tcase_add_test(tests, files);
    tcase_add_test(tests, bounds);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
