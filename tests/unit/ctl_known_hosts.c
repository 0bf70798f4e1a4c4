/* Whose key is in known_hosts, and what is said when it is not. */
#define _GNU_SOURCE
#include "tunnelctl/known_hosts.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

/* Keys of ssh-keygen. */
#define KEY   "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINNy0qUvJDNs5+LV0UEChjQ4siEra4YQggO6ckEDY+1h"
#define OTHER "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPGhZ41xugb4KpxQ415u5sKubGM9T9ri6lXFCZ5jMt7Q"
#define ECDSA                                                                                      \
    "ecdsa-sha2-nistp256 "                                                                         \
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHoHWvY6sbDRrCVZq1mXDPLm2f4ck3sEQzzK0dXK" \
    "Hn2Pj9pXzvDmHqXlX9nY0Q=="
/* [127.0.0.1]:35855, by ssh-keygen -H */
#define HASHED "|1|fGKuiZCuNHkDwqLmx5dNpxBMrxo=|fz3xh4ixbGgmoCRKmntSXTbuTww="

static const struct {
    const char *text, *host;
    uint16_t port;
    enum known known;
    unsigned line;
} cases[] = {
    {"", "hub", 22, KNOWN_NOT, 0},
    {"# hub " KEY "\n\n", "hub", 22, KNOWN_NOT, 0},
    {"hub " KEY, "hub", 22, KNOWN_SAME, 1},
    {"other " OTHER "\nhub\t" KEY " a comment\r\n", "hub", 22, KNOWN_SAME, 2},
    {"HUB.example " KEY, "hub.Example", 22, KNOWN_SAME, 1},
    {"hub " OTHER, "hub", 22, KNOWN_CHANGED, 1},
    {"hub " OTHER "\nhub " KEY, "hub", 22, KNOWN_SAME, 2},
    {"hub " ECDSA, "hub", 22, KNOWN_NOT, 0},
    {"hub " KEY "x", "hub", 22, KNOWN_CHANGED, 1},
    {"hub ssh-ed25519", "hub", 22, KNOWN_CHANGED, 1},
    {"hub", "hub", 22, KNOWN_NOT, 0},
    /* ports */
    {"[hub]:2222 " KEY, "hub", 2222, KNOWN_SAME, 1},
    {"[hub]:2222 " KEY, "hub", 22, KNOWN_NOT, 0},
    {"[hub]:2223 " KEY, "hub", 2222, KNOWN_NOT, 0},
    {"[hub]:2222 " OTHER, "hub", 2222, KNOWN_CHANGED, 1},
    {"hub " KEY, "hub", 2222, KNOWN_SAME, 1},
    {"hub " OTHER, "hub", 2222, KNOWN_NOT, 0},
    {"hub " KEY "\n[hub]:2222 " OTHER, "hub", 2222, KNOWN_CHANGED, 2},
    {"[2001:db8::1]:2222 " KEY, "2001:db8::1", 2222, KNOWN_SAME, 1},
    {"2001:db8::1 " KEY, "2001:db8::1", 22, KNOWN_SAME, 1},
    /* lists and patterns */
    {"a,hub,b " KEY, "hub", 22, KNOWN_SAME, 1},
    {"*.example.net " KEY, "hub.example.net", 22, KNOWN_SAME, 1},
    {"*.example.net " KEY, "hub.example.org", 22, KNOWN_NOT, 0},
    {"h?b " KEY, "hub", 22, KNOWN_SAME, 1},
    {"h?b " KEY, "hb", 22, KNOWN_NOT, 0},
    {"*,!hub " KEY, "hub", 22, KNOWN_NOT, 0},
    {"!hub,* " KEY, "hub", 22, KNOWN_NOT, 0},
    {"!other " KEY, "hub", 22, KNOWN_NOT, 0},
    {"* " KEY, "hub", 2222, KNOWN_SAME, 1},
    {"[hu]b " KEY, "hub", 22, KNOWN_NOT, 0},
    /* hashes */
    {HASHED " " KEY, "127.0.0.1", 35855, KNOWN_SAME, 1},
    {HASHED " " OTHER, "127.0.0.1", 35855, KNOWN_CHANGED, 1},
    {HASHED " " KEY, "127.0.0.1", 35856, KNOWN_NOT, 0},
    {"|1|fGKuiZCuNHkDwqLmx5dNpxBMrxo= " KEY, "127.0.0.1", 35855, KNOWN_NOT, 0},
    {"|1||= " KEY, "127.0.0.1", 35855, KNOWN_NOT, 0},
    {"|1| " KEY, "127.0.0.1", 35855, KNOWN_NOT, 0},
    /* markers */
    {"@revoked hub " KEY, "hub", 22, KNOWN_REVOKED, 1},
    {"hub " KEY "\n@revoked * " KEY, "hub", 22, KNOWN_REVOKED, 2},
    {"@revoked hub " OTHER "\nhub " KEY, "hub", 22, KNOWN_SAME, 2},
    {"@cert-authority hub " KEY, "hub", 22, KNOWN_NOT, 0},
    {"@unheard-of hub " KEY, "hub", 22, KNOWN_NOT, 0},
};

START_TEST(verdicts)
{
    struct host_port host = {.port = cases[_i].port};
    struct public_key key;
    unsigned line = 99;
    strcpy(host.host, cases[_i].host);
    ck_assert_int_eq(public_key_from_line(KEY, &key, NULL), 0);
    ck_assert_msg(known_hosts_judge(cases[_i].text, &host, &key, &line) == cases[_i].known,
                  "case %d: %s", _i, cases[_i].text);
    ck_assert_uint_eq(line, cases[_i].line);
}
END_TEST

START_TEST(sentences)
{
    const struct host_port host = {"hub", 2222};
    struct public_key key;
    struct fault fault;
    char print[FINGERPRINT_SIZE], path[] = "/tmp/known-XXXXXX";
    int file = mkstemp(path);
    ck_assert_int_eq(public_key_from_line(KEY, &key, NULL), 0);
    public_key_fingerprint(&key, print);
    ck_assert_int_eq(known_hosts_check("/nonexistent", &host, &key, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, print));
    ck_assert_ptr_nonnull(strstr(fault.text, "[hub]:2222 " KEY));
    ck_assert_int_gt(dprintf(file, "hub " ECDSA "\n[hub]:2222 " OTHER "\n"), 0);
    ck_assert_int_eq(known_hosts_check(path, &host, &key, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, print));
    ck_assert_ptr_nonnull(strstr(fault.text, "line 2"));
    ck_assert_int_gt(dprintf(file, "[hub]:2222 " KEY "\n"), 0);
    ck_assert_int_eq(known_hosts_check(path, &host, &key, &fault), 0);
    ck_assert_int_gt(dprintf(file, "@revoked * " KEY "\n"), 0);
    ck_assert_int_eq(known_hosts_check(path, &host, &key, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "revoked"));
    close(file);
    unlink(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_known_hosts");
    TCase *tests = tcase_create("known_hosts");
    tcase_add_loop_test(tests, verdicts, 0, sizeof(cases) / sizeof(*cases));
    tcase_add_test(tests, sentences);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
