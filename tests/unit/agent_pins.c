/* The hub's list of its host keys: read, and written to agent.yaml. */
#define _GNU_SOURCE
#include "tunnel-agent/pins.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/agent_settings.h"
#include "suite.h"
#include "tunnel-agent/agent.h"

#define KEY(letter)                                                                                \
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFkrIPDAoum8t0TQ3LdM9LPtm8NiVQtA4nOk71cfNL0" letter
#define K1 KEY("A")
#define K2 KEY("Q")
#define K3 KEY("g")
#define K4 KEY("w")

static char directory[64], path[96];
static struct agent agent;
static struct fault fault;

static void write_settings(const char *host_keys)
{
    char text[2048];
    struct agent_settings settings = {0};
    (void)snprintf(text, sizeof text,
                   "site: hannover\nhub: [hub.example.net:22]\nhost_keys: [%s]\n"
                   "allow_targets: ['*:80']\ntarget_timeout: 4s\n",
                   host_keys);
    ck_assert_msg(agent_settings_parse(text, strlen(text), "test", &settings, &fault) == 0, "%s",
                  fault.text);
    ck_assert_int_eq(agent_settings_save(path, &settings, &fault), 0);
    agent_settings_release(&settings);
    agent_settings_release(&agent.settings);
    ck_assert_int_eq(agent_settings_load(path, &agent.settings, &fault), 0);
}

static void set_up(void)
{
    (void)snprintf(directory, sizeof directory, "/tmp/pins.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/agent.yaml", directory);
    ck_assert_int_eq(state_locate(&agent.state, directory, &fault), 0);
    write_settings(K1 ", " K2 " of the hub");
}

static void tear_down(void)
{
    agent_settings_release(&agent.settings);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}

static void check_list(const struct text_list *list, const char *first, const char *second)
{
    ck_assert_uint_eq(list->count, 2);
    ck_assert_str_eq(list->items[0], first);
    ck_assert_str_eq(list->items[1], second);
}

static void check_pins(const char *first, const char *second)
{
    struct agent_settings settings = {0};
    ck_assert_msg(agent_settings_load(path, &settings, &fault) == 0, "%s", fault.text);
    check_list(&settings.host_keys, first, second);
    ck_assert_uint_eq(settings.target_timeout_ms, 4000);
    ck_assert_str_eq(settings.allow_targets.items[0], "*:80");
    ck_assert_str_eq(settings.hubs.items[0].host, "hub.example.net");
    agent_settings_release(&settings);
}

static void take(const char *text)
{
    json_t *list = json_loads(text, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(list);
    pins_take(&agent, list);
    json_decref(list);
}

static ino_t inode(void)
{
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    return status.st_ino;
}

START_TEST(follows_a_rotation)
{
    take("[\"" K2 "\", \"" K3 "\"]");
    check_pins(K2, K3);
    check_list(&agent.settings.host_keys, K2, K3);
    take("[\"" K3 "\", \"" K4 "\"]");
    check_pins(K3, K4);
    check_list(&agent.settings.host_keys, K3, K4);
    pins_take(&agent, NULL); /* a hub that lists none */
    check_pins(K3, K4);
}
END_TEST

START_TEST(writes_only_what_changed)
{
    ino_t before = inode();
    take("[\"" K1 "\", \"" K2 "\"]");
    take("[\"" K2 " another comment\", \"" K1 "\"]");
    ck_assert_uint_eq(inode(), before);
    check_pins(K1, K2 " of the hub");
    take("[\"" K2 "\"]");
    ck_assert_uint_ne(inode(), before);
}
END_TEST

/* Whoever sits there cannot make the agent forget all that it knows. */
START_TEST(keeps_its_pins_against_strange_lists)
{
    static const char *const strange[] = {
        "[\"" K3 "\", \"" K4 "\"]",
        "[]",
        "{}",
        "7",
        "null",
        "[7]",
        "[\"" K2 "\", \"\"]",
        "[\"" K2 "\", \"ssh-ed25519 AAAA\"]",
        "[\"" K2 "\", \"garbage\"]",
        "[\"" K2 "\",1,1,1,1,1,1,1,1]",
    };
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        take(strange[i]);
        check_pins(K1, K2 " of the hub");
        check_list(&agent.settings.host_keys, K1, K2 " of the hub");
    }
}
END_TEST

/* In memory it is another hub's, for as long as this process lives; the file stays. */
START_TEST(the_file_of_another_hub_stays)
{
    struct text_list mine = agent.settings.host_keys;
    json_t *others = json_pack("[s, s]", K3, K4);
    ck_assert_int_eq(pins_read(others, &agent.settings.host_keys, &fault), 0);
    json_decref(others);
    take("[\"" K4 "\", \"" KEY("i") "\"]");
    check_pins(K1, K2 " of the hub");
    ck_assert_str_eq(agent.settings.host_keys.items[0], K4);
    pins_release(&mine);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_left_alone)
{
    struct text_list pins = {0};
    FILE *file = fopen(path, "a");
    (void)fputs("mistake: yes\n", file);
    (void)fclose(file);
    ino_t before = inode();
    take("[\"" K2 "\", \"" K3 "\"]");
    ck_assert_uint_eq(inode(), before);
    check_list(&agent.settings.host_keys, K2, K3);
    json_t *list = json_pack("[s]", K2);
    ck_assert_int_eq(pins_read(list, &pins, &fault), 0);
    ck_assert_int_eq(pins_save(&agent.state, &pins, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "mistake"));
    pins_release(&pins);
    json_decref(list);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agent_pins");
    TCase *cases = tcase_create("pins");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, follows_a_rotation);
    tcase_add_test(cases, writes_only_what_changed);
    tcase_add_test(cases, keeps_its_pins_against_strange_lists);
    tcase_add_test(cases, the_file_of_another_hub_stays);
    tcase_add_test(cases, a_file_that_cannot_be_read_is_left_alone);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
