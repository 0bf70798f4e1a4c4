/* The agent's settings, written and read again, and the targets it may dial. */
#define _GNU_SOURCE
#include "config/agent_settings.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "suite.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static struct fault fault;

static const char minimal[] = "site: hannover\n"
                              "hub: [hub.example.net:2222, '[2001:db8::1]:22']\n"
                              "host_keys: [ssh-ed25519 AAAA]\n";

START_TEST(defaults)
{
    struct agent_settings settings;
    int result = agent_settings_parse(minimal, strlen(minimal), "f", &settings, &fault);
    ck_assert_msg(result == 0, "%s", fault.text);
    ck_assert_str_eq(settings.site, "hannover");
    ck_assert_uint_eq(settings.hubs.count, 2);
    ck_assert_str_eq(settings.hubs.items[1].host, "2001:db8::1");
    ck_assert_str_eq(settings.host_keys.items[0], "ssh-ed25519 AAAA");
    ck_assert_uint_eq(settings.allow_targets.count, 0);
    ck_assert_uint_eq(settings.allow_listen.count, 2);
    ck_assert_str_eq(settings.allow_listen.items[0], "127.0.0.1:*");
    ck_assert_str_eq(settings.allow_listen.items[1], "[::1]:*");
    ck_assert_int_eq(settings.log_level, LOG_INFO);
    ck_assert_int_eq(settings.log_format, LOG_TEXT);
    ck_assert_str_eq(settings.proxy, "");
    ck_assert_uint_eq(settings.keepalive_ms, 30000);
    ck_assert_uint_eq(settings.dead_peer_ms, 75000);
    ck_assert_uint_eq(settings.connect_timeout_ms, 10000);
    ck_assert_uint_eq(settings.target_timeout_ms, 10000);
    ck_assert_uint_eq(settings.max_connections, 8192);
    ck_assert_uint_eq(settings.key_max_age_ms, 0);
    agent_settings_release(&settings);
    agent_settings_release(&settings);
}
END_TEST

START_TEST(saved_and_loaded)
{
    struct agent_settings settings;
    struct agent_settings again;
    struct stat status;
    char directory[] = "/tmp/agent-settings-test.XXXXXX";
    char path[64];
    char text[512];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/agent.yaml", directory);
    snprintf(text, sizeof text, "%sallow_targets: ['*:443', 10.0.0.1:80]\ntarget_timeout: 250ms\n",
             minimal);
    ck_assert_int_eq(agent_settings_parse(text, strlen(text), "f", &settings, &fault), 0);
    ck_assert_msg(agent_settings_save(path, &settings, &fault) == 0, "%s", fault.text);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    ck_assert_msg(agent_settings_load(path, &again, &fault) == 0, "%s", fault.text);
    ck_assert_str_eq(again.site, settings.site);
    ck_assert_uint_eq(again.hubs.count, 2);
    ck_assert_mem_eq(again.hubs.items, settings.hubs.items, 2 * sizeof(struct host_port));
    ck_assert_str_eq(again.host_keys.items[0], settings.host_keys.items[0]);
    ck_assert_str_eq(again.allow_targets.items[0], "*:443");
    ck_assert_str_eq(again.allow_targets.items[1], "10.0.0.1:80");
    ck_assert_uint_eq(again.target_timeout_ms, 250);
    agent_settings_release(&again);
    unlink(path);
    rmdir(directory);
    ck_assert_int_eq(agent_settings_save(path, &settings, &fault), -1);
    ck_assert_int_eq(agent_settings_load(path, &again, &fault), -1);
    agent_settings_release(&settings);
}
END_TEST

static const struct {
    const char *text, *sentence;
} bad[] = {
    {"", "f:1:1: the file is empty"},
    {"{}", "f:1:1: the setting 'site' is missing"},
    {"site: a\nhub: [h:1]", "f:1:1: the setting 'host_keys' is missing"},
    {"site: A\nhub: [h:1]\nhost_keys: [k]",
     "f:1:7: 'site': the name 'A' holds a character other than a-z, 0-9, '-' and '.' at position "
     "1"},
    {"site: a\nhub: [h:1]\nhost_keys: []", "f:3:12: 'host_keys' must have from 1 to 64 entries, "
                                           "not 0"},
    {"site: a\nhub: [h:1]\nhost_keys: [k]\nallow_targets: [a:1, a]",
     "f:4:22: 'allow_targets': 'a' is not HOST:PORT (either may be *; IPv6 in brackets)"},
    {"site: a\nhub: [h:1]\nhost_keys: [k]\nallow_listen: ['*:5432', 'localhost:1']",
     "f:4:26: 'allow_listen': 'localhost:1' is not ADDRESS:PORT (either may be *; IPv6 in "
     "brackets)"},
    {"site: a\nhub: [h:1]\nhost_keys: [k]\nallow_listen: [10.0.0.1]",
     "f:4:16: 'allow_listen': '10.0.0.1' is not ADDRESS:PORT (either may be *; IPv6 in brackets)"},
    {"site: a\nhub: [h:1]\nhost_keys: [k]\nkeepalive: 80s",
     "f:1:1: 'dead_peer' must be longer than 'keepalive'"},
    {"site: a\nhub: [h:1]\nhost_keys: [k]\nkey_max_age: 10m",
     "f:4:14: 'key_max_age' must be 0 or at least 1h"},
    {"version: 2\nsite: a\nnovelty: yes",
     "f:1:10: written by a newer tunnel-agent (version 2 of the file, this one knows 1): update "
     "tunnel-agent"},
    {"site: a\nhubs: [h:1]", "f:2:1: unknown setting 'hubs'; did you mean 'hub'?"},
};

START_TEST(refuses)
{
    struct agent_settings settings = {.max_connections = 99};
    int result = agent_settings_parse(bad[_i].text, strlen(bad[_i].text), "f", &settings, &fault);
    ck_assert_int_eq(result, -1);
    ck_assert_str_eq(fault.text, bad[_i].sentence);
    ck_assert_uint_eq(settings.max_connections, 99);
}
END_TEST

START_TEST(target_forms)
{
    static const char *const good[] = {"a:1",     "*:*",      "*:443",         "10.0.0.1:*",
                                       "[::1]:*", "[::1]:80", "a.b-c.de:65535"};
    static const char *const wrong[] = {
        "",      "*",     "a",     ":",     "a:",     ":1",    "*:",     ":*",  "**:1",
        "a*:1",  "*.a:1", "a:1*",  "a:**",  "::1:80", "[::1]", "a:0",    "*:0", "*:x",
        "[*]:1", "any",   "*:1:1", "a:b:*", "[a]:*",  "a:1 ",  "*:65536"};
    for (size_t i = 0; i < COUNT(good); i++)
        ck_assert_msg(allow_target_check(good[i], &fault) == 0, "%s", fault.text);
    for (size_t i = 0; i < COUNT(wrong); i++)
        ck_assert_msg(allow_target_check(wrong[i], &fault) != 0, "%s", wrong[i]);
    char endless[2000];
    memset(endless, 'a', sizeof endless);
    memcpy(endless + sizeof endless - 3, ":1", 3);
    ck_assert_int_ne(allow_target_check(endless, &fault), 0);
    endless[0] = '*';
    endless[1] = ':';
    ck_assert_int_ne(allow_target_check(endless, &fault), 0);
}
END_TEST

static const struct {
    const char *entry, *target;
    bool allowed;
} targets[] = {
    {"a:1", "a:1", true},
    {"a:1", "A:1", true},
    {"a:1", "a:2", false},
    {"a:1", "b:1", false},
    {"a:1", "a.b:1", false},
    {"a:*", "a:9", true},
    {"a:*", "b:9", false},
    {"*:9", "b:9", true},
    {"*:9", "b:8", false},
    {"*:*", "[::1]:1", true},
    {"any:1", "b:1", false},
    {"*:1", "any:2", false},
    {"[2001:DB8:0::1]:1", "[2001:db8::1]:1", true},
    {"[2001:db8::1]:*", "[2001:db8::2]:1", false},
    {"[::ffff:10.0.0.1]:1", "10.0.0.1:1", false},
    {"10.0.0.1:1", "10.0.0.1:1", true},
    {"10.0.0.1:1", "10.0.0.10:1", false},
};

START_TEST(allowed_targets)
{
    char *items[] = {strdup("nobody:1"), strdup(targets[_i].entry)};
    struct text_list list = {2, items};
    struct host_port target;
    ck_assert_int_eq(host_port_parse(targets[_i].target, false, &target, &fault), 0);
    ck_assert_int_eq(agent_target_allowed(&list, &target), targets[_i].allowed);
    list.count = 0;
    ck_assert(!agent_target_allowed(&list, &target));
    free(items[0]);
    free(items[1]);
}
END_TEST

static const struct {
    const char *settings, *listen;
    bool allowed;
} listeners[] = {
    {"", "127.0.0.1:1", true},
    {"", "[0::1]:65535", true},
    {"", "127.0.0.2:1", false},
    {"", "0.0.0.0:1", false},
    {"", "[::]:1", false},
    {"", "192.168.1.1:1", false},
    {"allow_listen: []\n", "127.0.0.1:1", false},
    {"allow_listen: ['0.0.0.0:5432']\n", "0.0.0.0:5432", true},
    {"allow_listen: ['0.0.0.0:5432']\n", "127.0.0.1:5432", false},
    {"allow_listen: ['*:5432']\n", "[2001:db8::1]:5432", true},
    {"allow_listen: ['*:5432']\n", "127.0.0.1:5433", false},
};

START_TEST(allowed_listeners)
{
    char text[512];
    struct agent_settings settings;
    struct host_port listen;
    snprintf(text, sizeof text, "%s%s", minimal, listeners[_i].settings);
    ck_assert_int_eq(agent_settings_parse(text, strlen(text), "f", &settings, &fault), 0);
    ck_assert_int_eq(host_port_parse(listeners[_i].listen, false, &listen, &fault), 0);
    ck_assert_int_eq(agent_listen_allowed(&settings.allow_listen, &listen), listeners[_i].allowed);
    agent_settings_release(&settings);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agent_settings");
    TCase *tests = tcase_create("agent_settings");
    tcase_add_test(tests, defaults);
    tcase_add_test(tests, saved_and_loaded);
    tcase_add_loop_test(tests, refuses, 0, COUNT(bad));
    tcase_add_test(tests, target_forms);
    tcase_add_loop_test(tests, allowed_targets, 0, COUNT(targets));
    tcase_add_loop_test(tests, allowed_listeners, 0, COUNT(listeners));
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
