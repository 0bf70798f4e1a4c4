/* The hub's defaults, its example, its files, its state directory. */
#define _GNU_SOURCE
#include "config/hub_settings.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "suite.h"

static struct fault fault;

START_TEST(defaults)
{
    struct hub_settings settings;
    ck_assert_msg(hub_settings_load(NULL, &settings, &fault) == 0, "%s", fault.text);
    ck_assert_uint_eq(settings.listen.count, 1);
    ck_assert_str_eq(settings.listen.items[0].host, "::");
    ck_assert_uint_eq(settings.listen.items[0].port, 2222);
    ck_assert_uint_eq(settings.public_addresses.count, 0);
    ck_assert_str_eq(settings.state_dir, "");
    ck_assert_str_eq(settings.control_socket, "");
    ck_assert_str_eq(settings.control_group, "");
    ck_assert_uint_eq(settings.workers, 0);
    ck_assert_str_eq(settings.user, "_tunneld");
    ck_assert_str_eq(settings.forward_address, "127.0.0.1");
    ck_assert_int_eq(settings.log_level, LOG_INFO);
    ck_assert_int_eq(settings.log_format, LOG_TEXT);
    ck_assert_uint_eq(settings.keepalive_ms, 30000);
    ck_assert_uint_eq(settings.dead_peer_ms, 75000);
    ck_assert_uint_eq(settings.login_grace_ms, 20000);
    ck_assert_uint_eq(settings.login_tries, 6);
    ck_assert(settings.legacy_mac);
    ck_assert_uint_eq(settings.max_logins, 1024);
    ck_assert_uint_eq(settings.max_sessions, 20000);
    ck_assert_uint_eq(settings.max_connections, 65536);
    ck_assert_uint_eq(settings.max_waiting, 64);
    ck_assert_uint_eq(settings.hold_ms, 30000);
    ck_assert_uint_eq(settings.metrics_listen.count, 0);
    ck_assert_uint_eq(settings.target_check_ms, 0);
    hub_settings_release(&settings);
}
END_TEST

static struct {
    size_t live, restart;
    char last[64], from[128], to[128];
} seen;

static void on_difference(void *owner, const char *name, bool live, const char *from,
                          const char *to)
{
    ck_assert_ptr_eq(owner, &seen);
    *(live ? &seen.live : &seen.restart) += 1;
    (void)snprintf(seen.last, sizeof seen.last, "%s", name);
    (void)snprintf(seen.from, sizeof seen.from, "%s", from);
    (void)snprintf(seen.to, sizeof seen.to, "%s", to);
}

static void parse(const char *text, struct hub_settings *settings)
{
    ck_assert_msg(hub_settings_parse(text, strlen(text), "f", settings, &fault) == 0, "%s",
                  fault.text);
}

static const struct difference {
    const char *before, *after, *name, *from, *to;
    bool live;
} differences[] = {
    {"hold: 30s", "hold: 1m", "hold", "30s", "1m", true},
    {"keepalive: 10s", "keepalive: 11s", "keepalive", "10s", "11s", true},
    {"log_level: debug", "log_level: error", "log_level", "debug", "error", true},
    {"max_waiting: 1", "max_waiting: 0", "max_waiting", "1", "0", true},
    {"listen: ['127.0.0.1:1']", "listen: ['127.0.0.1:1', '[::1]:1']", "listen", "[127.0.0.1:1]",
     "[127.0.0.1:1, \"[::1]:1\"]", true},
    {"public_addresses: [b:1, a:1]", "public_addresses: [a:1, b:1]", "public_addresses",
     "[b:1, a:1]", "[a:1, b:1]", true},
    {"control_group: one", "control_group: ''", "control_group", "one", "\"\"", true},
    {"workers: 0", "workers: 1", "workers", "0", "1", false},
    {"legacy_mac: on", "legacy_mac: off", "legacy_mac", "true", "false", true},
    {"user: one", "user: two", "user", "one", "two", false},
    {"target_check: 0", "target_check: 1m", "target_check", "0s", "1m", true},
    {"metrics_listen: []", "metrics_listen: ['127.0.0.1:1']", "metrics_listen", "[]",
     "[127.0.0.1:1]", false},
    {"state_dir: /one", "state_dir: /two", "state_dir", "/one", "/two", false},
    {"control_socket: /one", "control_socket: /two", "control_socket", "/one", "/two", false},
};

/* Told as in the file; a live one is taken over, the other keeps its running value. */
START_TEST(one_difference)
{
    const struct difference *wanted = &differences[_i];
    struct hub_settings running, fresh;
    memset(&seen, 0, sizeof seen);
    parse(wanted->before, &running);
    parse(wanted->after, &fresh);
    ck_assert_int_eq(hub_settings_compare(&running, &fresh, on_difference, &seen, &fault), 0);
    ck_assert_uint_eq(seen.live, wanted->live);
    ck_assert_uint_eq(seen.restart, !wanted->live);
    ck_assert_str_eq(seen.last, wanted->name);
    ck_assert_str_eq(seen.from, wanted->from);
    ck_assert_str_eq(seen.to, wanted->to);
    hub_settings_adopt_live(&running, &fresh);
    hub_settings_release(&fresh);
    parse(wanted->after, &fresh);
    memset(&seen, 0, sizeof seen);
    ck_assert_int_eq(hub_settings_compare(&running, &fresh, on_difference, &seen, &fault), 0);
    ck_assert_uint_eq(seen.live, 0);
    ck_assert_uint_eq(seen.restart, !wanted->live);
    hub_settings_release(&running);
    hub_settings_release(&fresh);
}
END_TEST

/* Written in another way it is the same. */
START_TEST(no_difference)
{
    struct hub_settings one, other;
    memset(&seen, 0, sizeof seen);
    parse("hold: 60s\nlisten: ['127.0.0.1:1']\nlog_level: info", &one);
    parse("listen:\n  - 127.0.0.1:1\nhold: 1m", &other);
    ck_assert_int_eq(hub_settings_compare(&one, &other, on_difference, &seen, &fault), 0);
    ck_assert_uint_eq(seen.live + seen.restart, 0);
    hub_settings_release(&one);
    hub_settings_release(&other);
}
END_TEST

/* The words of the settings are those of the log, in its order. */
START_TEST(log_words)
{
    for (int i = LOG_ERROR; i <= LOG_TRACE; i++) {
        struct hub_settings settings;
        char text[32];
        snprintf(text, sizeof text, "log_level: %s", log_level_name((enum log_level)i));
        ck_assert_int_eq(hub_settings_parse(text, strlen(text), "f", &settings, &fault), 0);
        ck_assert_int_eq(settings.log_level, i);
        hub_settings_release(&settings);
    }
    struct hub_settings settings;
    static const char json[] = "log_format: json";
    ck_assert_int_eq(hub_settings_parse(json, strlen(json), "f", &settings, &fault), 0);
    ck_assert_int_eq(settings.log_format, LOG_JSON);
    hub_settings_release(&settings);
}
END_TEST

START_TEST(example)
{
    struct hub_settings settings;
    ck_assert_msg(hub_settings_load(CONFIG_EXAMPLES "/tunneld.yaml", &settings, &fault) == 0, "%s",
                  fault.text);
    ck_assert_uint_gt(settings.public_addresses.count, 0);
    hub_settings_release(&settings);
}
END_TEST

START_TEST(dead_peer_outlives_keepalive)
{
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"keepalive: 10s\ndead_peer: 10s",
         "f:2:12: 'dead_peer' (10s) must be longer than 'keepalive' (10s)"},
        {"hold: 1s\nkeepalive: 2m",
         "f:2:12: 'dead_peer' (1m15s) must be longer than 'keepalive' (2m)"},
    };
    for (size_t i = 0; i < 2; i++) {
        struct hub_settings settings = {.workers = 99};
        ck_assert_int_eq(
            hub_settings_parse(cases[i].text, strlen(cases[i].text), "f", &settings, &fault), -1);
        ck_assert_str_eq(fault.text, cases[i].sentence);
        ck_assert_uint_eq(settings.workers, 99);
    }
}
END_TEST

/* Whatever cannot be a settings file costs one sentence that names it. */
START_TEST(files_that_are_none)
{
    struct hub_settings settings;
    char path[] = "/tmp/hub-settings-test.XXXXXX";
    int descriptor = mkstemp(path);
    char sentence[FAULT_TEXT_SIZE];
    ck_assert_int_ge(descriptor, 0);
    ck_assert_int_eq(hub_settings_load(path, &settings, &fault), -1);
    snprintf(sentence, sizeof sentence, "%s:1:1: the file is empty", path);
    ck_assert_str_eq(fault.text, sentence);
    ck_assert_int_eq(ftruncate(descriptor, 100), 0);
    ck_assert_int_eq(hub_settings_load(path, &settings, &fault), -1);
    snprintf(sentence, sizeof sentence,
             "%s:1:1: byte 0x00 is not text; the file is binary or damaged", path);
    ck_assert_str_eq(fault.text, sentence);
    ck_assert_int_eq(ftruncate(descriptor, 10 << 20), 0);
    ck_assert_int_eq(hub_settings_load(path, &settings, &fault), -1);
    snprintf(sentence, sizeof sentence,
             "cannot read %s: it has 10485760 bytes, at most 1048576 are read", path);
    ck_assert_str_eq(fault.text, sentence);
    close(descriptor);
    unlink(path);
    ck_assert_int_eq(hub_settings_load(path, &settings, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "No such file"));
}
END_TEST

/* Not as root, whose state is in /var/lib whatever the environment says. */
static void check_user_directory(void)
{
    char path[64];
    setenv("XDG_STATE_HOME", "/state", 1);
    setenv("HOME", "/home/x", 1);
    ck_assert_int_eq(default_state_dir("tunneld", path, sizeof path, &fault), 0);
    ck_assert_str_eq(path, "/state/tunneld");
    setenv("XDG_STATE_HOME", "relative", 1);
    ck_assert_int_eq(default_state_dir("tunneld", path, sizeof path, &fault), 0);
    ck_assert_str_eq(path, "/home/x/.local/state/tunneld");
    ck_assert_int_eq(default_state_dir("tunneld", path, 10, &fault), -1);
    unsetenv("HOME");
    unsetenv("XDG_STATE_HOME");
    ck_assert_int_eq(default_state_dir("tunneld", path, sizeof path, &fault), -1);
    ck_assert_str_eq(fault.text,
                     "there is no $HOME to keep the state of tunneld in; name a directory for it");
}

START_TEST(state_directory)
{
    char path[64];
    if (geteuid() == 0) {
        ck_assert_int_eq(default_state_dir("tunneld", path, sizeof path, &fault), 0);
        ck_assert_str_eq(path, "/var/lib/tunneld");
        ck_assert_int_eq(setegid(65534) | seteuid(65534), 0);
    }
    check_user_directory();
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0) | setegid(0), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub_settings");
    TCase *tests = tcase_create("hub_settings");
    tcase_add_test(tests, defaults);
    tcase_add_test(tests, log_words);
    tcase_add_loop_test(tests, one_difference, 0, sizeof differences / sizeof *differences);
    tcase_add_test(tests, no_difference);
    tcase_add_test(tests, example);
    tcase_add_test(tests, dead_peer_outlives_keepalive);
    tcase_add_test(tests, files_that_are_none);
    tcase_add_test(tests, state_directory);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
